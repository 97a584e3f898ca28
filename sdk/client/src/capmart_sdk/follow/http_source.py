"""A log served over HTTP: C2SP tlog-tiles paths, and Capmart's exact tail and bodies beside them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import IO, Self, cast

import httpx
import zstandard

from capmart_core.errors import Busy, CenterUnavailable, NotFound, TooLarge
from capmart_core.log import FrameParser, Tile
from capmart_core.log.merkle import HASH_BYTES
from capmart_core.log.notes import MAX_NOTE_BYTES
from capmart_core.statements import MAX_ENTRY_BYTES

MAX_ENTRIES_BYTES = 32 * 1024 * 1024
MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_BODIES_BYTES = 64 * 1024 * 1024
MAX_SECONDS = 300.0

_CHUNK = 65_536
_MAX_WINDOW = 8 * 1024 * 1024
_MAX_RETRY_AFTER = 3600


class HttpLogSource:
    """A log below an address such as ``https://center.example/log`` or ``…/log/origins/ORIGIN``.

    Every answer is bounded in bytes, before and after decompression, and in time. Safe to use from several threads.

    Args:
        base_url: the log's address.
        client: reused for its connections when given (its own base address does not matter); otherwise one is made.
    """

    def __init__(self, base_url: str, client: httpx.Client | None = None) -> None:
        self._base = base_url.rstrip("/")
        self._own = client is None
        self._client = client or httpx.Client(headers={"User-Agent": "capmart/0.1"})
        self._seen: tuple[str, bytes] | None = None

    @property
    def name(self) -> str:
        """The log's address."""
        return self._base

    def close(self) -> None:
        """Close the connections that this source opened."""
        if self._own:
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def checkpoint(self) -> bytes:
        """The newest checkpoint; asked for with its ETag, so that an unchanged one costs no body."""
        seen = self._seen
        headers = {"If-None-Match": seen[0]} if seen is not None else {}
        with self._get("checkpoint", headers=headers) as (response, chunks):
            if response.status_code == 304 and seen is not None:
                return seen[1]
            data = _join(chunks, MAX_NOTE_BYTES, "checkpoint")
            etag = response.headers.get("ETag")
            self._seen = (etag, data) if etag else None
            return data

    def tile(self, tile: Tile) -> bytes:
        """The content of a hash tile."""
        with self._get(tile.path) as (_, chunks):
            return _join(chunks, 256 * HASH_BYTES, tile.path)

    def entries(self, start: int, limit: int, wait: float = 0.0) -> list[bytes]:
        """Entries from ``start`` on; of an answer that was cut off, those that arrived whole."""
        params = {"start": str(start), "limit": str(limit)}
        if wait > 0:
            params["wait"] = f"{wait:g}"
        found: list[bytes] = []
        with self._get("entries", params, wait=wait) as (_, chunks):
            self._collect(found, chunks, FrameParser(2, MAX_ENTRY_BYTES), limit, MAX_ENTRIES_BYTES)
        return found

    def bodies(self, start: int, limit: int) -> list[bytes | None]:
        """Manifests of the entries from ``start`` on; of an answer that was cut off, those that arrived whole."""
        params = {"start": str(start), "limit": str(limit)}
        found: list[bytes] = []
        with self._get("bodies", params) as (_, chunks):
            self._collect(found, chunks, FrameParser(4, MAX_BODY_BYTES), limit, MAX_BODIES_BYTES)
        return [body or None for body in found]

    def _collect(
        self, found: list[bytes], chunks: Iterator[bytes], parser: FrameParser, limit: int, max_bytes: int
    ) -> None:
        total = 0
        try:
            for chunk in chunks:
                total += len(chunk)
                found.extend(parser.feed(chunk))
                if len(found) >= limit or total >= max_bytes:
                    del found[limit:]
                    return
        except (httpx.HTTPError, zstandard.ZstdError):
            if not found:  # what arrived whole is verified like anything else, and the rest is asked for again
                raise
        if not found and parser.pending:
            raise CenterUnavailable(center=self._base, reason="the answer ends inside its first entry")

    @contextmanager
    def _get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        wait: float = 0.0,
    ) -> Iterator[tuple[httpx.Response, Iterator[bytes]]]:
        timeout = httpx.Timeout(30.0, connect=10.0, read=30.0 + wait)
        sent = {"Accept-Encoding": "zstd", **(headers or {})}
        try:
            request = self._client.build_request(
                "GET", f"{self._base}/{path}", params=params, headers=sent, timeout=timeout
            )
            with closing(self._send(request)) as response:
                self._check_status(response, path)
                yield response, _decoded(response, self._base, time.monotonic() + MAX_SECONDS + wait)
        except httpx.InvalidURL as error:
            raise CenterUnavailable(center=self._base, reason=f"the address is not valid: {error}") from error
        except (httpx.HTTPError, zstandard.ZstdError) as error:
            reason = str(error) or type(error).__name__
            raise CenterUnavailable(center=self._base, reason=reason) from error
        except TooLarge as error:
            raise CenterUnavailable(center=self._base, reason=error.message("en")) from error

    def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            return self._client.send(request, stream=True, follow_redirects=False)
        except httpx.RemoteProtocolError:  # a kept connection that the center had closed meanwhile (RFC 9110, 9.2.2)
            return self._client.send(request, stream=True, follow_redirects=False)

    def _check_status(self, response: httpx.Response, path: str) -> None:
        status = response.status_code
        if status in (200, 304):
            return
        if status == 404:
            raise NotFound(what=f"{self._base}/{path}")
        if status in (429, 503):
            given = response.headers.get("Retry-After", "")
            seconds = min(int(given), _MAX_RETRY_AFTER) if given.isascii() and given.isdigit() else 5
            raise Busy(what=self._base, retry_after=seconds)
        raise CenterUnavailable(center=self._base, reason=f"it answered {status} to {path}")


class _Raw:
    """The undecoded chunks of a response as a file, so that a decompressor reads no more than it is asked for.

    When the connection breaks it ends there and keeps the error, so that what arrived can still be unpacked.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""
        self.error: httpx.HTTPError | None = None

    def read(self, size: int = _CHUNK) -> bytes:
        try:
            while not self._rest:
                self._rest = next(self._chunks)
        except StopIteration:
            return b""
        except httpx.HTTPError as error:
            self.error = error
            return b""
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


def _decoded(response: httpx.Response, center: str, deadline: float) -> Iterator[bytes]:
    """The body in chunks of bounded size, however well it was compressed; they come as soon as they arrive."""
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    raw = _Raw(response.iter_raw())
    if encoding == "zstd":
        decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
        read = decompressor.stream_reader(cast("IO[bytes]", raw), read_across_frames=True).read
    elif encoding == "identity":
        read = raw.read
    else:
        raise CenterUnavailable(center=center, reason=f"it answered in the encoding {encoding[:40]!r}")
    while chunk := read(_CHUNK):
        if time.monotonic() > deadline:
            raise CenterUnavailable(center=center, reason=f"the answer took more than {MAX_SECONDS:g} s")
        yield chunk
    if raw.error is not None:
        raise raw.error


def _join(chunks: Iterator[bytes], max_bytes: int, what: str) -> bytes:
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > max_bytes:
            raise TooLarge(what=what, limit=max_bytes)
    return bytes(data)
