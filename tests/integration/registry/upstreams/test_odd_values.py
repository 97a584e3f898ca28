"""A followed log may say what its own center would refuse: the rest of it is followed all the same, on any database."""

from __future__ import annotations

from pathlib import Path

from sqlmodel import select

from capmart_core.log import encode_entry
from capmart_core.signing import sign_statement
from capmart_core.text import Text
from capmart_registry.catalog.models import LedgerKey
from capmart_registry.upstreams.filters import EVERYTHING
from capmart_registry.upstreams.models import RefusedEntry
from capmart_registry.upstreams.store import RegistryStore
from capmart_sdk.follow import Follower
from tests.support.registry import SmallCenter
from tests.support.simulated_log import ORIGIN, SimulatedLog, entry, statement

NUL = "before\0after"


def test_given_entries_with_texts_that_no_database_holds_then_they_are_refused_and_the_log_goes_on(
    tmp_path: Path,
) -> None:
    log = SimulatedLog()
    log.open_namespace()
    log.publish_many(1)
    reason = Text.model_construct(zh=NUL, en=NUL)
    odd = [
        log.append(encode_entry(entry(sign_statement(one, signer))))
        for one, signer in (
            (statement("yank", component="acme/tool", seq=2).model_copy(update={"reason": reason}), log.publisher),
            (
                statement("ns.grant", namespace="odd", organisation="x").model_copy(update={"organisation": NUL}),
                log.signer,
            ),
            (
                statement("publish", component="acme/tool").model_copy(update={"component": f"acme/{NUL}"}),
                log.publisher,
            ),
        )
    ]
    odd.append(log.append(b'{"v":1,"\\u0000":"\\u0000"}'))
    log.publish_many(1, first=1)
    log.sign()
    with SmallCenter(tmp_path / "center", "center.brain.example", namespace=False) as small:
        Follower(ORIGIN, log.signer.public, log, RegistryStore(small.center, EVERYTHING)).sync()
        with small.center.db.read() as session:
            refused = {row.log_index: row.code for row in session.exec(select(RefusedEntry))}
        assert {index: refused.get(index) for index in odd} == dict.fromkeys(odd, "invalid_statement")
        assert RegistryStore(small.center, EVERYTHING).release("acme/tool", "1.1.0") is not None


def test_given_the_largest_numbers_that_an_entry_can_say_then_they_are_kept(tmp_path: Path) -> None:
    log = SimulatedLog()
    log.open_namespace()
    log.say("publish", component="acme/tool", seq=2**53 - 1)
    log.act("key.revoke", namespace="acme", keyid=log.publisher.public.keyid, from_index=2**53 - 1)
    log.sign()
    with SmallCenter(tmp_path / "center", "center.brain.example", namespace=False) as small:
        Follower(ORIGIN, log.signer.public, log, RegistryStore(small.center, EVERYTHING)).sync()
        with small.center.db.read() as session:
            key = session.get(LedgerKey, ("acme", log.publisher.public.keyid))
            assert key is not None
            assert key.revoked_from == 2**53 - 1
