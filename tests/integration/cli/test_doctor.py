"""``capmart doctor`` on a machine with an engine, and on one without."""

from __future__ import annotations

import json
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from capmart_core.times import now_utc
from capmart_sdk.doctor.checks import _skew
from tests.support.center import capmart

NOWHERE = "unix:///nonexistent/docker.sock"


def examined(folder: Path, expect: int, **env: str) -> dict[str, dict[str, Any]]:
    done = capmart("doctor", "--json", env={"CAPMART_HOME": str(folder), **env}, expect=expect)
    return {check["name"]: check for check in json.loads(done.stdout)}


@pytest.mark.usefixtures("engine")
def test_given_an_engine_then_the_trial_shows_each_part_of_the_confinement(tmp_path: Path) -> None:
    found = examined(tmp_path, 0)
    confinement = {"user", "privileges", "seccomp", "network", "files", "memory", "pids"}
    assert {"python", "disk", "engine", "runtime", "trial", "gvisor", "trust"} | confinement == set(found)
    assert {found[name]["level"] for name in (*confinement, "engine", "trial")} == {"ok"}
    assert found["memory"]["found"]["en"] == "64 MiB"
    assert found["trust"]["level"] == "warn"
    assert "capmart trust add" in found["trust"]["advice"]["zh"]


def test_given_no_engine_then_it_says_what_runs_all_the_same_and_what_to_do(tmp_path: Path) -> None:
    found = examined(tmp_path, 0, DOCKER_HOST=NOWHERE)
    assert found["engine"]["level"] == "warn"
    assert "docker.io" in found["engine"]["advice"]["en"]
    assert "trial" not in found


def test_given_an_engine_asked_for_that_is_not_there_then_the_exit_code_says_so(tmp_path: Path) -> None:
    found = examined(tmp_path, 6, DOCKER_HOST=NOWHERE, CAPMART_RUNNER="docker")
    assert found["engine"]["level"] == "fail"


def test_given_both_languages_when_printed_then_each_line_is_in_the_one_asked_for(tmp_path: Path) -> None:
    for language, words in (("zh", "容器引擎"), ("en", "Container engine")):
        env = {"CAPMART_HOME": str(tmp_path), "DOCKER_HOST": NOWHERE, "CAPMART_LANG": language}
        assert words in capmart("doctor", env=env).stdout


def test_given_a_center_whose_clock_differs_then_the_difference_is_known() -> None:
    assert abs(_skew(format_datetime(now_utc() - timedelta(hours=1))) - 3600) < 60
    assert _skew(None) == _skew("yesterday") == 0
