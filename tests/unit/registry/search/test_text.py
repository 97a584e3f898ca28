from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capmart_registry.search.text import BREAK, MAX_QUERY_WORDS, index_terms, query_words, runs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("设备综合效率", ["设备综合效率"]),
        ("OEE设备效率 v2", ["oee", "设备效率", "v2"]),
        ("ＯＥＥ", ["oee"]),
        ("acme/oee-tool", ["acme", "oee", "tool"]),
        ("snake_case", ["snake", "case"]),
        ("", []),
        ("!!! ??? 。，", []),
        ("𠮷野家", ["𠮷野家"]),
    ],
)
def test_given_mixed_text_then_chinese_and_words_are_told_apart(text: str, expected: list[str]) -> None:
    assert runs(text) == expected


def test_given_chinese_then_its_terms_are_overlapping_pairs_and_runs_are_kept_apart() -> None:
    assert index_terms(["产业大脑", "能源"]) == f"产业 业大 大脑 {BREAK} 能源 {BREAK}"
    assert index_terms(["煤"]) == f"煤 {BREAK}"


def test_given_a_word_still_being_typed_then_only_the_last_one_is_open() -> None:
    assert [word.last for word in query_words("energy fac")] == [False, True]
    assert [word.last for word in query_words("energy factor ")] == [False, False]


@given(st.text(max_size=20_000))
def test_given_anything_typed_then_the_words_are_few_and_never_an_error(text: str) -> None:
    words = query_words(text)
    assert len(words) <= MAX_QUERY_WORDS
    assert all(term and not term.isspace() for word in words for term in word.terms)


@given(st.text(alphabet="产业大脑设备效率能源", min_size=2, max_size=12))
def test_given_part_of_an_indexed_run_then_its_pairs_stand_one_after_the_other_in_the_index(run: str) -> None:
    terms = index_terms([f"前{run}后"]).split()
    (word,) = query_words(run)
    positions = [start for start in range(len(terms)) if tuple(terms[start : start + len(word.terms)]) == word.terms]
    assert positions
