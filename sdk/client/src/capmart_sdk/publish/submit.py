"""From a package file to a submission, and from there to the review's outcome."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from capmart_core.errors import CenterUnavailable
from capmart_core.package import PackageReader
from capmart_core.signing import Signer, sign_statement
from capmart_sdk.client import CenterClient, Submission
from capmart_sdk.publish.package import Progress, Pushed, push_package
from capmart_sdk.publish.statements import publish_statement

DECIDED = frozenset({"listed", "rejected", "failed"})
POLL_S = 0.05
MAX_POLL_S = 2.0


@dataclass(frozen=True)
class Published:
    """What publishing came to so far."""

    submission: Submission
    pushed: Pushed


def publish(
    client: CenterClient,
    path: Path,
    signer: Signer,
    *,
    on_opened: Callable[[PackageReader], None] | None = None,
    on_progress: Progress | None = None,
) -> Published:
    """Verify the file, send what the center lacks, sign, and hand it in for review.

    Run again after it was killed, it goes on; run again after it was done, the center answers with the same submission.

    Raises:
        InvalidPackage, DigestMismatch: the file is not what ``capmart pack`` writes.
        VersionExists: the version is listed already, or other content of it is under review.
        KeyNotGranted: the namespace does not have this key.
    """
    with PackageReader.open(path) as package:
        if on_opened is not None:
            on_opened(package)
        pushed = push_package(client, package, on_progress)
        envelope = sign_statement(publish_statement(package.layout, client.about().origin), signer)
        return Published(client.submit(envelope), pushed)


def wait_for_review(
    client: CenterClient,
    submission: Submission,
    *,
    until: frozenset[str] = DECIDED,
    timeout_s: float = 600.0,
    on_state: Callable[[Submission], None] | None = None,
) -> Submission:
    """Ask until the submission is in one of the states ``until``.

    Args:
        client: of the center.
        submission: as it was seen last.
        until: states that end the waiting.
        timeout_s: seconds to wait at most.
        on_state: told of every new state.

    Raises:
        CenterUnavailable: it takes longer than ``timeout_s``.
    """
    end = time.monotonic() + timeout_s
    pause = POLL_S
    seen = submission.state
    while submission.state not in until:
        if time.monotonic() > end:
            reason = f"submission {submission.id} is still {submission.state} after {timeout_s:g} s"
            raise CenterUnavailable(center=client.url, reason=reason)
        time.sleep(pause)
        pause = min(pause * 1.3, MAX_POLL_S)
        submission = client.submission(submission.id)
        if submission.state != seen and on_state is not None:
            on_state(submission)
        seen = submission.state
    return submission
