"""Problem documents (RFC 9457) of a center, turned back into the errors of the one tree by their code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, ClassVar

from capmart_core.errors import (
    Busy,
    CapmartError,
    CenterUnavailable,
    Conflict,
    InvalidInput,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Unavailable,
)
from capmart_core.text import Language


class _Relayed(CapmartError):  # noqa: N818  # named for what happened, as the leaves of the tree are
    """An error that a center raised: its words are the center's, its class and code are ours."""

    code: ClassVar[str] = "relayed"

    def message(self, language: Language) -> str:  # noqa: ARG002  # the center chose the language by Accept-Language
        return str(self.data.get("detail") or self.data.get("title") or self.code)

    def advice(self, language: Language) -> str:  # noqa: ARG002  # as above
        return str(self.data.get("advice") or "")


def _leaves(root: type[CapmartError]) -> Iterator[type[CapmartError]]:
    for child in root.__subclasses__():
        if not issubclass(child, _Relayed):
            yield child
            yield from _leaves(child)


@cache
def _class_for(code: str) -> type[CapmartError] | None:
    return next((leaf for leaf in _leaves(CapmartError) if leaf.code == code), None)


@cache
def _relayed_for(code: str) -> type[CapmartError]:
    """The class for ``code`` with the words of whoever raised it."""
    leaf = _class_for(code) or CapmartError
    return type(leaf.__name__, (_Relayed, leaf), {"code": leaf.code, "__doc__": leaf.__doc__})


def error_from(status: int, document: object, *, center: str, headers: Mapping[str, str]) -> CapmartError:
    """The error that an answer with an error status stands for.

    Args:
        status: of the answer.
        document: the parsed body, whatever it is; only an object with a known ``code`` is taken at its word.
        center: address of the center, for messages.
        headers: of the answer; ``Retry-After`` is read.
    """
    problem: dict[str, Any] = dict(document) if isinstance(document, dict) else {}
    code = problem.get("code")
    if isinstance(code, str) and _class_for(code) is not None:
        values = problem.get("data")
        extra = dict(values) if isinstance(values, dict) else {}
        known = {name: str(problem.get(name) or "") for name in ("title", "detail", "advice")}
        return _relayed_for(code)(**{**extra, **known, "status": status})
    return _by_status(status, problem, center=center, headers=headers)


def error_by_code(code: str, data: Mapping[str, object], message: str) -> CapmartError:
    """The error of the one tree with this ``code``; in the words it was kept with when its values no longer suffice.

    Args:
        code: of the error.
        data: the values it carried.
        message: what it said.
    """
    leaf = _class_for(code) or CapmartError
    try:
        return leaf(**data)
    except KeyError:
        return _relayed_for(code)(**{**data, "detail": message})


def _by_status(status: int, problem: Mapping[str, Any], *, center: str, headers: Mapping[str, str]) -> CapmartError:
    words = str(problem.get("detail") or problem.get("title") or _oci_words(problem) or f"HTTP {status}")[:500]
    if status == 401:
        return NotAuthenticated(center=center)
    if status == 403:
        return NotAllowed(action=words, needed="a token with that scope")
    if status == 404:
        return NotFound(what=words)
    if status in (429, 503):
        return Busy(what=center, retry_after=headers.get("retry-after", "10"))
    leaf = Conflict if status == 409 else InvalidInput if status < 500 else Unavailable
    if leaf is Unavailable:
        return CenterUnavailable(center=center, reason=words)
    return leaf(reason=words)


def _oci_words(problem: Mapping[str, Any]) -> str:
    """The first message of an error of OCI Distribution (``{"errors": [{"code", "message", "detail"}]}``)."""
    errors = problem.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    return " ".join(str(first[name]) for name in ("code", "message") if first.get(name))
