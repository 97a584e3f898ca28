"""A package's content, sent by digest: blobs first, then manifests, then the index that names them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import BinaryIO

from capmart_core.identifiers import ComponentId
from capmart_core.package import Descriptor, PackageReader, media_types
from capmart_sdk.client import CenterClient
from capmart_sdk.client.oci import CHUNK_BYTES, Repository

CONCURRENCY = 4
Progress = Callable[[int], None]
"""Told of every piece of content that is there now, in bytes."""


@dataclass(frozen=True)
class Pushed:
    """What was sent; what the center had already was not sent again.

    Attributes:
        sent: blobs and manifests sent.
        there: blobs and manifests that were there.
        sent_bytes: size of those sent.
    """

    sent: int
    there: int
    sent_bytes: int


def push_package(client: CenterClient, package: PackageReader, on_progress: Progress | None = None) -> Pushed:
    """Send what the center lacks. Killed and run again, it goes on with what is still missing.

    Raises:
        CapmartError: the center refused something.
        CenterUnavailable: the connection failed.
    """
    layout = package.layout
    repository = client.repository(ComponentId.parse(layout.manifest.id))
    done: list[tuple[bool, int]] = []

    def note(result: tuple[bool, int]) -> None:
        done.append(result)
        if on_progress is not None:
            on_progress(result[1])

    pool = ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="push")
    try:
        for future in as_completed([pool.submit(_push_blob, repository, package, blob) for blob in layout.blobs()]):
            note(future.result())
    finally:
        # The first refusal ends it: what has not begun is not begun.
        pool.shutdown(cancel_futures=True)
    for manifest in layout.manifests():
        data = layout.documents[manifest.digest]
        note((repository.push_manifest(manifest.digest, data, manifest.media_type), manifest.size))
    index = layout.documents[layout.digest]
    note((repository.push_manifest(layout.digest, index, media_types.OCI_INDEX), len(index)))
    sent = [size for was_sent, size in done if was_sent]
    return Pushed(sent=len(sent), there=len(done) - len(sent), sent_bytes=sum(sent))


def _push_blob(repository: Repository, package: PackageReader, blob: Descriptor) -> tuple[bool, int]:
    with package.open_blob(blob.digest) as stream:
        return repository.push_blob(blob.digest, _chunks(stream), blob.size), blob.size


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk
