"""Content by digest: the part of OCI Distribution 1.1 that publishing and installing need."""

from __future__ import annotations

import re
import threading
from collections.abc import Generator, Iterable, Iterator
from typing import Any

import httpx

from capmart_core.errors import CenterUnavailable, DigestMismatch, NotFound
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


class RegistryAuth(httpx.Auth):
    """The token flow of Docker registries: a 401 names where a short-lived token for one scope is had.

    The long-lived token is given only to the address that the center itself has.
    """

    def __init__(self, http: Http, account: str | None) -> None:
        self._http = http
        self._account = account or "token"
        self._lock = threading.Lock()
        self._bearer: str | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request, and once more with a token when the first answer asks for one."""
        if self._bearer is not None:
            request.headers["Authorization"] = f"Bearer {self._bearer}"
        response = yield request
        challenge = response.headers.get("www-authenticate", "")
        if response.status_code != 401 or not challenge.lower().startswith("bearer "):
            return
        facts = dict(_CHALLENGE.findall(challenge))
        answer = yield self._token_request(facts)
        if answer.status_code == 200:
            token = self._http.json_of(answer, max_bytes=MAX_TOKEN_BYTES)
            with self._lock:
                self._bearer = str((token or {}).get("token") or (token or {}).get("access_token") or "")
            request.headers["Authorization"] = f"Bearer {self._bearer}"
            yield request

    def _token_request(self, facts: dict[str, str]) -> httpx.Request:
        realm = facts.get("realm", "")
        params: dict[str, str] = {name: facts[name] for name in ("service", "scope") if name in facts}
        request = self._http.raw.build_request("GET", realm, params=params)
        if not same_address(request.url, self._http.url):
            raise CenterUnavailable(center=self._http.url, reason=f"it sends tokens to another address: {realm}")
        if self._http.token:
            basic = httpx.BasicAuth(self._account, self._http.token)
            request = next(basic.auth_flow(request))
        return request


class Repository:
    """The content of one component at one center.

    Args:
        name: ``namespace/name``.
        account: user name that goes with the token.
    """

    def __init__(self, http: Http, name: str, *, account: str | None = None) -> None:
        self._http = http
        self._base = f"/v2/{name}"
        self._auth = RegistryAuth(http, account)

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
                    for chunk in response.iter_raw(CHUNK_BYTES):
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

    def _stream(self, method: str, url: str | httpx.URL, **options: Any) -> Any:
        return self._http.stream(method, str(url), auth=self._auth, **options)
