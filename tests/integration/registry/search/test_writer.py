from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from capmart_core.text import Text
from capmart_registry.catalog import queries
from capmart_registry.catalog.queries import ListQuery
from capmart_registry.catalog.views import ComponentList
from capmart_registry.search.index import SearchQuery
from capmart_registry.search.reader import SearchReader
from capmart_registry.search.writer import SearchWriter
from capmart_registry.submissions import acts
from tests.support.registry import REVIEWER, SmallCenter

REASON = Text(zh="原因", en="a reason")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallCenter]:
    with SmallCenter(tmp_path / "center") as center:
        yield center


def listed(small: SmallCenter, **query: object) -> ComponentList:
    small.index()
    with small.center.db.read() as session:
        return queries.list_components(session, SearchReader(small.center.settings.search_path), ListQuery(**query))  # type: ignore[arg-type]


def test_given_a_listed_release_then_search_finds_it_in_both_languages(small: SmallCenter) -> None:
    small.publish(title={"zh": "设备综合效率", "en": "Equipment effectiveness"})
    for text in ("综合效率", "equipment", "acme/sum", "通用设备", "顶点", "相加"):
        found = listed(small, text=text)
        assert [one.id for one in found.items] == ["acme/sum"], text
    (facet,) = [one for one in found.facets["industry"] if one.code == "34"]
    assert facet.count == 1
    assert facet.title.zh
    assert facet.title.zh != "34"


def test_given_a_newer_version_then_the_component_is_found_by_what_it_says_now(small: SmallCenter) -> None:
    small.publish()
    small.publish(version="1.1.0", title={"zh": "新的名字", "en": "A new name"})
    assert [one.version for one in listed(small, text="新的名字").items] == ["1.1.0"]
    assert listed(small, text="求和").total == 0


def test_given_a_component_quarantined_then_lists_leave_it_out_until_it_is_released(small: SmallCenter) -> None:
    small.publish()
    acts.center_act(small.center, REVIEWER, "acme/sum", "1.0.0", "quarantine", reason=REASON)
    assert listed(small).items == ()
    acts.center_act(small.center, REVIEWER, "acme/sum", "1.0.0", "release")
    assert len(listed(small).items) == 1
    acts.center_act(small.center, REVIEWER, "acme/sum", "1.0.0", "takedown", reason=REASON)
    assert listed(small).total == 0


def test_given_more_components_than_a_page_then_cursors_lead_through_all(small: SmallCenter) -> None:
    for name in ("a", "b", "c"):
        small.publish(id=f"acme/{name}")
    small.index()
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        page = listed(small, cursor=cursor, limit=1)
        seen += [one.id for one in page.items]
        cursor = page.next
    assert cursor is None
    assert sorted(seen) == ["acme/a", "acme/b", "acme/c"]


def test_given_the_index_rebuilt_then_it_says_the_same(small: SmallCenter) -> None:
    small.publish()
    before = listed(small)
    SearchWriter(small.center.db, small.center.settings.search_path).rebuild()
    assert listed(small) == before


def test_given_a_rebuild_while_another_process_holds_the_index_then_that_one_does_it(small: SmallCenter) -> None:
    small.publish()
    root = small.center.settings.search_path
    stop = threading.Event()
    holder = threading.Thread(target=SearchWriter(small.center.db, root).run, args=(stop,))
    holder.start()
    try:
        end = time.monotonic() + 5
        while SearchReader(root).cursor() == 0 and time.monotonic() < end:
            time.sleep(0.05)
        assert not SearchWriter(small.center.db, root).catch_up()
        SearchWriter(small.center.db, root).rebuild(timeout_s=10)
    finally:
        stop.set()
        holder.join()
    assert SearchReader(root).ask(SearchQuery()).total == 1


def test_given_the_writing_process_killed_then_another_goes_on_with_the_same_index(small: SmallCenter) -> None:
    small.publish()
    root = small.center.settings.search_path
    code = (
        "import sys, threading; from pathlib import Path; from capmart_registry.db import Database;"
        "from capmart_registry.search.writer import SearchWriter;"
        "SearchWriter(Database(sys.argv[1]), Path(sys.argv[2])).run(threading.Event())"
    )
    process = subprocess.Popen([sys.executable, "-c", code, small.center.settings.database, str(root)])
    reader = SearchReader(root)
    end = time.monotonic() + 20
    while reader.ask(SearchQuery()).total == 0 and time.monotonic() < end:
        time.sleep(0.05)
    assert not SearchWriter(small.center.db, root).catch_up()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    small.publish(version="1.1.0", title={"zh": "之后", "en": "Afterwards"})
    assert [one.version for one in listed(small, text="之后").items] == ["1.1.0"]
