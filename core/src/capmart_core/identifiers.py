"""Identifiers: component ids, digests, origins and runtimes, each with its one spelling."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple, Self

from capmart_core.errors import InvalidIdentifier

_NAME = r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?"
_COMPONENT_ID = re.compile(rf"(?P<namespace>{_NAME})/(?P<name>{_NAME})")
_ACTION = re.compile(r"[a-z](?:[a-z0-9_-]{0,62}[a-z0-9])?")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ORIGIN = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?:/[a-z0-9-]{1,63})*")
_RUNTIME = re.compile(r"python3\.(?P<minor>\d{1,2})-(?P<platform>any|[a-z0-9_]+)")


class ComponentId(NamedTuple):
    """``namespace/name``: lower-case ASCII letters, digits and inner hyphens, 64 characters each at most.

    ASCII only, so that two ids that look alike are alike (no homoglyphs), and so that an id is an OCI repository name.
    """

    namespace: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``namespace/name``.

        Raises:
            InvalidIdentifier: it is spelled otherwise.
        """
        match = _COMPONENT_ID.fullmatch(text)
        if match is None:
            raise InvalidIdentifier(
                what="component id", value=text[:200], expected="namespace/name in a-z, 0-9 and -", example="acme/oee"
            )
        return cls(match["namespace"], match["name"])

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Runtime(NamedTuple):
    """What a package needs and a base image gives: ``python3.11-any`` or ``python3.11-manylinux_2_28-x86_64``.

    ``platform`` is ``any`` for pure Python, otherwise a wheel platform tag whose last part is the machine.
    """

    minor: int
    platform: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``python3.MINOR-PLATFORM``; a hyphen before the machine is accepted and kept in the spelling.

        Raises:
            InvalidIdentifier: it is spelled otherwise.
        """
        match = _RUNTIME.fullmatch(re.sub(r"-(?=(?:x86_64|aarch64)$)", "_", text))
        if match is None:
            raise InvalidIdentifier(
                what="runtime",
                value=text[:200],
                expected="python3.MINOR-PLATFORM",
                example="python3.11-manylinux_2_28-x86_64",
            )
        return cls(int(match["minor"]), match["platform"])

    def __str__(self) -> str:
        platform = re.sub(r"_(?=(?:x86_64|aarch64)$)", "-", self.platform)
        return f"python3.{self.minor}-{platform}"

    def runs_on(self, offered: Runtime) -> bool:
        """Whether a base image that offers ``offered`` can run a package that needs this.

        A manylinux tag is satisfied by any newer glibc of the same machine (PEP 600).
        """
        if self.minor != offered.minor:
            return False
        if self.platform == "any":
            return True
        needed, given = _manylinux(self.platform), _manylinux(offered.platform)
        if needed is None or given is None:
            return self.platform == offered.platform
        return needed[2] == given[2] and needed[:2] <= given[:2]


def _manylinux(platform: str) -> tuple[int, int, str] | None:
    match = re.fullmatch(r"manylinux_(\d+)_(\d+)_(\w+)", platform)
    return None if match is None else (int(match[1]), int(match[2]), match[3])


def digest_of(data: bytes) -> str:
    """The digest of ``data``, spelled ``sha256:`` and 64 hexadecimal digits."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def check_digest(text: str) -> str:
    """``text`` if it is a digest.

    Raises:
        InvalidIdentifier: it is not.
    """
    if _DIGEST.fullmatch(text) is None:
        raise InvalidIdentifier(
            what="digest", value=text[:200], expected="sha256: and 64 hexadecimal digits", example="sha256:" + "0" * 64
        )
    return text


def check_origin(text: str) -> str:
    """``text`` if it is a center's stable name, which is also its log's name.

    Raises:
        InvalidIdentifier: it is not.
    """
    if _ORIGIN.fullmatch(text) is None:
        raise InvalidIdentifier(
            what="origin", value=text[:200], expected="a host-like name", example="center.zhejiang.example"
        )
    return text


def check_namespace(text: str) -> str:
    """``text`` if it is a namespace.

    Raises:
        InvalidIdentifier: it is not.
    """
    if re.fullmatch(_NAME, text) is None:
        raise InvalidIdentifier(what="namespace", value=text[:200], expected="a-z, 0-9 and -", example="acme")
    return text


def check_action(text: str) -> str:
    """``text`` if it can name an action.

    Raises:
        InvalidIdentifier: it cannot.
    """
    if _ACTION.fullmatch(text) is None:
        raise InvalidIdentifier(what="action", value=text[:200], expected="a-z, 0-9, _ and -", example="calculate")
    return text
