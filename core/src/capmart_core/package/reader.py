"""Reading a package file from outside: bounded, and every byte verified before anything is used."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from capmart_core.blobs.folder import read_chunks
from capmart_core.canonical import parse_json
from capmart_core.errors import BlobNotFound, DigestMismatch, InvalidJson, InvalidPackage
from capmart_core.package import media_types as types
from capmart_core.package.descriptors import Descriptor
from capmart_core.package.layout import MAX_DOCUMENT_BYTES, PackageLayout, describe_layout
from capmart_core.package.limits import DEFAULT_LIMITS, PackageLimits
from capmart_core.package.tars import Member, Slice, read_members
from capmart_core.ports.blobs import BlobStore

_BLOBS = "blobs/sha256/"


class PackageReader:
    """A package file, opened with :meth:`open`; its content is read from the file when it is asked for.

    Attributes:
        path: the file.
        layout: what it holds.
    """

    def __init__(self, path: Path, layout: PackageLayout, members: Mapping[str, Member]) -> None:
        self.path = path
        self.layout = layout
        self._members = members

    @classmethod
    def open(cls, path: Path, limits: PackageLimits = DEFAULT_LIMITS) -> Self:
        """Open a package and verify all of it.

        Raises:
            InvalidPackage: it is malformed, over-long, or holds what a package never does.
            TooLarge: it is larger than the limits.
            DigestMismatch: something in it is not what its digest says.
        """
        members = read_members(path, max_entries=limits.entries, max_bytes=limits.bytes)
        for member in members.values():
            if member.name.startswith(_BLOBS):
                _verify(path, member)
            elif member.name not in {"oci-layout", "index.json"}:
                raise InvalidPackage(file=path, reason=f"{member.name[:200]!r} does not belong in a package")
        root = _root(path, members)
        layout = describe_layout(_read(path, members, root), lambda entry: _read(path, members, entry), what=path.name)
        _check_complete(path, members, layout)
        return cls(path, layout, members)

    def open_blob(self, digest: str, start: int = 0) -> BinaryIO:
        """A stream of the content with ``digest``, a blob or a document.

        Raises:
            BlobNotFound: the package does not hold it.
        """
        member = self._members.get(_BLOBS + digest.removeprefix("sha256:"))
        if member is None:
            raise BlobNotFound(digest=digest, store=self.path)
        return cast("BinaryIO", io.BufferedReader(Slice(self.path, member, start)))

    def copy_to(self, blobs: BlobStore) -> None:
        """Put everything, blobs and documents, into a store; what it has already is not read again."""
        for entry in (*self.layout.blobs(), *self.layout.manifests(), self.layout.index):
            if entry.digest not in blobs:
                with self.open_blob(entry.digest) as stream:
                    blobs.put(read_chunks(stream), entry.digest, max_bytes=entry.size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def _verify(path: Path, member: Member) -> None:
    hasher = hashlib.sha256()
    for chunk in _chunks(path, member):
        hasher.update(chunk)
    expected = member.name.removeprefix(_BLOBS)
    if hasher.hexdigest() != expected:
        raise DigestMismatch(what=path.name, expected=f"sha256:{expected}", actual=f"sha256:{hasher.hexdigest()}")


def _chunks(path: Path, member: Member) -> Iterator[bytes]:
    with Slice(path, member) as stream:
        yield from read_chunks(cast("BinaryIO", stream))


def _read(path: Path, members: Mapping[str, Member], entry: Descriptor) -> bytes:
    member = members.get(_BLOBS + entry.digest.removeprefix("sha256:"))
    if member is None:
        raise InvalidPackage(file=path, reason=f"{entry.digest} is missing")
    if member.size > MAX_DOCUMENT_BYTES:
        raise InvalidPackage(file=path, reason=f"{entry.digest} is larger than {MAX_DOCUMENT_BYTES} bytes")
    return b"".join(_chunks(path, member))


def _root(path: Path, members: Mapping[str, Member]) -> Descriptor:
    values = {}
    for name in ("oci-layout", "index.json"):
        member = members.get(name)
        if member is None:
            raise InvalidPackage(file=path, reason=f"{name} is missing")
        if member.size > MAX_DOCUMENT_BYTES:
            raise InvalidPackage(file=path, reason=f"{name} is larger than {MAX_DOCUMENT_BYTES} bytes")
        try:
            values[name] = parse_json(b"".join(_chunks(path, member)), what=name, max_bytes=MAX_DOCUMENT_BYTES)
        except InvalidJson as error:
            raise InvalidPackage(file=path, reason=error.message("en")) from error
    version = values["oci-layout"].get("imageLayoutVersion") if isinstance(values["oci-layout"], dict) else None
    if version != "1.0.0":
        raise InvalidPackage(file=path, reason="it is no OCI image layout 1.0.0")
    entries = values["index.json"].get("manifests") if isinstance(values["index.json"], dict) else None
    if not isinstance(entries, list) or len(entries) != 1:
        raise InvalidPackage(file=path, reason="its index.json does not list exactly one package")
    try:
        root = Descriptor.parse(entries[0])
    except ValueError as error:
        raise InvalidPackage(file=path, reason=str(error)) from error
    if root.media_type != types.OCI_INDEX:
        raise InvalidPackage(file=path, reason=f"its index.json lists a {root.media_type[:100]}, no package")
    return root


def _check_complete(path: Path, members: Mapping[str, Member], layout: PackageLayout) -> None:
    named = {entry.digest: entry.size for entry in (*layout.blobs(), *layout.manifests(), layout.index)}
    held = {
        f"sha256:{member.name.removeprefix(_BLOBS)}": member.size
        for member in members.values()
        if member.name.startswith(_BLOBS)
    }
    for digest, size in named.items():
        if digest not in held:
            raise InvalidPackage(file=path, reason=f"{digest} is missing")
        if held[digest] != size:
            raise InvalidPackage(
                file=path, reason=f"{digest} has {held[digest]} bytes, not {size} as its manifest says"
            )
    for digest in held:
        if digest not in named:
            raise InvalidPackage(file=path, reason=f"{digest} belongs to nothing in the package")
