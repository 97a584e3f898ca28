"""Errors of the gateway over HTTP (RFC 9457): the one module here that knows statuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from capmart_core import errors
from capmart_core.errors import CapmartError
from capmart_core.text import Language

PROBLEM_TYPE = "application/problem+json"
STATUS: Mapping[type[CapmartError], int] = {
    errors.InvalidInput: 400,
    errors.InputRejected: 422,
    errors.TooLarge: 413,
    errors.Refused: 403,
    errors.NotAuthenticated: 401,
    errors.ReleaseNotInstallable: 409,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Unavailable: 503,
    errors.Busy: 429,
    errors.ComponentFailed: 502,
    errors.CallTimeout: 504,
    CapmartError: 500,
}
RETRY_S = 5


def language_of(request: Request) -> Language:
    """Chinese when the client puts it first, otherwise English."""
    first = request.headers.get("accept-language", "").split(",", 1)[0].strip().lower()
    return "zh" if first.startswith("zh") else "en"


def status_of(error: CapmartError) -> int:
    """The HTTP status of an error: that of its most particular class."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def problem(error: CapmartError, request: Request, *, status: int | None = None) -> JSONResponse:
    """An error as a problem document, in the language asked for."""
    language = language_of(request)
    code = status or status_of(error)
    body: dict[str, Any] = {
        "type": f"https://capmart.dev/problems/{error.code}",
        "title": error.code.replace("_", " "),
        "status": code,
        "detail": error.message(language),
        "code": error.code,
        "advice": error.advice(language),
        "data": {name: str(value) for name, value in error.data.items()},
    }
    headers = {}
    if code in (429, 503):
        headers["Retry-After"] = str(error.data.get("retry_after", RETRY_S))
    if code == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="capmart"'
    return JSONResponse(body, code, headers, PROBLEM_TYPE)
