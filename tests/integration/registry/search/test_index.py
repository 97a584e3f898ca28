from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capmart_registry.search.index import IndexWriter, SearchDocument, SearchQuery, open_index, read_cursor
from capmart_registry.search.reader import SearchReader


def document(name: str, zh: str, en: str, *, more: str = "", listed_at: int = 0, **facets: str) -> SearchDocument:
    given = {facet: tuple(codes.split()) for facet, codes in facets.items()}
    return SearchDocument(f"acme/{name}", (zh, en, f"acme/{name}"), (more,), en.lower(), listed_at, "listed", given)


DOCUMENTS = [
    document("oee", "设备综合效率", "Overall equipment effectiveness", listed_at=1, kind="tool", industry="34 35"),
    document(
        "factors", "能源折标因子", "Energy factors", more="设备能耗", listed_at=3, kind="knowledge", industry="34"
    ),
    document("match", "供需撮合", "Supply and demand", listed_at=2, kind="application"),
]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchReader]:
    root = tmp_path_factory.mktemp("search")
    writer = IndexWriter(open_index(root))
    writer.apply(DOCUMENTS, (), 7)
    yield SearchReader(root)
    writer.close()


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("设备", ["oee", "factors"]),
        ("设备综合", ["oee"]),
        ("综合效率", ["oee"]),
        ("率", ["oee"]),
        ("备能", ["factors"]),
        ("效备", []),
        ("OEE", ["oee"]),
        ("ｏｅｅ", ["oee"]),
        ("energy fac", ["factors"]),
        ("efectiveness", ["oee"]),
        ("设备 energy", ["factors"]),
        ("", ["factors", "match", "oee"]),
        ("   ", ["factors", "match", "oee"]),
        ("nothing like it", []),
    ],
)
def test_given_words_in_either_language_then_the_right_components_in_the_right_order(
    reader: SearchReader, text: str, ids: list[str]
) -> None:
    answer = reader.ask(SearchQuery(text))
    assert [one.removeprefix("acme/") for one in answer.ids] == ids
    assert answer.total == len(ids)


def test_given_a_filter_then_other_facets_count_within_it_and_its_own_beside_it(reader: SearchReader) -> None:
    answer = reader.ask(SearchQuery(filters={"kind": ("tool",)}))
    assert answer.ids == ("acme/oee",)
    assert dict(answer.facets["kind"]) == {"tool": 1, "knowledge": 1, "application": 1}
    assert dict(answer.facets["industry"]) == {"34": 1, "35": 1}


def test_given_several_codes_of_one_facet_then_any_of_them_fits(reader: SearchReader) -> None:
    assert reader.ask(SearchQuery(filters={"kind": ("tool", "application")})).total == 2


@pytest.mark.parametrize(("sort", "first"), [("newest", "acme/factors"), ("name", "acme/factors")])
def test_given_a_sort_order_then_pages_follow_it_without_gap(reader: SearchReader, sort: str, first: str) -> None:
    pages = [reader.ask(SearchQuery(sort=sort, offset=place, limit=1)).ids for place in range(4)]  # type: ignore[arg-type]
    assert pages[0] == (first,)
    assert pages[3] == ()
    assert len({one for page in pages for one in page}) == 3


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.text(max_size=300), st.text(alphabet="\"'()+-*:~^[]{}\\/ANDORT ", max_size=300)))
def test_given_any_text_then_there_is_an_answer(reader: SearchReader, text: str) -> None:
    assert reader.ask(SearchQuery(text)).total >= 0


@pytest.mark.parametrize("bomb", ["大" * 10_000, "a " * 5000, "(" * 5000, '"' * 9999, "*:* AND " * 1000, "的 x" * 400])
def test_given_a_search_bomb_then_the_answer_comes_at_once(reader: SearchReader, bomb: str) -> None:
    started = time.perf_counter()
    reader.ask(SearchQuery(bomb))
    assert time.perf_counter() - started < 1


def test_given_a_change_then_another_reader_sees_it_soon_and_the_cursor_with_it(tmp_path: Path) -> None:
    writer, reader = IndexWriter(open_index(tmp_path)), SearchReader(tmp_path)
    assert reader.ask(SearchQuery()).ids == ()
    writer.apply(DOCUMENTS[:1], (), 1)
    writer.apply([document("oee", "新名", "New name")], ("acme/none",), 2)
    end = time.monotonic() + 1
    while reader.cursor() != 2 and time.monotonic() < end:
        time.sleep(0.02)
    assert reader.ask(SearchQuery("新名")).ids == ("acme/oee",)
    assert reader.ask(SearchQuery("设备")).ids == ()
    writer.apply((), ("acme/oee",), 3)
    writer.close()
    assert SearchReader(tmp_path).ask(SearchQuery()).ids == ()
    assert read_cursor(open_index(tmp_path)) == 3


def test_given_a_broken_index_then_an_empty_one_takes_its_place(tmp_path: Path) -> None:
    writer = IndexWriter(open_index(tmp_path))
    writer.apply(DOCUMENTS, (), 9)
    writer.close()
    (meta,) = tmp_path.glob("*/meta.json")
    meta.write_bytes(b"torn")
    assert read_cursor(open_index(tmp_path)) == 0


def test_given_many_threads_then_each_gets_its_answer(reader: SearchReader) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(reader.ask, [SearchQuery("设备综合")] * 400))
    assert {answer.ids for answer in answers} == {("acme/oee",)}


def test_given_a_folder_that_was_deleted_then_the_index_is_made_again(tmp_path: Path) -> None:
    root = tmp_path / "search"
    IndexWriter(open_index(root)).close()
    shutil.rmtree(root)
    assert SearchReader(root).ask(SearchQuery()).total == 0
