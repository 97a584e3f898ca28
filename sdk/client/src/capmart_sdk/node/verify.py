"""Verifying again what is installed: every byte, the publisher's signature, the place in the log, the state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from capmart_core.errors import (
    CapmartError,
    DigestMismatch,
    KeyRevoked,
    NotInLog,
    OriginNotTrusted,
    ReleaseNotInstallable,
    SignatureInvalid,
)
from capmart_core.ledger import KeyFact, ReleaseFact, ReleasePublished, ReleaseState
from capmart_core.package import verify_tree
from capmart_core.text import Language, Text
from capmart_sdk.follow import NodeStore
from capmart_sdk.node.lock import LockedComponent
from capmart_sdk.node.proofs import InclusionProof
from capmart_sdk.trust import TrustStore

MAY_RUN = frozenset({ReleaseState.LISTED, ReleaseState.DEPRECATED, ReleaseState.YANKED})


@dataclass(frozen=True)
class Verification:
    """What was found about one installed release.

    Attributes:
        passed: names of the steps that passed, among ``content``, ``log``, ``signature`` and ``state``.
        errors: what did not, in order.
        state: of the release in the followed log; None when the log does not know it.
        reason: why it is in that state, as far as somebody said so.
    """

    component: LockedComponent
    passed: tuple[str, ...]
    errors: tuple[CapmartError, ...]
    state: ReleaseState | None
    reason: Text | None = None

    @property
    def ok(self) -> bool:
        """Whether every step passed."""
        return not self.errors


class Verifier:
    """Verifies with what the node has; no network is needed.

    Args:
        store: the followed logs.
        trust: which logs are believed, by which key.
        language: of reasons that come from a log.
    """

    def __init__(self, store: NodeStore, trust: TrustStore, language: Language) -> None:
        self._store = store
        self._trust = trust
        self._language = language

    def verify(self, locked: LockedComponent, tree: Path, proof: Path) -> Verification:
        """Run every step, also after one has failed."""
        fact = self._store.release(locked.id, locked.version)
        steps: dict[str, Callable[[], object]] = {
            "content": lambda: self._content(locked, tree),
            "log": lambda: self._log(locked, proof),
            "signature": lambda: self._signature(locked, fact, proof),
            "state": lambda: self._state(locked, fact),
        }
        passed: list[str] = []
        errors: list[CapmartError] = []
        for name, step in steps.items():
            try:
                step()
            except CapmartError as error:
                errors.append(error)
            else:
                passed.append(name)
        verdict = fact.verdict if fact else None
        reason = verdict.reason if verdict else None
        return Verification(locked, tuple(passed), tuple(errors), fact.state if fact else None, reason)

    def _content(self, locked: LockedComponent, tree: Path) -> None:
        found = verify_tree(tree, digest=locked.digest).layout.config.digest
        if found != locked.config:
            raise DigestMismatch(what=f"manifest of {locked.name}", expected=locked.config, actual=found)

    def _log(self, locked: LockedComponent, proof: Path) -> None:
        trusted = self._trust.get(locked.home)
        if trusted is None:
            state = self._store.state(locked.home)
            fingerprint = state.key.fingerprint if state else "-"
            raise OriginNotTrusted(origin=locked.home, fingerprint=fingerprint, url=locked.home)
        kept = InclusionProof.load(proof)
        if (kept.origin, kept.index) != (locked.home, locked.log_index):
            raise NotInLog(what=locked.name, origin=locked.home)
        kept.check_included(trusted.public)

    def _signature(self, locked: LockedComponent, fact: ReleaseFact | None, proof: Path) -> None:
        published = self._published(locked, fact)
        key = self._store.key(locked.id.partition("/")[0], published.keyid)
        InclusionProof.load(proof).check_statement(published, key)
        _check_signs(locked, published, key)

    def _published(self, locked: LockedComponent, fact: ReleaseFact | None) -> ReleasePublished:
        published = fact.published if fact is not None else None
        if published is None:
            raise NotInLog(what=locked.name, origin=locked.home)
        if (published.digest, published.config, published.keyid) != (locked.digest, locked.config, locked.keyid):
            raise SignatureInvalid(what=locked.name, reason="the lock names other content than its publisher signed")
        return published

    def _state(self, locked: LockedComponent, fact: ReleaseFact | None) -> None:
        check_may_run(locked, fact, self._language)


def _check_signs(locked: LockedComponent, published: ReleasePublished, key: KeyFact | None) -> None:
    if key is not None and not key.signs(published.index):
        raise KeyRevoked(what=locked.name, keyid=key.keyid, from_index=key.revoked_from)


def check_may_run(locked: LockedComponent, fact: ReleaseFact | None, language: Language) -> None:
    """Refuse what was quarantined, recalled or taken down since it was installed.

    Raises:
        ReleaseNotInstallable: the state forbids it.
    """
    if fact is None or fact.state in MAY_RUN:
        return
    verdict = fact.verdict
    reason = verdict.reason.get(language) if verdict and verdict.reason else ""
    raise ReleaseNotInstallable(release=locked.name, state=str(fact.state), reason=reason, component=locked.id)
