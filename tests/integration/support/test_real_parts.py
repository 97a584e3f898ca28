"""The parts of this machine that other tests rely on do what those tests expect of them."""

import sys
from pathlib import Path

import docker
import pytest
from playwright.sync_api import Page

from tests.support.processes import NotReadyError, Process, free_port


@pytest.mark.engine
def test_given_an_engine_when_asked_then_it_tells_its_version(engine: docker.DockerClient) -> None:
    assert engine.version()["ApiVersion"]


@pytest.mark.browser
def test_given_chromium_when_chinese_is_written_then_each_character_has_its_own_glyph(page: Page) -> None:
    page.set_content("<span id=a>产</span> <span id=b>业</span>")
    first, second = page.locator("#a").screenshot(), page.locator("#b").screenshot()
    assert first != second, "the same box for both: no Chinese font is installed"


def test_given_a_server_when_it_answers_then_it_counts_as_ready_and_stop_ends_it(tmp_path: Path) -> None:
    port = free_port()
    server = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(tmp_path)]
    with Process(server, log=tmp_path / "log") as process:
        process.wait_for_url(f"http://127.0.0.1:{port}/")
    assert not process.running


def test_given_a_process_that_dies_when_waited_for_then_the_end_of_its_log_is_shown(tmp_path: Path) -> None:
    with (
        Process([sys.executable, "-c", "raise SystemExit('no room')"], log=tmp_path / "log") as process,
        pytest.raises(NotReadyError, match="no room"),
    ):
        process.wait_for_url("http://127.0.0.1:9/")
