"""The search index on disk: its fields, how a component becomes a document, how a query is answered.

The index is derived from the catalog and may be deleted at any time. How far it has followed the catalog is a document
of its own in it, so that cursor and content are committed together.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import tantivy

from capmart_registry.search.text import Word, index_terms, query_words

FORMAT = "1"
"""Part of the folder's name; raised when the fields below change, so that an old index is simply left behind."""

FACETS = ("kind", "subkind", "industry", "scenario", "capability", "delivery", "home", "namespace")
MAX_VALUES = 200
"""The most values of one facet that are counted in one answer."""

MAX_PAGE = 100
MAX_OFFSET = 200_000
Sort = Literal["relevance", "newest", "name"]

_ANALYZER = "capmart"
_CURSOR_KEY = "#cursor"
_HEAP_BYTES = 32 * 1024 * 1024
_TITLE_BOOST = 4.0
_FUZZY_FROM = 5


@dataclass(frozen=True)
class SearchDocument:
    """What the index knows of one component.

    Attributes:
        id: ``namespace/name``.
        titles: texts in which a hit counts most.
        texts: every other text that a person may look for.
        name: by which the list can be sorted.
        listed_at: seconds since 1970 of the newest listing.
        state: of the release that stands for the component.
        facets: codes by facet name (:data:`FACETS`).
    """

    id: str
    titles: tuple[str, ...]
    texts: tuple[str, ...]
    name: str
    listed_at: int
    state: str
    facets: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class SearchQuery:
    """A question to the index.

    Attributes:
        text: what the person typed; bounded and never an error.
        filters: for each facet the codes of which a component must have one.
        states: components in other states are left out.
        sort: by relevance when there is text, otherwise the newest first.
    """

    text: str = ""
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    states: tuple[str, ...] = ("listed", "deprecated")
    sort: Sort | None = None
    offset: int = 0
    limit: int = 20


@dataclass(frozen=True)
class SearchAnswer:
    """Ids of one page in order, how many match in all, and how many have each code of each facet.

    A facet's counts leave that facet's own filter aside, so that a person sees what else could be chosen.
    """

    ids: tuple[str, ...]
    total: int
    facets: Mapping[str, tuple[tuple[str, int], ...]]


def schema() -> tantivy.Schema:
    """The fields of the index."""
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("key", stored=True, tokenizer_name="raw")
    builder.add_text_field("title", tokenizer_name=_ANALYZER)
    builder.add_text_field("body", tokenizer_name=_ANALYZER)
    builder.add_text_field("name", tokenizer_name="raw", fast=True)
    builder.add_text_field("state", tokenizer_name="raw", fast=True)
    builder.add_unsigned_field("listed_at", fast=True)
    builder.add_unsigned_field("cursor", stored=True)
    for facet in FACETS:
        builder.add_text_field(facet, tokenizer_name="raw", fast=True)
    return builder.build()


def open_index(root: Path) -> tantivy.Index:
    """Open the index under ``root``, making an empty one where there is none or where it cannot be read."""
    folder = root / f"components-{FORMAT}"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        index = tantivy.Index(schema(), path=str(folder))
    except ValueError:
        # A torn or foreign index holds nothing that the catalog does not: start again.
        shutil.rmtree(folder)
        folder.mkdir()
        index = tantivy.Index(schema(), path=str(folder))
    index.register_tokenizer(_ANALYZER, tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build())
    return index


class IndexWriter:
    """Changes the index; only one may exist at a time for one folder (see :mod:`.writer` for the lock)."""

    def __init__(self, index: tantivy.Index) -> None:
        self._index = index
        self._writer = index.writer(heap_size=_HEAP_BYTES, num_threads=1)

    def apply(self, changed: Iterable[SearchDocument], gone: Iterable[str], cursor: int) -> None:
        """Replace, remove and remember the cursor, in one commit."""
        for component_id in gone:
            self._writer.delete_documents_by_term("key", component_id)
        for document in changed:
            self._writer.delete_documents_by_term("key", document.id)
            self._writer.add_document(_as_tantivy(document))
        self._commit(cursor)

    def clear(self) -> None:
        """Empty the index."""
        self._writer.delete_all_documents()
        self._commit(0)

    def _commit(self, cursor: int) -> None:
        self._writer.delete_documents_by_term("key", _CURSOR_KEY)
        marker = tantivy.Document()
        marker.add_text("key", _CURSOR_KEY)
        marker.add_unsigned("cursor", cursor)
        self._writer.add_document(marker)
        self._writer.commit()
        self._index.reload()

    def close(self) -> None:
        """Let running merges end and give the index free."""
        self._writer.wait_merging_threads()


def read_cursor(index: tantivy.Index) -> int:
    """The catalog's revision up to which the index has followed; 0 when it is empty."""
    searcher = index.searcher()
    hits = searcher.search(tantivy.Query.term_query(index.schema, "key", _CURSOR_KEY), limit=1).hits
    return int(searcher.doc(hits[0][1]).get_first("cursor") or 0) if hits else 0


def ask(index: tantivy.Index, query: SearchQuery) -> SearchAnswer:
    """Answer ``query`` from what the index held when it was last reloaded.

    Where nothing matches the words as they are written, words that differ by one letter are let in: looking for those
    takes most of the time, and a person who wrote rightly does not want them.
    """
    words = query_words(query.text)
    answer = _ask(index, query, [_word_query(index.schema, word) for word in words])
    if answer.total or not any(_may_differ(word) for word in words):
        return answer
    return _ask(index, query, [_word_query(index.schema, word, fuzzy=True) for word in words])


def _ask(index: tantivy.Index, query: SearchQuery, text: Sequence[tantivy.Query]) -> SearchAnswer:
    fields = index.schema
    chosen = {facet: codes for facet, codes in query.filters.items() if codes}
    base = [*text, tantivy.Query.term_set_query(fields, "state", list(query.states))]
    filters = {name: tantivy.Query.term_set_query(fields, name, list(codes)) for name, codes in chosen.items()}
    everything = _all_of([*base, *filters.values()])
    searcher = index.searcher()
    limit, offset = min(max(query.limit, 1), MAX_PAGE), min(max(query.offset, 0), MAX_OFFSET)
    sort: Sort = query.sort or ("relevance" if text else "newest")
    if sort == "relevance":
        found = searcher.search(everything, limit=limit, offset=offset)
    elif sort == "newest":
        found = searcher.search(everything, limit=limit, offset=offset, order_by_field="listed_at")
    else:
        found = searcher.search(everything, limit, True, "name", offset, tantivy.Order.Asc)  # noqa: FBT003  (positional in the stub)
    ids = tuple(str(searcher.doc(address).get_first("key")) for _, address in found.hits)
    counts = _counts(searcher, everything, [name for name in FACETS if name not in chosen])
    for name in chosen:
        others = _all_of([*base, *(part for other, part in filters.items() if other != name)])
        counts.update(_counts(searcher, others, [name]))
    return SearchAnswer(ids, int(found.count), {name: counts[name] for name in FACETS})  # type: ignore[attr-defined]  # absent from the stub


def _counts(
    searcher: tantivy.Searcher, query: tantivy.Query, facets: Sequence[str]
) -> dict[str, tuple[tuple[str, int], ...]]:
    if not facets:
        return {}
    asked = {name: {"terms": {"field": name, "size": MAX_VALUES}} for name in facets}
    answer = searcher.aggregate(query, asked)
    return {
        name: tuple((str(bucket["key"]), int(bucket["doc_count"])) for bucket in answer[name]["buckets"])
        for name in facets
    }


def _may_differ(word: Word) -> bool:
    return not word.han and len(word.terms) == 1 and len(word.terms[0]) >= _FUZZY_FROM


def _word_query(fields: tantivy.Schema, word: Word, *, fuzzy: bool = False) -> tantivy.Query:
    in_title, in_body = (_in_field(fields, name, word, fuzzy=fuzzy) for name in ("title", "body"))
    return _any_of([tantivy.Query.boost_query(in_title, _TITLE_BOOST), in_body])


def _in_field(fields: tantivy.Schema, name: str, word: Word, *, fuzzy: bool) -> tantivy.Query:
    if len(word.terms) > 1:
        return tantivy.Query.phrase_query(fields, name, list(word.terms))
    term = word.terms[0]
    exact = tantivy.Query.term_query(fields, name, term)
    if word.han:
        if len(term) > 1:
            return exact
        # One character alone: every pair that has it, as no single characters are indexed inside a word.
        return _any_of([exact, tantivy.Query.regex_query(fields, name, f"{term}.|.{term}")])
    ways = [tantivy.Query.boost_query(exact, 2.0)]
    if word.last:
        ways.append(tantivy.Query.regex_query(fields, name, f"{term}.*"))
    if fuzzy and _may_differ(word):
        ways.append(tantivy.Query.boost_query(tantivy.Query.fuzzy_term_query(fields, name, term), 0.5))
    return _any_of(ways)


def _as_tantivy(document: SearchDocument) -> tantivy.Document:
    made = tantivy.Document()
    made.add_text("key", document.id)
    made.add_text("title", index_terms(document.titles))
    made.add_text("body", index_terms(document.texts))
    made.add_text("name", document.name)
    made.add_text("state", document.state)
    made.add_unsigned("listed_at", max(document.listed_at, 0))
    for facet in FACETS:
        for code in document.facets.get(facet, ()):
            made.add_text(facet, code)
    return made


def _all_of(parts: Sequence[tantivy.Query]) -> tantivy.Query:
    return tantivy.Query.boolean_query([(tantivy.Occur.Must, part) for part in parts])


def _any_of(parts: Sequence[tantivy.Query]) -> tantivy.Query:
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, part) for part in parts])
