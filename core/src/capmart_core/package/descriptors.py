"""OCI descriptors: what a document says about content that lies elsewhere under its digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from capmart_core.errors import InvalidIdentifier
from capmart_core.identifiers import check_digest, digest_of

MAX_SIZE = 1 << 40


@dataclass(frozen=True)
class Descriptor:
    """Content by digest (OCI image spec 1.1, descriptor.md).

    Attributes:
        size: in bytes.
        platform: of an image manifest, as in its index.
        artifact_type: of a manifest that is no image; None otherwise.
    """

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Mapping[str, Any] | None = None
    artifact_type: str | None = None

    @classmethod
    def of(cls, data: bytes, media_type: str, annotations: Mapping[str, str] | None = None) -> Descriptor:
        """The descriptor of ``data``."""
        return cls(media_type, digest_of(data), len(data), annotations or {})

    @classmethod
    def parse(cls, value: object) -> Descriptor:
        """Read a descriptor; fields that Capmart does not use are dropped.

        Raises:
            ValueError: it is none.
        """
        if not isinstance(value, dict):
            raise ValueError("a descriptor is not an object")  # noqa: TRY004 - one error for all that is malformed
        media_type, digest, size = value.get("mediaType"), value.get("digest"), value.get("size")
        annotations, platform = value.get("annotations") or {}, value.get("platform")
        artifact_type = value.get("artifactType")
        if not isinstance(media_type, str) or not isinstance(digest, str):
            raise ValueError("a descriptor lacks mediaType or digest")  # noqa: TRY004 - as above
        if type(size) is not int or not 0 <= size <= MAX_SIZE:
            raise ValueError(f"the size of {digest[:80]} is no plausible number of bytes")
        if not isinstance(annotations, dict) or not all(isinstance(text, str) for text in annotations.values()):
            raise ValueError(f"the annotations of {digest[:80]} are not text")
        if platform is not None and not isinstance(platform, dict):
            raise ValueError(f"the platform of {digest[:80]} is not an object")
        if artifact_type is not None and not isinstance(artifact_type, str):
            raise ValueError(f"the artifactType of {digest[:80]} is not text")
        try:
            check_digest(digest)
        except InvalidIdentifier as error:
            raise ValueError(error.message("en")) from error
        return cls(media_type, digest, size, annotations, platform, artifact_type)

    @property
    def title(self) -> str:
        """The file name that the descriptor carries; empty when it has none."""
        return self.annotations.get("org.opencontainers.image.title", "")

    def as_json(self) -> dict[str, Any]:
        """As it stands in an OCI document, absent fields left out."""
        value: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.artifact_type is not None:
            value["artifactType"] = self.artifact_type
        if self.platform is not None:
            value["platform"] = dict(self.platform)
        if self.annotations:
            value["annotations"] = dict(self.annotations)
        return value
