"""Turning text into search terms: Chinese as overlapping pairs of characters, everything else as whole words.

A pair of adjacent characters is the smallest unit that is selective in Chinese without a dictionary; a longer Chinese
word is then a phrase of its pairs. Nothing here knows the index.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

MAX_QUERY_CHARACTERS = 200
MAX_QUERY_WORDS = 12
BREAK = "|"
"""A term that stands between two runs of text, so that no phrase reaches across."""

_HAN = r"㐀-䶿一-鿿豈-﫿\U00020000-\U0003134f"
_RUN = re.compile(rf"[{_HAN}]+|[^\W_{_HAN}]+")
_HAN_FIRST = re.compile(rf"[{_HAN}]")
_MAX_WORD = 64


@dataclass(frozen=True)
class Word:
    """One word of a query.

    Attributes:
        terms: its terms in the index, one after the other.
        han: whether it is Chinese.
        last: whether the person may still be typing it.
    """

    terms: tuple[str, ...]
    han: bool
    last: bool = False


def fold(text: str) -> str:
    """``text`` with compatibility forms, width and case folded away (NFKC), so that ＯＥＥ finds OEE."""
    return unicodedata.normalize("NFKC", text).casefold()


def runs(text: str) -> list[str]:
    """The stretches of Chinese characters and of letters or digits in ``text``, folded."""
    return [run[:_MAX_WORD] if not is_han(run) else run for run in _RUN.findall(fold(text))]


def is_han(run: str) -> bool:
    """Whether a run is Chinese."""
    return _HAN_FIRST.match(run) is not None


def pairs(run: str) -> tuple[str, ...]:
    """The overlapping pairs of a Chinese run; a single character stands for itself."""
    return tuple(run[i : i + 2] for i in range(len(run) - 1)) or (run,)


def index_terms(texts: Iterable[str]) -> str:
    """All terms of ``texts`` joined by spaces, for a field whose tokenizer splits at white space."""
    terms: list[str] = []
    for text in texts:
        for run in runs(text):
            terms.extend(pairs(run) if is_han(run) else (run,))
            terms.append(BREAK)
    return " ".join(terms)


def query_words(text: str) -> list[Word]:
    """What a person typed, as words of which every one must be found.

    Never fails: operators and quotes are only separators, and what exceeds the bounds is left out.
    """
    found = runs(text[:MAX_QUERY_CHARACTERS])[:MAX_QUERY_WORDS]
    typing = bool(text) and not text[-1].isspace()
    return [
        Word(pairs(run) if is_han(run) else (run,), is_han(run), last=typing and number == len(found) - 1)
        for number, run in enumerate(found)
    ]
