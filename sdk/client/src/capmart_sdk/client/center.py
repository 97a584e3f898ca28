"""The API of one center, typed."""

from __future__ import annotations

from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from capmart_core.errors import CenterUnavailable
from capmart_core.identifiers import ComponentId
from capmart_core.statements import EntryEnvelope, as_json
from capmart_core.text import Language
from capmart_core.versions import parse_version
from capmart_sdk.client.http import Http
from capmart_sdk.client.models import (
    CenterInfo,
    ComponentPage,
    NamespacePage,
    ReleasePage,
    SearchPage,
    Submission,
    SubmissionPage,
    WhoAmI,
)
from capmart_sdk.client.oci import Repository

_T = TypeVar("_T", bound=BaseModel)


class CenterClient:
    """A client of one center. Safe to use from several threads.

    Args:
        url: base address, ``https://center.example``.
        token: ``cap_…``; None for what anybody may read.
        account: user name that goes with the token where ``/v2/`` asks for one.
        language: of the center's messages.
        transport: instead of the network, for a center in the same process.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        account: str | None = None,
        language: Language = "en",
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.http = Http(url, token=token, language=language, transport=transport)
        self.url = self.http.url
        self._account = account

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def about(self) -> CenterInfo:
        """What the center says of itself: its origin, its log key and the logs it relays."""
        return self._read(CenterInfo, self.http.get("/.well-known/capmart.json"))

    def whoami(self) -> WhoAmI:
        """Whose token this is."""
        return self._read(WhoAmI, self.http.get("/api/v1/whoami"))

    def search(self, words: str = "", **filters: str | int | None) -> SearchPage:
        """Components that match ``words`` and every filter (``kind``, ``industry``, ``cursor``, ``limit``…)."""
        return self._read(SearchPage, self.http.get("/api/v1/components", {"q": words or None, **filters}))

    def component(self, component: ComponentId) -> ComponentPage:
        """One component with its releases."""
        return self._read(ComponentPage, self.http.get(f"/api/v1/components/{component}"))

    def namespace(self, namespace: str) -> NamespacePage:
        """A namespace with its keys."""
        return self._read(NamespacePage, self.http.get(f"/api/v1/namespaces/{quote(namespace, safe='')}"))

    def add_key(self, namespace: str, key: str) -> Any:
        """Register a publisher key (``ed25519:…``) with a namespace; it is appended to the center's log."""
        return self.http.post(f"/api/v1/namespaces/{quote(namespace, safe='')}/keys", {"key": key})

    def submit(self, envelope: EntryEnvelope) -> Submission:
        """Hand in a signed publish statement whose content is already pushed."""
        return self._read(Submission, self.http.post("/api/v1/submissions", {"envelope": as_json(envelope)}))

    def submission(self, submission: str) -> Submission:
        """One submission with its findings."""
        return self._read(Submission, self.http.get(f"/api/v1/submissions/{quote(submission, safe='')}"))

    def submissions(self, state: str | None = None) -> tuple[Submission, ...]:
        """The submissions that this token may see, as the center orders them."""
        return self._read(SubmissionPage, self.http.get("/api/v1/submissions", {"state": state})).items

    def state_change(self, envelope: EntryEnvelope) -> int | None:
        """Hand in a publisher's yank, unyank or deprecate; returns its index in the log."""
        answer = self.http.post("/api/v1/statements", {"envelope": as_json(envelope)})
        return answer.get("index") if isinstance(answer, dict) else None

    def release(self, component: ComponentId, version: str) -> ReleasePage:
        """One release as the center shows it."""
        path = f"/api/v1/components/{component}/releases/{parse_version(version)}"
        return self._read(ReleasePage, self.http.get(path))

    def repository(self, component: ComponentId) -> Repository:
        """The component's content under ``/v2/``."""
        return Repository(self.http, str(component), account=self._account)

    def _read(self, model: type[_T], answer: Any) -> _T:
        try:
            return TypeAdapter(model).validate_python(answer)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "answer"
            reason = f"its answer is not a center's ({where}: {first['msg']})"
            raise CenterUnavailable(center=self.url, reason=reason) from error
