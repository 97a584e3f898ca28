from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from capmart_core.errors import (
    CapmartError,
    InvalidStatement,
    KeyNotGranted,
    KeyRevoked,
    NamespaceNotHome,
    NotAllowed,
    NotFound,
    PackageIncomplete,
    SignatureInvalid,
    StateConflict,
    VersionExists,
)
from capmart_core.signing import Ed25519Signer, sign_statement
from capmart_core.statements import Deprecate, KeyRevoke, Publish, Unyank, Yank
from capmart_core.text import Text
from capmart_core.times import now_utc
from capmart_registry.artifacts import service as artifacts
from capmart_registry.catalog import queries
from capmart_registry.catalog import service as catalog
from capmart_registry.log import service as log
from capmart_registry.submissions import acts
from capmart_registry.submissions import service as submissions
from capmart_registry.submissions.report import load_report
from tests.support.registry import EXAMPLES, PUBLISHER, REVIEWER, SmallCenter, principal

REASON = Text(zh="文档不完整", en="the documentation is incomplete")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallCenter]:
    with SmallCenter(tmp_path / "center") as center:
        yield center


def test_given_a_release_published_when_approved_then_log_catalog_tag_and_report_agree(small: SmallCenter) -> None:
    submission = small.submit(small.package(examples=EXAMPLES))
    assert small.view(submission).state == "draft"
    assert small.check() == 1
    checked = small.view(submission)
    assert checked.state == "in_review", [finding.message.en for finding in checked.findings]
    assert checked.report is not None
    listed = submissions.approve(small.center, REVIEWER, submission)
    assert (listed.state, listed.decision, listed.reviewer, listed.log_index) == ("listed", "approved", "judge", 2)
    release = small.in_session(queries.find_release, "acme/sum", "1.0.0")
    assert (release.state, release.log_index, release.report) == ("listed", 2, checked.report)
    assert release.available
    tag = small.in_session(artifacts.find_manifest, "acme/sum", "1.0.0")
    assert tag is not None
    assert tag.digest == release.digest
    assert small.in_session(catalog.is_public, "acme/sum", release.digest)
    report = load_report(small.center.blobs, checked.report)
    assert report is not None
    assert [(one.example, one.wall_ms > 0) for one in report.measurements] == [("one and two", True)]
    assert report.runner is not None


def test_given_a_submission_then_its_content_is_not_public_before_it_is_listed(small: SmallCenter) -> None:
    packed = small.package()
    small.submit(packed)
    assert not small.in_session(catalog.is_public, "acme/sum", packed.index_digest)
    with pytest.raises(NotFound):
        small.in_session(queries.find_component, "acme/sum")


def test_given_an_example_that_lies_when_checked_then_it_is_blocked_and_says_where(small: SmallCenter) -> None:
    wrong = {"name": "wrong", "action": "add", "input": {"a": 1, "b": 2}, "output": 4}
    submission = small.submit(small.package(examples=[wrong]))
    small.check()
    found = small.view(submission)
    assert found.state == "failed"
    (finding,) = [one for one in found.findings if one.severity == "error"]
    assert (finding.check, finding.rule, finding.file) == ("examples", "example_differs", "manifest.json")
    assert "expected 4, got 3" in finding.message.en
    assert "应为 4，实为 3" in finding.message.zh
    assert finding.next.zh
    assert finding.next.en
    with pytest.raises(StateConflict):
        submissions.approve(small.center, REVIEWER, submission)


def test_given_no_engine_and_a_namespace_that_is_not_trusted_then_not_run_blocks(tmp_path: Path) -> None:
    with SmallCenter(tmp_path, runner="absent", process_namespaces=()) as small:
        submission = small.submit(small.package(examples=EXAMPLES))
        small.check()
        found = small.view(submission)
        assert found.state == "failed"
        assert [one.rule for one in found.findings if one.severity == "error"] == ["not_run"]


def test_given_no_engine_and_a_trusted_namespace_then_examples_run_as_processes_and_it_is_said(tmp_path: Path) -> None:
    with SmallCenter(tmp_path, runner="absent") as small:
        submission = small.submit(small.package(examples=EXAMPLES))
        small.check()
        found = small.view(submission)
        assert found.state == "in_review"
        assert "not_isolated" in [one.rule for one in found.findings]


@pytest.mark.parametrize(
    ("first", "second", "rule"),
    [
        ("1.1.0", "1.0.0", "version_order"),
        ("1.1.0", "1.1.0-rc.1", "version_order"),
        ("1.1.0", "1.1.1", None),
        ("1.1.0", "2.0.0", None),
    ],
)
def test_given_a_listed_version_then_only_higher_ones_pass(
    small: SmallCenter, first: str, second: str, rule: str | None
) -> None:
    small.publish(version=first)
    submission = small.submit(small.package(version=second))
    small.check()
    rules = [one.rule for one in small.view(submission).findings if one.check == "version"]
    assert rules == ([rule] if rule else [])


def test_given_an_older_line_continued_then_it_passes_with_a_warning(small: SmallCenter) -> None:
    small.publish(version="1.0.0")
    small.publish(version="1.1.0")
    submission = small.submit(small.package(version="1.0.1"))
    small.check()
    found = small.view(submission)
    assert found.state == "in_review"
    assert ("warning", "version_continues_old_line") in [(one.severity, one.rule) for one in found.findings]
    submissions.approve(small.center, REVIEWER, submission)
    assert small.in_session(queries.find_component, "acme/sum").latest == "1.1.0"


def test_given_unknown_licence_codes_and_dependencies_then_each_is_a_finding_of_its_check(small: SmallCenter) -> None:
    packed = small.package(
        licence="No-Such-Licence",
        taxonomy={"subkind": "analysis", "industries": ["99"]},
        dependencies=[{"id": "acme/absent", "range": "^1"}],
    )
    submission = small.submit(packed)
    small.check()
    found = small.view(submission)
    assert found.state == "failed"
    assert {one.check for one in found.findings if one.severity == "error"} == {"licence", "manifest", "dependencies"}
    assert all(one.file and one.rule and one.message.zh and one.next.en for one in found.findings)


def test_given_a_dependency_that_is_listed_then_it_resolves(small: SmallCenter) -> None:
    small.publish(id="acme/base")
    listed = small.publish(dependencies=[{"id": "acme/base", "range": "^1.0"}])
    assert listed.state == "listed"


def test_given_a_statement_changed_after_signing_then_its_signature_fails(small: SmallCenter) -> None:
    packed = small.package()
    small.push(packed)
    good = small.envelope(packed)
    other = small.envelope(packed, seq=2)
    forged = other.model_copy(update={"signatures": good.signatures})
    with pytest.raises(SignatureInvalid):
        submissions.submit(small.center, PUBLISHER, forged)


def test_given_a_key_that_the_namespace_does_not_have_then_it_is_refused(small: SmallCenter) -> None:
    packed = small.package()
    small.push(packed)
    with pytest.raises(KeyNotGranted):
        submissions.submit(small.center, PUBLISHER, small.envelope(packed, signer=Ed25519Signer.generate()))


def test_given_a_key_revoked_after_the_checks_then_approval_lists_nothing(small: SmallCenter) -> None:
    submission = small.submit(small.package())
    small.check()
    keyid = small.publisher.public.keyid
    with small.center.db.write() as session:
        revoke = KeyRevoke(home=small.origin, at=now_utc(), namespace="acme", keyid=keyid, from_index=2)
        log.append_act(small.center, session, revoke)
    with pytest.raises(KeyRevoked):
        submissions.approve(small.center, REVIEWER, submission)
    assert small.view(submission).state == "in_review"
    with pytest.raises(NotFound):
        small.in_session(queries.find_component, "acme/sum")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"home": "center.other.example"}, NamespaceNotHome),
        ({"kind": "knowledge"}, InvalidStatement),
        ({"industries": ("17",)}, InvalidStatement),
        ({"scenarios": ()}, InvalidStatement),
        ({"version": "1.0.1"}, InvalidStatement),
        ({"config": "sha256:" + "0" * 64}, InvalidStatement),
        ({"digest": "sha256:" + "0" * 64}, PackageIncomplete),
        ({"component": "other/sum"}, NotAllowed),
    ],
)
def test_given_a_statement_that_contradicts_its_package_or_its_center_then_it_is_refused(
    small: SmallCenter, changes: dict[str, Any], expected: type[CapmartError]
) -> None:
    packed = small.package()
    small.push(packed)
    with pytest.raises(expected):
        submissions.submit(small.center, PUBLISHER, small.envelope(packed, **changes))


def test_given_content_that_was_not_sent_then_what_is_missing_is_named(small: SmallCenter) -> None:
    packed = small.package()
    reader = small.push(packed)
    wheel = reader.layout.runtimes[0].wheels[0].digest
    small.center.blobs.delete(wheel)
    with pytest.raises(PackageIncomplete) as caught:
        submissions.submit(small.center, PUBLISHER, small.envelope(packed))
    assert wheel in caught.value.message("zh")


def test_given_content_of_another_repository_then_knowing_its_digest_is_not_enough(small: SmallCenter) -> None:
    packed = small.package()
    reader = small.push(packed)
    small.open_namespace("rival", small.publisher, "rival")
    manifest = reader.layout.manifest
    stolen = Publish(
        home=small.origin,
        at=now_utc(),
        component="rival/sum",
        version=manifest.version,
        digest=packed.index_digest,
        config=packed.config_digest,
        kind=manifest.kind,
        seq=1,
    )
    with pytest.raises(PackageIncomplete):
        submissions.submit(
            small.center,
            principal("thief", "developer", organisation="rival"),
            sign_statement(stolen, small.publisher),
        )


def test_given_a_submission_sent_twice_then_it_is_one(small: SmallCenter) -> None:
    packed = small.package()
    submission = small.submit(packed)
    assert small.submit(packed) == submission
    small.check()
    submissions.approve(small.center, REVIEWER, submission)
    assert small.submit(packed) == submission


def test_given_a_version_under_way_then_other_content_is_refused_with_the_winners_digest(small: SmallCenter) -> None:
    first, second = small.package(), small.package(summary={"zh": "别的", "en": "Other"})
    small.submit(first)
    with pytest.raises(VersionExists) as caught:
        small.submit(second)
    assert caught.value.data["digest"] == first.index_digest


def test_given_a_listed_version_then_it_is_never_reused(small: SmallCenter) -> None:
    listed = small.publish()
    with pytest.raises(VersionExists) as caught:
        small.submit(small.package(summary={"zh": "别的", "en": "Other"}))
    assert caught.value.data["digest"] == listed.digest


def test_given_a_rejected_draft_then_the_version_may_be_submitted_anew(small: SmallCenter) -> None:
    submission = small.submit(small.package())
    small.check()
    rejected = submissions.reject(small.center, REVIEWER, submission, REASON)
    assert (rejected.state, rejected.reason) == ("rejected", REASON)
    assert small.publish(summary={"zh": "更好", "en": "Better"}).state == "listed"


def test_given_ones_own_submission_then_one_may_not_decide_on_it(small: SmallCenter) -> None:
    both = principal("dev", "developer", "reviewer")
    submission = small.submit(small.package(), both)
    small.check()
    with pytest.raises(NotAllowed):
        submissions.approve(small.center, both, submission)
    with pytest.raises(NotAllowed):
        submissions.reject(small.center, both, submission, REASON)


def test_given_anothers_submission_then_it_is_not_there(small: SmallCenter) -> None:
    submission = small.submit(small.package())
    stranger = principal("eve", "developer", organisation="rival")
    with pytest.raises(NotFound):
        small.view(submission, stranger)
    assert small.in_session(submissions.list_submissions, stranger).total == 0
    assert small.in_session(submissions.list_submissions, REVIEWER).counts == {"draft": 1}


def test_given_a_namespace_approved_beforehand_then_checks_alone_list_it(tmp_path: Path) -> None:
    with SmallCenter(tmp_path, auto_approve=("acme",)) as small:
        submission = small.submit(small.package())
        small.check()
        found = small.view(submission)
        assert (found.state, found.reviewer, found.decision) == ("listed", None, "approved")


def test_given_an_earlier_version_then_the_difference_names_fields_and_schema_properties(small: SmallCenter) -> None:
    small.publish()
    number = {"type": "integer"}
    add = {
        "name": "add",
        "title": {"zh": "相加", "en": "Add"},
        "input": {
            "type": "object",
            "properties": {"a": number, "b": number, "c": number},
            "required": ["a", "b"],
            "additionalProperties": True,
        },
        "output": number,
    }
    submission = small.submit(small.package(version="1.1.0", actions=[add], licence="MIT"))
    found = small.in_session(submissions.difference, small.center, REVIEWER, submission)
    assert found.previous == "1.0.0"
    assert {(one.field, one.kind) for one in found.changes} == {
        ("licence", "changed"),
        ("actions.add.input.c", "added"),
        ("actions.add.input.additionalProperties", "changed"),
    }


def test_given_a_listed_release_when_its_publisher_yanks_and_unyanks_then_the_state_follows(small: SmallCenter) -> None:
    small.publish()
    fields = release_fields(small)
    acts.publisher_statement(
        small.center, PUBLISHER, sign_statement(Yank(**fields, seq=2, reason=REASON), small.publisher)
    )
    release = small.in_session(queries.find_release, "acme/sum", "1.0.0")
    assert (release.state, release.reason) == ("yanked", REASON)
    acts.publisher_statement(small.center, PUBLISHER, sign_statement(Unyank(**fields, seq=3), small.publisher))
    acts.publisher_statement(
        small.center, PUBLISHER, sign_statement(Deprecate(**fields, seq=4, reason=REASON), small.publisher)
    )
    assert small.in_session(queries.find_component, "acme/sum").state == "deprecated"
    assert small.in_session(acts.next_seq, "acme/sum", "1.0.0") == 5


def test_given_center_acts_then_the_strictest_state_wins_and_content_is_hidden(small: SmallCenter) -> None:
    digest = small.publish().digest
    release = ("acme/sum", "1.0.0")
    acts.center_act(small.center, REVIEWER, *release, "quarantine", reason=REASON)
    assert small.in_session(queries.find_release, *release).state == "quarantined"
    assert not small.in_session(catalog.is_public, "acme/sum", digest)
    acts.center_act(small.center, REVIEWER, *release, "release")
    assert small.in_session(catalog.is_public, "acme/sum", digest)
    acts.center_act(small.center, REVIEWER, *release, "takedown", reason=REASON)
    assert not small.in_session(catalog.is_public, "acme/sum", digest)
    assert small.in_session(queries.find_release, *release).manifest is None
    with pytest.raises(NotAllowed):
        acts.center_act(small.center, PUBLISHER, *release, "quarantine", reason=REASON)


def release_fields(small: SmallCenter) -> dict[str, object]:
    release = small.in_session(queries.release_row, "acme/sum", "1.0.0")
    return {
        "home": small.origin,
        "at": now_utc(),
        "component": release.component_id,
        "version": release.version,
        "digest": release.digest,
        "config": release.config,
        "kind": release.kind,
        "industries": tuple(release.industries),
        "scenarios": tuple(release.scenarios),
    }
