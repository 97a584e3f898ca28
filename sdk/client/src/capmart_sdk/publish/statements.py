"""The statements that a publisher signs."""

from __future__ import annotations

import time
from typing import Literal

from capmart_core.manifest.models import Manifest
from capmart_core.package import PackageLayout
from capmart_core.statements import Deprecate, Publish, Unyank, Yank
from capmart_core.text import Text
from capmart_core.times import now_utc

StateOp = Literal["yank", "unyank", "deprecate"]


def next_seq() -> int:
    """A sequence number above all earlier ones of this machine: milliseconds since 1970, gaps being allowed.

    A publisher needs no record of what it signed before, and no center can make it sign a number twice.
    """
    return time.time_ns() // 1_000_000


def publish_statement(layout: PackageLayout, home: str) -> Publish:
    """The statement that a package is a release at the center ``home``."""
    manifest = layout.manifest
    return Publish(
        home=home,
        at=now_utc(),
        component=manifest.id,
        version=manifest.version,
        digest=layout.digest,
        config=layout.config.digest,
        kind=manifest.kind,
        industries=manifest.taxonomy.industries,
        scenarios=manifest.taxonomy.scenarios,
        seq=next_seq(),
    )


def state_statement(
    op: StateOp,
    manifest: Manifest,
    *,
    digest: str,
    config: str,
    home: str,
    reason: Text | None = None,
    replacement: str | None = None,
) -> Yank | Unyank | Deprecate:
    """The statement that changes what a listed release is good for.

    Args:
        manifest: of the release; its facets are repeated, so that a filter needs only the statement.
        op: what to say.
        digest: of the package's index.
        config: of the manifest.
        home: origin of the release's home.
        replacement: component to use instead of a deprecated one.
        reason: for all but ``unyank``.

    Raises:
        pydantic.ValidationError: a reason is missing.
    """
    release = {
        "home": home,
        "at": now_utc(),
        "component": manifest.id,
        "version": manifest.version,
        "digest": digest,
        "config": config,
        "kind": manifest.kind,
        "industries": manifest.taxonomy.industries,
        "scenarios": manifest.taxonomy.scenarios,
        "seq": next_seq(),
    }
    if op == "yank":
        return Yank.model_validate({**release, "reason": reason})
    if op == "deprecate":
        return Deprecate.model_validate({**release, "reason": reason, "replacement": replacement})
    return Unyank.model_validate(release)
