"""Content by digest: the part of OCI Distribution 1.1 that publishing and installing need."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from capmart_core.errors import CenterUnavailable, DigestMismatch, NotAuthenticated, NotFound
from capmart_core.identifiers import check_digest, digest_of
from capmart_core.package import media_types
from capmart_sdk.client.http import ATTEMPTS, Http

CHUNK_BYTES = 1024 * 1024
MAX_TOKEN_BYTES = 64 * 1024
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
_MANIFEST_TYPES = ", ".join((media_types.OCI_INDEX, *sorted(media_types.IMAGE_MANIFESTS)))
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


def same_address(target: httpx.URL, base: str) -> bool:
    """Whether ``target`` is on the server of ``base``: what is secret goes nowhere else."""
    ours = httpx.URL(base)
    return (target.scheme, target.netloc) == (ours.scheme, ours.netloc)


class RegistryTokens:
    """The token flow of Docker registries: a 401 names where a short-lived token for one scope is had.

    The long-lived token is given only to the address that the center itself has. Safe to use from several threads.
    """

    def __init__(self, http: Http, account: str | None) -> None:
        self._http = http
        self._account = account or "token"
        self._bearer: str | None = None

    def headers(self) -> dict[str, str]:
        """What a request carries."""
        bearer = self._bearer
        return {"Authorization": f"Bearer {bearer}"} if bearer else {}

    def renew(self, refused: httpx.Response) -> bool:
        """Get a token as a 401 says; whether one was had, so that the request is worth sending again.

        Raises:
            CenterUnavailable: it names another server.
        """
        challenge = refused.headers.get("www-authenticate", "")
        if not challenge.lower().startswith("bearer "):
            return False
        facts = dict(_CHALLENGE.findall(challenge))
        realm = facts.get("realm", "")
        target = httpx.URL(realm) if "://" in realm else httpx.URL(self._http.url).join(realm)
        if not same_address(target, self._http.url):
            raise CenterUnavailable(center=self._http.url, reason=f"it sends tokens to another address: {realm}")
        asked = {name: facts[name] for name in ("service", "scope") if name in facts}
        headers = {}
        if self._http.token:
            pair = base64.b64encode(f"{self._account}:{self._http.token}".encode()).decode("ascii")
            headers["Authorization"] = f"Basic {pair}"
        try:
            with self._http.stream("GET", str(target), params=asked, headers=headers) as response:
                token = self._http.json_of(response, max_bytes=MAX_TOKEN_BYTES)
        except NotAuthenticated:
            return False
        found = token.get("token") or token.get("access_token") if isinstance(token, dict) else None
        self._bearer = str(found) if found else None
        return self._bearer is not None


class Repository:
    """The content of one component at one center.

    Args:
        name: ``namespace/name``.
        account: user name that goes with the token.
    """

    def __init__(self, http: Http, name: str, *, account: str | None = None) -> None:
        self._http = http
        self._base = f"/v2/{name}"
        self._tokens = RegistryTokens(http, account)

    def has_blob(self, digest: str) -> bool:
        """Whether the center has this blob in this repository."""
        return self._exists(f"{self._base}/blobs/{check_digest(digest)}")

    def has_manifest(self, digest: str) -> bool:
        """Whether the center has this manifest in this repository."""
        return self._exists(f"{self._base}/manifests/{check_digest(digest)}")

    def _exists(self, path: str) -> bool:
        try:
            with self._stream("HEAD", path, headers={"Accept": _MANIFEST_TYPES}):
                return True
        except NotFound:
            return False

    def push_blob(self, digest: str, chunks: Iterable[bytes], size: int) -> bool:
        """Send a blob unless the center has it. Returns whether it was sent.

        Raises:
            CapmartError: the center refused it.
        """
        if self.has_blob(digest):
            return False
        with self._stream("POST", f"{self._base}/blobs/uploads/", content=b"") as started:
            location = started.headers.get("location", "")
        target = self._same_address(location)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        with self._stream("PUT", target.copy_merge_params({"digest": digest}), content=chunks, headers=headers):
            return True

    def push_manifest(self, digest: str, data: bytes, media_type: str) -> bool:
        """Send a manifest or index by its digest unless the center has it. Returns whether it was sent."""
        if self.has_manifest(digest):
            return False
        headers = {"Content-Type": media_type}
        with self._stream("PUT", f"{self._base}/manifests/{digest}", content=data, headers=headers):
            return True

    def manifest(self, digest: str) -> bytes:
        """A manifest or index, verified.

        Raises:
            DigestMismatch: what came is something else.
            NotFound: the center has none.
        """
        path = f"{self._base}/manifests/{check_digest(digest)}"
        with self._stream("GET", path, headers={"Accept": _MANIFEST_TYPES}) as response:
            data = self._http.bytes_of(response, max_bytes=MAX_MANIFEST_BYTES)
        actual = digest_of(data)
        if actual != digest:
            raise DigestMismatch(what=f"manifest of {self._base.removeprefix('/v2/')}", expected=digest, actual=actual)
        return data

    def blob(self, digest: str) -> Iterator[bytes]:
        """The bytes of a blob as they come; the caller's store checks the digest.

        When the connection breaks in the middle, the rest is asked for from where it stopped.
        """
        path = f"{self._base}/blobs/{check_digest(digest)}"
        received = 0
        for attempt in range(1, ATTEMPTS + 1):
            headers = {"Accept-Encoding": "identity"}
            if received:
                headers["Range"] = f"bytes={received}-"
            try:
                with self._stream("GET", path, headers=headers, follow_redirects=True) as response:
                    skip = received if received and response.status_code != 206 else 0
                    for chunk in response.iter_raw():  # as it comes: what arrived before a break is kept
                        fresh = chunk[skip:]
                        skip = max(0, skip - len(chunk))
                        received += len(fresh)
                        yield fresh
            except CenterUnavailable:
                if attempt == ATTEMPTS:
                    raise
            else:
                return

    def _same_address(self, location: str) -> httpx.URL:
        target = self._http.raw.build_request("PUT", location).url if location else httpx.URL("")
        if not same_address(target, self._http.url):
            raise CenterUnavailable(center=self._http.url, reason=f"it sends uploads to another address: {location}")
        return target

    @contextmanager
    def _stream(
        self, method: str, url: str | httpx.URL, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> Iterator[httpx.Response]:
        with self._http.stream(method, str(url), headers=headers, tokens=self._tokens, **options) as response:
            yield response
