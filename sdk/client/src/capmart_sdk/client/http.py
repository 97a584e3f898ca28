"""HTTP to one center: bounded answers, timeouts, retries where a retry is harmless, problems as our errors."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

import httpx

from capmart_core.errors import CapmartError, CenterUnavailable, InvalidIdentifier, InvalidJson, TooLarge
from capmart_core.text import Language
from capmart_sdk.client.problems import error_from

MAX_JSON_BYTES = 16 * 1024 * 1024
MAX_PROBLEM_BYTES = 256 * 1024
ATTEMPTS = 4
FIRST_PAUSE_S = 0.2
MAX_PAUSE_S = 10.0
_AGAIN = frozenset({429, 502, 503, 504})
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)


def check_url(url: str) -> str:
    """``url`` as the base address of a center, without a slash at its end.

    Raises:
        InvalidIdentifier: it is not http or https, or carries a password, a query or a fragment.
    """
    text = url.strip().rstrip("/")
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and not (parts.query or parts.fragment)
        usable = usable and parts.username is None and parts.password is None and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise InvalidIdentifier(
            what="address",
            what_zh="地址",
            value=url[:200],
            expected="http(s)://HOST[:PORT]",
            example="https://center.example",
        )
    return text


class Tokens(Protocol):
    """Short-lived tokens of one part of a center."""

    def headers(self) -> dict[str, str]:
        """What a request carries."""
        ...

    def renew(self, refused: httpx.Response) -> bool:
        """Get a token as a 401 says; whether one was had."""
        ...


class Http:
    """The requests of one client to one center. Safe to use from several threads.

    Args:
        url: base address of the center.
        token: sent as a bearer token to this address only.
        language: in which the center words its problems.
        transport: instead of the network, for a center in the same process.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        language: Language = "en",
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = check_url(url)
        self.token = token
        headers = {"User-Agent": "capmart/0.1", "Accept-Language": "zh" if language == "zh" else "en"}
        self.raw = httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=_TIMEOUT,
            transport=transport,
            limits=httpx.Limits(max_connections=16, max_keepalive_connections=8),
        )

    def close(self) -> None:
        """Close the connections."""
        self.raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """The JSON answer to a GET.

        Raises:
            CapmartError: the center's problem, by its code.
            CenterUnavailable: it does not answer.
        """
        given = {name: value for name, value in (params or {}).items() if value is not None}
        with self.stream("GET", path, params=given, headers=self._bearer()) as response:
            return self.json_of(response)

    def post(self, path: str, body: Any) -> Any:
        """The JSON answer to a POST of ``body``. Never repeated: the caller knows whether that is harmless.

        Raises:
            CapmartError: the center's problem, by its code.
            CenterUnavailable: it does not answer.
        """
        with self.stream("POST", path, json=body, headers=self._bearer()) as response:
            return self.json_of(response)

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    @contextmanager
    def stream(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        tokens: Tokens | None = None,
        **options: Any,
    ) -> Iterator[httpx.Response]:
        """One request whose answer is read by the caller. GET and HEAD are repeated when the connection fails.

        Args:
            method: of the request.
            path: below the center's address, or an address of its own.
            headers: of the request.
            tokens: gives what a 401 asks for, after which the request is sent once more.
            options: as httpx takes them.

        Raises:
            CapmartError: any status of 400 and above.
            CenterUnavailable: the connection fails, also while the answer is read.
        """
        try:
            sent = {**(headers or {}), **(tokens.headers() if tokens else {})}
            response = self._send(method, path, {**options, "headers": sent})
            if response.status_code == 401 and tokens is not None and tokens.renew(response):
                response.close()
                response = self._send(method, path, {**options, "headers": {**sent, **tokens.headers()}})
            try:
                if response.status_code >= 400:
                    raise self.problem_of(response)
                yield response
            finally:
                response.close()
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
            raise CenterUnavailable(center=self.url, reason=_reason(error)) from error

    def _send(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        follow = options.pop("follow_redirects", False)
        attempts = ATTEMPTS if method in {"GET", "HEAD"} else 1
        for attempt in range(1, attempts + 1):
            pause = random.uniform(0.5, 1.5) * FIRST_PAUSE_S * 2**attempt  # noqa: S311  # jitter, not a secret
            try:
                request = self.raw.build_request(method, path, **options)
                response = self.raw.send(request, stream=True, follow_redirects=follow)
            except httpx.TransportError:
                if attempt == attempts:
                    raise
            else:
                if response.status_code not in _AGAIN or attempt == attempts:
                    return response
                response.close()
                pause = max(pause, _retry_after(response))
            time.sleep(min(pause, MAX_PAUSE_S))
        raise AssertionError("unreachable")  # pragma: no cover

    def json_of(self, response: httpx.Response, *, max_bytes: int = MAX_JSON_BYTES) -> Any:
        """The answer's body as JSON, read up to ``max_bytes``.

        Raises:
            TooLarge: it has more.
            CenterUnavailable: it is not JSON, so whatever answered is no center.
        """
        data = self.bytes_of(response, max_bytes=max_bytes)
        if not data:
            return None
        try:
            return _parse(data)
        except InvalidJson as error:
            raise CenterUnavailable(center=self.url, reason=f"the answer is not JSON: {error}") from error

    def bytes_of(self, response: httpx.Response, *, max_bytes: int) -> bytes:
        """The answer's body, read up to ``max_bytes``.

        Raises:
            TooLarge: it has more.
        """
        parts: list[bytes] = []
        size = 0
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > max_bytes:
                raise TooLarge(what=f"the answer of {response.url.path}", limit=max_bytes)
            parts.append(chunk)
        return b"".join(parts)

    def problem_of(self, response: httpx.Response) -> CapmartError:
        """The error that an answer stands for."""
        try:
            document = _parse(self.bytes_of(response, max_bytes=MAX_PROBLEM_BYTES))
        except (TooLarge, InvalidJson):
            document = None
        return error_from(response.status_code, document, center=self.url, headers=response.headers)


def _parse(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidJson(what="answer", reason=str(error)[:200]) from error


def _retry_after(response: httpx.Response) -> float:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdigit() else 0.0


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
