from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capmart_core.errors import (
    CapmartError,
    ComponentNotFound,
    InvalidStatement,
    KeyNotGranted,
    KeyRevoked,
    NamespaceNotHome,
    SignatureInvalid,
    StateConflict,
    StatementReplayed,
    VersionExists,
)
from capmart_core.identifiers import digest_of
from capmart_core.ledger import (
    EQUIVOCATION,
    PUBLISHER,
    NamespaceFact,
    Overlay,
    ReleasePublished,
    ReleaseState,
    Verdict,
    decode_release,
    encode_release,
    interpret,
    judge,
)
from capmart_core.log import decode_entry, encode_entry
from capmart_core.signing import Ed25519Signer, sign_payload, sign_statement
from capmart_core.statements import STATEMENT_TYPE
from tests.support.simulated_log import ORIGIN, SimulatedLog, entry, flip, statement

OTHER = "center.ningbo.example"
TOOL = "acme/tool"
# One key pair per role for the whole module: signing is not what these tests are about.
CENTER, PUBLISHER_KEY, NEXT_KEY, STRANGER = (Ed25519Signer.generate() for _ in range(4))


class Ledger:
    """A log's leaves judged one after the other over a view that several logs may share."""

    def __init__(self, log: SimulatedLog, view: Overlay | None = None) -> None:
        self.log = log
        self.view = view or Overlay()
        self._next = 0

    def run(self) -> list[Verdict]:
        verdicts = []
        for index in range(self._next, len(self.log.leaves)):
            verdict = judge(self.log.origin, self.log.signer.public, index, self.log.leaves[index], self.view)
            self.view.apply(verdict.changes)
            verdicts.append(verdict)
        self._next = len(self.log.leaves)
        return verdicts

    def refusal(self) -> CapmartError | None:
        """Of the last entry added."""
        return self.run()[-1].refusal

    def state(self, version: str = "1.0.0") -> ReleaseState:
        fact = self.view.release(TOOL, version)
        assert fact is not None
        return fact.state


@pytest.fixture
def log() -> SimulatedLog:
    made = SimulatedLog(signer=CENTER)
    made.publisher = PUBLISHER_KEY
    made.open_namespace()
    return made


@pytest.fixture
def ledger(log: SimulatedLog) -> Ledger:
    log.say("publish", component=TOOL)
    made = Ledger(log)
    assert [verdict.refusal for verdict in made.run()] == [None, None, None]
    return made


def another(origin: str = OTHER) -> SimulatedLog:
    made = SimulatedLog(origin, signer=NEXT_KEY)
    made.publisher = STRANGER
    return made


def test_given_a_publication_then_its_change_carries_everything_a_filter_needs(log: SimulatedLog) -> None:
    log.say("publish", component=TOOL, industries=("30", "31"), scenarios=("quality",), kind="application")
    (change,) = Ledger(log).run()[-1].changes
    assert isinstance(change, ReleasePublished)
    assert (change.origin, change.index, change.component, change.version) == (ORIGIN, 2, TOOL, "1.0.0")
    assert (change.kind, change.industries, change.scenarios) == ("application", ("30", "31"), ("quality",))
    assert change.config == digest_of(f"manifest of {TOOL}@1.0.0".encode())
    assert change.keyid == PUBLISHER_KEY.public.keyid
    assert change.namespace == "acme"


def test_given_an_entry_judged_twice_then_interpret_is_pure(log: SimulatedLog) -> None:
    log.say("publish", component=TOOL)
    made = Ledger(log)
    made.run()
    fresh = Overlay()
    for index, leaf in enumerate(log.leaves[:2]):
        fresh.apply(interpret(ORIGIN, CENTER.public, index, decode_entry(leaf), fresh))
    before = (dict(fresh.namespaces), dict(fresh.keys), dict(fresh.changed))
    last = decode_entry(log.leaves[2])
    assert interpret(ORIGIN, CENTER.public, 2, last, fresh) == interpret(ORIGIN, CENTER.public, 2, last, fresh)
    assert before == (dict(fresh.namespaces), dict(fresh.keys), dict(fresh.changed))


# Who may say what


def test_given_a_key_of_no_namespace_then_the_publication_is_refused(log: SimulatedLog) -> None:
    log.say("publish", component=TOOL, signer=STRANGER)
    assert isinstance(Ledger(log).refusal(), KeyNotGranted)


def test_given_a_namespace_that_nobody_granted_then_the_publication_is_refused(log: SimulatedLog) -> None:
    log.say("publish", component="nobody/tool")
    assert isinstance(Ledger(log).refusal(), KeyNotGranted)


def test_given_a_key_of_another_namespace_then_the_publication_is_refused(log: SimulatedLog) -> None:
    log.act("ns.grant", namespace="rival", organisation="Rival")
    log.add_key(STRANGER, "rival")
    log.say("publish", component=TOOL, signer=STRANGER)
    assert isinstance(Ledger(log).refusal(), KeyNotGranted)


@pytest.mark.parametrize("op", ["ns.grant", "key.add", "key.revoke", "ns.transfer"])
def test_given_a_publisher_who_acts_as_the_center_then_it_is_refused(log: SimulatedLog, op: str) -> None:
    fields: dict[str, Any] = {"namespace": "acme"}
    if op.startswith("ns"):
        fields["organisation"] = "Mine"
    else:
        fields["keyid"] = STRANGER.public.keyid
        fields |= {"key": str(STRANGER.public)} if op == "key.add" else {"from_index": 0}
    log.say(op, **fields)
    assert isinstance(Ledger(log).refusal(), KeyNotGranted)


@pytest.mark.parametrize("op", ["quarantine", "release", "recall", "takedown"])
def test_given_a_publisher_who_judges_a_release_then_it_is_refused(ledger: Ledger, op: str) -> None:
    ledger.log.say(op, component=TOOL, seq=2)
    assert isinstance(ledger.refusal(), KeyNotGranted)


@pytest.mark.parametrize("op", ["publish", "yank", "unyank", "deprecate"])
def test_given_a_center_that_speaks_for_a_publisher_then_it_is_refused(ledger: Ledger, op: str) -> None:
    ledger.log.act(op, component=TOOL, version="2.0.0" if op == "publish" else "1.0.0", seq=2)
    assert isinstance(ledger.refusal(), KeyNotGranted)


def test_given_a_facet_changed_on_the_way_then_the_publishers_signature_fails(log: SimulatedLog) -> None:
    signed = sign_statement(statement("publish", component=TOOL), PUBLISHER_KEY)
    relabelled = sign_statement(statement("publish", component=TOOL, industries=("06",)), STRANGER)
    log.append(encode_entry(entry(signed.model_copy(update={"payload": relabelled.payload}))))
    assert isinstance(Ledger(log).refusal(), SignatureInvalid)


def test_given_one_bit_flipped_anywhere_in_a_publication_then_it_is_never_accepted(log: SimulatedLog) -> None:
    log.say("publish", component=TOOL)
    made = Ledger(log)
    made.run()
    view = Overlay()
    for index, leaf in enumerate(log.leaves[:2]):
        view.apply(interpret(ORIGIN, CENTER.public, index, decode_entry(leaf), view))
    whole = log.leaves[2]
    outside = whole.index(b'"accepted"'), whole.index(b'"envelope"')  # the center's own addition, under its root
    for place in range(len(whole)):
        if not outside[0] <= place < outside[1]:
            verdict = judge(ORIGIN, CENTER.public, 2, flip(whole, place, place % 8), view)
            assert verdict.refusal is not None, place
            assert verdict.changes == ()


def test_given_a_payload_of_another_type_replayed_then_it_is_refused(log: SimulatedLog) -> None:
    receipt = sign_payload(b"{}", "application/vnd.capmart.receipt.v1+json", PUBLISHER_KEY)
    log.append(encode_entry(entry(receipt)))
    log.append(encode_entry(entry(receipt.model_copy(update={"payloadType": STATEMENT_TYPE}))))
    refusals = [verdict.refusal for verdict in Ledger(log).run()[-2:]]
    assert all(isinstance(refusal, InvalidStatement) for refusal in refusals)


@pytest.mark.parametrize("leaf", [b"", b"\xff" * 40, b"{}", b'{"v":1}', b"[" * 60_000])
def test_given_a_leaf_that_is_no_entry_then_the_verdict_says_so(log: SimulatedLog, leaf: bytes) -> None:
    log.append(leaf)
    assert isinstance(Ledger(log).refusal(), InvalidStatement)


def test_given_an_unknown_op_then_the_verdict_says_so_and_the_next_entry_counts(log: SimulatedLog) -> None:
    future = sign_payload(b'{"op":"bless","v":1}', STATEMENT_TYPE, CENTER)
    log.append(encode_entry(entry(future)))
    log.say("publish", component=TOOL)
    unknown, published = Ledger(log).run()[-2:]
    assert isinstance(unknown.refusal, InvalidStatement)
    assert published.refusal is None


# Keys in time


def test_given_a_key_revoked_then_later_entries_are_refused_and_earlier_ones_stay(ledger: Ledger) -> None:
    log = ledger.log
    index = log.act("key.revoke", namespace="acme", keyid=PUBLISHER_KEY.public.keyid, from_index=len(log.leaves))
    log.say("publish", component=TOOL, version="1.1.0")
    refusal = ledger.refusal()
    assert isinstance(refusal, KeyRevoked)
    assert refusal.data["from_index"] == index
    assert ledger.state() is ReleaseState.LISTED


def test_given_a_key_revoked_from_an_earlier_index_then_what_rests_on_it_is_quarantined(ledger: Ledger) -> None:
    log = ledger.log
    second = log.say("publish", component=TOOL, version="1.1.0")
    log.add_key(NEXT_KEY)
    log.say("publish", component=TOOL, version="1.2.0", signer=NEXT_KEY)
    log.act("key.revoke", namespace="acme", keyid=PUBLISHER_KEY.public.keyid, from_index=second)
    ledger.run()
    states = [ledger.state(version) for version in ("1.0.0", "1.1.0", "1.2.0")]
    assert states == [ReleaseState.LISTED, ReleaseState.QUARANTINED, ReleaseState.LISTED]


def test_given_a_yank_taken_back_with_a_stolen_key_then_the_revocation_reaches_it(ledger: Ledger) -> None:
    log = ledger.log
    log.say("yank", component=TOOL, seq=2)
    stolen = log.say("unyank", component=TOOL, seq=3)
    log.act("key.revoke", namespace="acme", keyid=PUBLISHER_KEY.public.keyid, from_index=stolen)
    ledger.run()
    assert ledger.state() is ReleaseState.QUARANTINED


def test_given_a_second_revocation_then_it_can_only_reach_further_back(ledger: Ledger) -> None:
    log = ledger.log
    keyid = PUBLISHER_KEY.public.keyid
    for from_index in (5, 9, 3):
        log.act("key.revoke", namespace="acme", keyid=keyid, from_index=from_index)
        ledger.run()
        fact = ledger.view.key("acme", keyid)
        assert fact is not None
        assert fact.revoked_from == min(from_index, 5)


def test_given_a_new_key_then_it_signs_later_entries_only(ledger: Ledger) -> None:
    log = ledger.log
    log.say("publish", component=TOOL, version="1.1.0", signer=NEXT_KEY)
    log.add_key(NEXT_KEY)
    log.say("publish", component=TOOL, version="1.2.0", signer=NEXT_KEY)
    early, added, late = ledger.run()
    assert isinstance(early.refusal, KeyNotGranted)
    assert (added.refusal, late.refusal) == (None, None)


def test_given_a_key_added_again_or_with_anothers_id_then_it_is_refused(ledger: Ledger) -> None:
    ledger.log.add_key(PUBLISHER_KEY)
    assert isinstance(ledger.refusal(), StateConflict)
    ledger.log.act("key.add", namespace="acme", keyid=STRANGER.public.keyid, key=str(NEXT_KEY.public))
    assert isinstance(ledger.refusal(), InvalidStatement)
    ledger.log.act("key.add", namespace="acme", keyid=STRANGER.public.keyid, key="sm2:AAAA")
    assert isinstance(ledger.refusal(), InvalidStatement)


# Homes


def test_given_a_namespace_that_another_log_claims_then_it_is_refused_whatever_the_version(ledger: Ledger) -> None:
    rival = another()
    rival.open_namespace("acme", organisation="Imposter")
    rival.say("publish", component=TOOL, version="99.0.0")
    verdicts = Ledger(rival, ledger.view).run()
    assert all(isinstance(verdict.refusal, NamespaceNotHome) for verdict in verdicts)
    assert ledger.view.release(TOOL, "99.0.0") is None


@pytest.mark.parametrize("op", ["publish", "ns.grant", "quarantine"])
def test_given_a_statement_made_for_another_home_then_it_is_refused(log: SimulatedLog, op: str) -> None:
    if op == "ns.grant":
        log.act(op, namespace="new", organisation="New", home=OTHER)
    elif op == "publish":
        log.say(op, component=TOOL, home=OTHER)
    else:
        log.act(op, component=TOOL, home=OTHER)
    assert isinstance(Ledger(log).refusal(), NamespaceNotHome)


def test_given_a_namespace_granted_twice_then_the_second_grant_is_refused(log: SimulatedLog) -> None:
    log.act("ns.grant", namespace="acme", organisation="Another")
    assert isinstance(Ledger(log).refusal(), StateConflict)


def test_given_a_transfer_then_the_home_stays_and_the_organisation_changes(ledger: Ledger) -> None:
    ledger.log.act("ns.transfer", namespace="acme", organisation="Buyer")
    ledger.run()
    assert ledger.view.namespace("acme") == NamespaceFact("acme", ORIGIN, "Buyer", 0)
    ledger.log.act("ns.transfer", namespace="unknown", organisation="Buyer")
    assert isinstance(ledger.refusal(), StateConflict)


# Versions


def test_given_the_same_version_with_another_digest_then_the_first_wins_and_equivocation_is_marked(
    ledger: Ledger,
) -> None:
    ledger.log.say("publish", component=TOOL, digest=digest_of(b"other"), seq=2)
    verdict = ledger.run()[-1]
    assert isinstance(verdict.refusal, VersionExists)
    fact = ledger.view.release(TOOL, "1.0.0")
    assert fact is not None
    assert fact.published is not None
    assert fact.published.index == 2
    assert fact.state is ReleaseState.QUARANTINED
    assert fact.verdict is not None
    assert fact.verdict.by == EQUIVOCATION


def test_given_a_center_that_appends_then_interpret_refuses_the_second_content_itself(ledger: Ledger) -> None:
    made = entry(sign_statement(statement("publish", component=TOOL, digest=digest_of(b"other")), PUBLISHER_KEY))
    with pytest.raises(VersionExists):
        interpret(ORIGIN, CENTER.public, 3, made, ledger.view)
    assert ledger.state() is ReleaseState.LISTED


def test_given_the_very_same_publication_logged_again_then_it_is_refused_without_a_mark(ledger: Ledger) -> None:
    ledger.log.append(ledger.log.leaves[2])
    assert isinstance(ledger.refusal(), VersionExists)
    assert ledger.state() is ReleaseState.LISTED


def test_given_a_stranger_who_publishes_other_content_then_no_equivocation_is_marked(ledger: Ledger) -> None:
    ledger.log.say("publish", component=TOOL, digest=digest_of(b"other"), signer=STRANGER)
    assert isinstance(ledger.refusal(), KeyNotGranted)
    assert ledger.state() is ReleaseState.LISTED


@pytest.mark.parametrize("field", ["digest", "config", "kind", "industries", "scenarios"])
def test_given_a_yank_that_describes_another_release_then_it_is_refused(ledger: Ledger, field: str) -> None:
    value: Any = digest_of(b"x") if field in ("digest", "config") else "knowledge" if field == "kind" else ("40",)
    ledger.log.say("yank", component=TOOL, seq=2, **{field: value})
    refusal = ledger.refusal()
    assert isinstance(refusal, InvalidStatement)
    assert field in str(refusal)


@pytest.mark.parametrize("op", ["yank", "unyank", "deprecate"])
def test_given_a_release_that_was_never_published_then_it_is_not_found(ledger: Ledger, op: str) -> None:
    ledger.log.say(op, component=TOOL, version="9.0.0")
    assert isinstance(ledger.refusal(), ComponentNotFound)


# States


def test_given_yank_unyank_yank_then_only_increasing_numbers_count(ledger: Ledger) -> None:
    log = ledger.log
    log.say("yank", component=TOOL, seq=2)
    log.say("unyank", component=TOOL, seq=3)
    log.say("yank", component=TOOL, seq=7)
    assert [verdict.refusal for verdict in ledger.run()] == [None] * 3
    assert ledger.state() is ReleaseState.YANKED
    log.append(log.leaves[4])  # the logged unyank once more
    assert isinstance(ledger.refusal(), StatementReplayed)
    assert ledger.state() is ReleaseState.YANKED


@pytest.mark.parametrize("order", list(permutations([("yank", 2), ("unyank", 3), ("yank", 4)])))
def test_given_any_order_of_arrival_then_the_last_number_decides(
    ledger: Ledger, order: tuple[tuple[str, int], ...]
) -> None:
    """The center logs them as they come; what comes too late is refused, and number 4 always ends it."""
    for op, seq in order:
        ledger.log.say(op, component=TOOL, seq=seq)
    ledger.run()
    assert ledger.state() is ReleaseState.YANKED


def test_given_an_unyank_then_it_undoes_a_yank_and_nothing_else(ledger: Ledger) -> None:
    log = ledger.log
    log.say("deprecate", component=TOOL, seq=2, replacement="acme/better")
    log.act("quarantine", component=TOOL, seq=1)
    ledger.run()
    log.say("unyank", component=TOOL, seq=3)
    assert isinstance(ledger.refusal(), StateConflict)
    log.say("yank", component=TOOL, seq=4)
    log.say("unyank", component=TOOL, seq=5)
    assert ledger.refusal() is None
    assert ledger.state() is ReleaseState.QUARANTINED
    log.act("release", component=TOOL, seq=2)
    assert ledger.refusal() is None
    assert ledger.state() is ReleaseState.DEPRECATED
    fact = ledger.view.release(TOOL, "1.0.0")
    assert fact is not None
    assert fact.verdict is not None
    assert (fact.verdict.by, fact.verdict.replacement) == (PUBLISHER, "acme/better")


ACTS = ["deprecate", "yank", "quarantine", "recall", "takedown"]


@given(st.permutations(ACTS), st.sets(st.sampled_from(ACTS)))
def test_given_acts_in_any_order_then_the_strictest_state_wins(order: list[str], chosen: set[str]) -> None:
    log = SimulatedLog(signer=CENTER)
    log.publisher = PUBLISHER_KEY
    log.open_namespace()
    log.say("publish", component=TOOL)
    for number, op in enumerate((op for op in order if op in chosen), start=2):
        (log.say if op in ("yank", "deprecate") else log.act)(op, component=TOOL, seq=number)
    ledger = Ledger(log)
    assert not any(verdict.refusal for verdict in ledger.run())
    strictest = max((ACTS.index(op) for op in chosen), default=-1)
    assert ledger.state() is list(ReleaseState)[strictest + 1]


def test_given_a_foreign_center_then_only_it_takes_its_quarantine_back(ledger: Ledger) -> None:
    foreign = another()
    follower = Ledger(foreign, ledger.view)
    foreign.act("quarantine", component=TOOL)
    assert follower.refusal() is None
    assert ledger.state() is ReleaseState.QUARANTINED
    ledger.log.act("release", component=TOOL)
    assert isinstance(ledger.refusal(), StateConflict)
    foreign.act("release", component=TOOL, seq=2)
    assert follower.refusal() is None
    assert ledger.state() is ReleaseState.LISTED


def test_given_a_foreign_act_before_or_after_the_publication_then_the_outcome_is_the_same(log: SimulatedLog) -> None:
    log.say("publish", component=TOOL)
    foreign = another()
    foreign.act("recall", component=TOOL)
    facts = []
    for first, second in ((log, foreign), (foreign, log)):
        view = Overlay()
        for source in (first, second):
            assert not any(verdict.refusal for verdict in Ledger(source, view).run())
        facts.append(view.release(TOOL, "1.0.0"))
    assert facts[0] == facts[1]
    assert facts[0] is not None
    assert facts[0].state is ReleaseState.RECALLED


def test_given_a_foreign_center_then_it_lists_and_delists_once_each(ledger: Ledger) -> None:
    foreign = another()
    follower = Ledger(foreign, ledger.view)
    for number, (op, refused) in enumerate(
        [("list", None), ("list", StateConflict), ("delist", None), ("delist", StateConflict)], start=1
    ):
        foreign.act(op, component=TOOL, seq=number)
        refusal = follower.refusal()
        assert refusal is None if refused is None else isinstance(refusal, refused)
    ledger.log.act("list", component=TOOL)
    assert isinstance(ledger.refusal(), InvalidStatement)


def test_given_a_centers_act_logged_again_then_it_is_refused(ledger: Ledger) -> None:
    log = ledger.log
    first = log.act("quarantine", component=TOOL, seq=1)
    log.act("release", component=TOOL, seq=2)
    log.append(log.leaves[first])
    assert isinstance(ledger.refusal(), StatementReplayed)
    assert ledger.state() is ReleaseState.LISTED


def test_given_states_then_only_mild_ones_are_chosen_and_only_strict_ones_block(ledger: Ledger) -> None:
    assert [state.resolvable for state in ReleaseState] == [True, True, False, False, False, False]
    assert [state.installable for state in ReleaseState] == [True, True, True, False, False, False]


def test_given_a_fact_with_everything_when_written_and_read_then_it_is_equal(ledger: Ledger) -> None:
    log = ledger.log
    log.say("deprecate", component=TOOL, seq=2, replacement="acme/better")
    log.act("recall", component=TOOL)
    foreign = another()
    foreign.act("list", component=TOOL)
    ledger.run()
    Ledger(foreign, ledger.view).run()
    fact = ledger.view.release(TOOL, "1.0.0")
    assert fact is not None
    assert fact.listed_by == (OTHER,)
    assert decode_release(encode_release(fact)) == fact


def test_given_a_second_signature_by_a_stranger_then_the_granted_one_counts(log: SimulatedLog) -> None:
    made = statement("publish", component=TOOL)
    ours, theirs = (sign_statement(made, signer) for signer in (PUBLISHER_KEY, STRANGER))
    both = ours.model_copy(update={"signatures": (*theirs.signatures, *ours.signatures)})
    log.append(encode_entry(entry(both)))
    verdict = Ledger(log).run()[-1]
    assert verdict.refusal is None
    (change,) = verdict.changes
    assert isinstance(change, ReleasePublished)
    assert change.keyid == PUBLISHER_KEY.public.keyid
