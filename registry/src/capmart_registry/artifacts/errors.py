"""Errors as the OCI Distribution specification 1.1 spells them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from capmart_core import errors
from capmart_core.errors import CapmartError

_CODE_OF_STATUS = {
    400: "UNSUPPORTED",
    401: "UNAUTHORIZED",
    403: "DENIED",
    404: "NAME_UNKNOWN",
    405: "UNSUPPORTED",
    409: "DENIED",
    413: "SIZE_INVALID",
    416: "BLOB_UPLOAD_INVALID",
    429: "TOOMANYREQUESTS",
}


class OciError(CapmartError):
    """A refusal that the specification has a code for.

    Args:
        oci: the code, for example ``MANIFEST_UNKNOWN``.
        status: the HTTP status that the specification asks for.
        reason: for people.
        headers: to send along.
    """

    code = "oci"

    def __init__(self, oci: str, status: int, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason=reason)
        self.oci = oci
        self.status = status
        self.headers = headers or {}


def speaks_oci(request: Request) -> bool:
    """Whether the caller is an OCI client, which expects the specification's error body."""
    path = request.url.path
    return path == "/v2" or path.startswith("/v2/")


def oci_error(error: CapmartError, status: int, request: Request, headers: dict[str, str]) -> Response:
    """The response for ``error``; its stable Capmart code is in ``detail``."""
    if isinstance(error, OciError):
        status, code = error.status, error.oci
        headers |= error.headers
    else:
        status, code = _code_of(error, status)
    if status == 401:
        headers["WWW-Authenticate"] = getattr(request.state, "challenge", 'Bearer realm="/v2/token"')
    body = {
        "errors": [
            {
                "code": code,
                "message": error.message("en"),
                "detail": {"code": error.code, "message_zh": error.message("zh"), "advice": error.advice("en")},
            }
        ]
    }
    return JSONResponse(body, status, headers)


def _code_of(error: CapmartError, status: int) -> tuple[int, str]:
    """The status and code that the specification has for ``error``; ``status`` where it has none of its own."""
    match error:
        case errors.DigestMismatch():
            return 400, "DIGEST_INVALID"
        case errors.BlobNotFound():
            return 404, "BLOB_UNKNOWN"
        case errors.InvalidIdentifier():
            return 400, "NAME_INVALID"
        case errors.InvalidRequest() if status == 422:  # the specification knows no 422
            return 400, "UNSUPPORTED"
        case _:
            return status, _CODE_OF_STATUS.get(status, "UNKNOWN")
