"""Errors over HTTP: RFC 9457 problem documents. The one module that knows which error is which HTTP status."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy import exc as database
from sqlalchemy.exc import DataError, OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from capmart_core import errors
from capmart_core.errors import CapmartError
from capmart_core.text import Language
from capmart_registry.artifacts.errors import OciError, oci_error, speaks_oci

_log = logging.getLogger("capmart.center")
_audit = logging.getLogger("capmart.audit")

PROBLEM_TYPE = "application/problem+json"
TYPE_PREFIX = "https://capmart.dev/problems/"

ErrorPage = Callable[[CapmartError, Request], Response | None]
"""What the portal offers as ``app.state.error_page``: an error as a page where a person waits for one, else None."""

# The most particular class wins; a leaf that is not named has the status of its group.
STATUS: Mapping[type[CapmartError], int] = {
    errors.InvalidInput: 400,
    errors.InvalidManifest: 422,
    errors.InvalidRequest: 422,
    errors.InputRejected: 422,
    errors.TooLarge: 413,
    errors.Refused: 422,
    errors.NotAuthenticated: 401,
    errors.NotAllowed: 403,
    errors.KeyNotGranted: 403,
    errors.KeyRevoked: 403,
    errors.NamespaceNotHome: 403,
    errors.ReleaseImmutable: 409,
    errors.ReleaseNotInstallable: 409,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Unavailable: 503,
    errors.Busy: 429,
    errors.ComponentFailed: 502,
    CapmartError: 500,
}


def status_of(error: CapmartError) -> int:
    """The HTTP status of ``error``."""
    if isinstance(error, OciError):
        return error.status
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def language_of(request: Request) -> Language:
    """The language asked for by ``Accept-Language``; English when it does not say."""
    best: tuple[float, Language] = (0.0, "en")
    for item in request.headers.get("accept-language", "")[:500].split(","):
        tag, _, parameters = item.strip().partition(";")
        primary = tag.strip().lower().split("-")[0]
        try:
            quality = float(parameters.strip().removeprefix("q=")) if parameters else 1.0
        except ValueError:
            quality = 0.0
        if primary in ("zh", "en") and quality > best[0]:
            best = (quality, "zh" if primary == "zh" else "en")
    return best[1]


def problem(error: CapmartError, language: Language, status: int | None = None) -> dict[str, Any]:
    """``error`` as a problem document; ``data`` has the values behind its message, for programs."""
    status = status or status_of(error)
    return {
        "type": f"{TYPE_PREFIX}{error.code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error.message(language),
        "code": error.code,
        "advice": error.advice(language),
        "data": {name: _plain(value) for name, value in error.data.items()},
    }


def answer(error: CapmartError, request: Request, status: int | None = None) -> Response:
    """The response for ``error``: a problem document, or under ``/v2/`` the error body of the OCI specification."""
    status = status or status_of(error)
    headers: dict[str, str] = {}
    if status in (429, 503):
        headers["Retry-After"] = str(error.data.get("retry_after", 5))
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="capmart"'
    if speaks_oci(request):
        return oci_error(error, status, request, headers)
    page: ErrorPage | None = getattr(request.app.state, "error_page", None)
    shown = None if page is None else page(error, request)
    if shown is not None:
        return shown
    return JSONResponse(problem(error, language_of(request), status), status, headers, PROBLEM_TYPE)


def install(app: FastAPI) -> None:
    """Make every error that leaves a route of ``app`` a problem document."""
    app.add_exception_handler(CapmartError, _on_capmart)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(OperationalError, _on_database)
    app.add_exception_handler(DataError, _on_value)
    app.add_exception_handler(database.TimeoutError, _on_database)
    app.add_exception_handler(Exception, _on_anything)


async def _on_capmart(request: Request, error: Exception) -> Response:
    assert isinstance(error, CapmartError)  # noqa: S101 - registered for this class only
    status = status_of(error)
    if status >= 500:
        _log.error("%s: %s", _named(request), error.code)
    elif status == 403 or (status == 401 and "authorization" in request.headers):  # a first 401 asks who it is
        _audit.warning("%s refused to %s: %s", _named(request), _who(request), error)
    return answer(error, request)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    if isinstance(error.__cause__, CapmartError):  # raised while the framework read the body
        return answer(error.__cause__, request)
    response = answer(_framework_error(error.status_code, request), request, error.status_code)
    response.headers.update(error.headers or {})
    return response


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    found = error.errors()
    where = ".".join(str(part) for part in found[0]["loc"])
    invalid = errors.InvalidRequest(where=where, reason=found[0]["msg"])
    if speaks_oci(request):
        return answer(invalid, request)
    body = problem(invalid, language_of(request))
    body["errors"] = [
        {"field": ".".join(str(part) for part in one["loc"]), "rule": one["type"], "message": one["msg"]}
        for one in found[:50]
    ]
    return JSONResponse(body, body["status"], None, PROBLEM_TYPE)


async def _on_disconnect(request: Request, error: Exception) -> Response:
    del error
    _log.info("%s: the client went away", _named(request))
    return Response(status_code=400)  # nobody reads it


async def _on_database(request: Request, error: Exception) -> Response:
    _log.error("%s: database: %s", _named(request), error)
    return answer(errors.Unavailable(reason="the database does not answer"), request)


async def _on_value(request: Request, error: Exception) -> Response:
    """What no rule refuses and PostgreSQL cannot hold: U+0000 in a text, a number out of range."""
    del error
    return answer(errors.InvalidRequest(where=_named(request), reason="a value no database can hold"), request)


async def _on_anything(request: Request, error: Exception) -> Response:
    _log.error("%s failed", _named(request), exc_info=error)
    request_id = getattr(request.state, "request_id", "")
    return answer(CapmartError(reason=f"internal error; request {request_id}"), request)


def _framework_error(status: int, request: Request) -> CapmartError:
    """What the framework answers by itself: no such route, no such method, an unreadable body."""
    path = request.url.path[:200]
    if status == 404:
        return errors.NotFound(what=path)
    return errors.InvalidRequest(where=f"{request.method} {path}", reason=HTTPStatus(status).phrase)


def _named(request: Request) -> str:
    """The request in a log line: its id, method and path; the query may hold what is nobody's business."""
    return f"[{getattr(request.state, 'request_id', '-')}] {request.method} {request.url.path[:300]!r}"


def _who(request: Request) -> str:
    """The account in a log line, without its secret."""
    describe = getattr(getattr(request.state, "principal", None), "describe", None)
    return str(describe()) if callable(describe) else "nobody"


def _plain(value: object) -> Any:
    if isinstance(value, str | int | float | bool | None):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value[:200]]
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if callable(dump) else str(value)
