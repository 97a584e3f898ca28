from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from capmart_core.hooks import hookimpl, plugin_manager
from capmart_core.signing import verify_envelope
from capmart_core.statements import EntryEnvelope
from capmart_core.text import Text
from capmart_registry.hooks import CheckSubject, Finding, center_plugins, hookspecs
from capmart_registry.submissions import service as submissions
from capmart_registry.submissions.checks import BUILTIN
from capmart_registry.submissions.report import REPORT_TYPE
from tests.support.packages import ACTION_CODE
from tests.support.registry import EXAMPLES, REVIEWER, SmallCenter


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallCenter]:
    with SmallCenter(tmp_path / "center") as center:
        yield center


def plugin(name: str, check: Any) -> ModuleType:
    module = ModuleType(name)
    module.capmart_check = hookimpl(check)  # type: ignore[attr-defined]
    return module


def note(subject: CheckSubject) -> Iterable[Finding]:
    return [
        Finding(
            severity="info",
            file="manifest.json",
            rule="noted",
            message=Text(zh=f"看过 {subject.release}", en=f"looked at {subject.release}"),
            next=Text(zh="无", en="nothing"),
        )
    ]


def breaks(subject: CheckSubject) -> Iterable[Finding]:
    raise RuntimeError(subject.release)


def breaks_late(subject: CheckSubject) -> Iterator[Finding]:
    yield from note(subject)
    raise RuntimeError(subject.release)


def babbles(subject: CheckSubject) -> Any:
    return "no findings at all"


def test_given_an_extensions_check_then_it_has_its_say_beside_the_built_in_ones(small: SmallCenter) -> None:
    plugins = plugin_manager(hookspecs, builtin={**BUILTIN, "my-province": plugin("my_province", note)})
    submission = small.submit(small.package())
    small.check(plugins)
    found = small.view(submission)
    assert found.state == "in_review"
    assert ("my-province", "noted", "looked at acme/sum@1.0.0") in [
        (one.check, one.rule, one.message.en) for one in found.findings
    ]


@pytest.mark.parametrize("broken", [breaks, breaks_late, babbles])
def test_given_a_check_that_fails_itself_then_that_means_no_and_the_others_still_speak(
    small: SmallCenter, broken: Any
) -> None:
    plugins = plugin_manager(hookspecs, builtin={"broken": plugin("broken", broken), **BUILTIN})
    submission = small.submit(small.package())
    small.check(plugins)
    found = small.view(submission)
    assert found.state == "failed"
    assert ("broken", "check_failed") in [(one.check, one.rule) for one in found.findings]
    assert "package" in [one.check for one in found.findings]


def test_given_the_built_in_checks_then_they_are_registered_under_their_names() -> None:
    assert set(BUILTIN) <= set(center_plugins().names)


def test_given_a_checked_submission_then_its_report_is_signed_by_the_center(small: SmallCenter) -> None:
    submission = small.submit(small.package(examples=EXAMPLES))
    small.check()
    digest = small.view(submission).report
    assert digest is not None
    with small.center.blobs.open(digest) as stream:
        envelope = EntryEnvelope.model_validate_json(stream.read())
    payload = verify_envelope(envelope, small.center.signer.public, REPORT_TYPE)
    assert payload == base64.b64decode(envelope.payload)
    report = json.loads(payload)
    assert report["digest"] == small.view(submission).digest
    assert report["measurements"][0]["example"] == "one and two"


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        (ACTION_CODE.replace(b"a + b", b"1 / 0"), "example_failed"),
        (ACTION_CODE.replace(b"a + b", b"'three'"), "example_failed"),
        (ACTION_CODE + b"\nraise SystemExit('no')\n", "component_unhealthy"),
        (ACTION_CODE.replace(b"return a + b", b"while True: pass"), "example_failed"),
    ],
)
def test_given_a_component_that_does_wrong_then_it_is_a_finding_and_the_worker_goes_on(
    small: SmallCenter, code: bytes, rule: str
) -> None:
    submission = small.submit(small.package(examples=EXAMPLES, code=code, limits={"deadline_s": 1}))
    small.check()
    found = small.view(submission)
    assert found.state == "failed"
    assert rule in [one.rule for one in found.findings if one.check == "examples"]
    assert small.publish(version="2.0.0").state == "listed"


def test_given_an_example_within_its_tolerance_then_it_passes(small: SmallCenter) -> None:
    number = {"type": "number"}
    action = {
        "name": "add",
        "title": {"zh": "相加", "en": "Add"},
        "input": {"type": "object", "properties": {"a": number, "b": number}, "required": ["a", "b"]},
        "output": number,
    }
    code = ACTION_CODE.replace(b"a: int, b: int) -> int", b"a: float, b: float) -> float")
    near = {"name": "near", "action": "add", "input": {"a": 1.0, "b": 2.0}, "output": 3.0001, "tolerance": 0.001}
    submission = small.submit(small.package(actions=[action], examples=[near], code=code))
    small.check()
    assert small.view(submission).state == "in_review"


def test_given_content_lost_before_the_check_then_that_is_the_finding(small: SmallCenter) -> None:
    packed = small.package()
    submission = small.submit(packed)
    small.center.blobs.delete(packed.config_digest)
    small.check()
    found = small.view(submission)
    assert (found.state, found.findings[0].rule) == ("failed", "content_missing")


def test_given_a_failed_submission_when_checked_again_then_only_the_new_findings_count(small: SmallCenter) -> None:
    plugins = plugin_manager(hookspecs, builtin={"broken": plugin("broken", breaks), **BUILTIN})
    submission = small.submit(small.package())
    small.check(plugins)
    assert small.view(submission).state == "failed"
    submissions.check_again(small.center, REVIEWER, submission)
    small.check()
    found = small.view(submission)
    assert found.state == "in_review"
    assert "check_failed" not in [one.rule for one in found.findings]
