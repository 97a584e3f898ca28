"""What every driver of the blob port must do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from capmart_core.errors import BlobNotFound, DigestMismatch, InvalidIdentifier, NotFound, StateConflict, TooLarge
from capmart_core.identifiers import digest_of
from capmart_core.ports.blobs import BlobStore

DATA = b"capability " * 1000
DIGEST = digest_of(DATA)
OTHER = digest_of(b"other")


def read(store: BlobStore, digest: str, start: int = 0) -> bytes:
    with store.open(digest, start) as stream:
        return stream.read()


def test_given_content_when_put_then_it_is_read_back_and_listed(store: BlobStore) -> None:
    assert store.put([DATA[:100], DATA[100:]], DIGEST, max_bytes=len(DATA)) == len(DATA)

    assert DIGEST in store
    assert store.size(DIGEST) == len(DATA)
    assert read(store, DIGEST) == DATA
    assert read(store, DIGEST, 500) == DATA[500:]
    assert list(store) == [DIGEST]


def test_given_stored_content_when_the_store_is_opened_again_then_it_is_there(
    store: BlobStore, reopen: Callable[[], BlobStore]
) -> None:
    store.put([DATA], DIGEST, max_bytes=len(DATA))

    assert read(reopen(), DIGEST) == DATA


def test_given_empty_content_when_put_then_it_is_kept(store: BlobStore) -> None:
    digest = digest_of(b"")

    assert store.put([], digest, max_bytes=0) == 0
    assert read(store, digest) == b""


def test_given_nothing_when_read_then_blob_not_found(store: BlobStore) -> None:
    assert OTHER not in store
    with pytest.raises(BlobNotFound):
        store.size(OTHER)
    with pytest.raises(BlobNotFound):
        store.open(OTHER)
    assert store.local_path(OTHER) is None


@pytest.mark.parametrize(
    "digest", ["sha256:../../etc/passwd", "sha256:" + "A" * 64, "md5:" + "0" * 32, "", "/", DIGEST + "\n"]
)
def test_given_what_is_no_digest_when_asked_then_refused(store: BlobStore, digest: str) -> None:
    with pytest.raises(InvalidIdentifier):
        store.size(digest)
    with pytest.raises(InvalidIdentifier):
        store.put([b""], digest, max_bytes=10)


def test_given_another_digest_when_put_then_nothing_is_stored(store: BlobStore) -> None:
    with pytest.raises(DigestMismatch):
        store.put([DATA], OTHER, max_bytes=len(DATA))

    assert list(store) == []


def test_given_content_over_the_limit_when_put_then_reading_stops_and_nothing_is_stored(store: BlobStore) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 1000

    with pytest.raises(TooLarge):
        store.put(endless(), OTHER, max_bytes=10_500)

    assert taken == 11
    assert list(store) == []


def test_given_a_source_that_breaks_when_put_then_nothing_is_stored(store: BlobStore) -> None:
    def broken() -> Iterator[bytes]:
        yield DATA[:10]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        store.put(broken(), DIGEST, max_bytes=len(DATA))

    assert DIGEST not in store


def test_given_stored_content_when_put_again_then_still_checked_and_unchanged(store: BlobStore) -> None:
    store.put([DATA], DIGEST, max_bytes=len(DATA))

    assert store.put([DATA], DIGEST, max_bytes=len(DATA)) == len(DATA)
    with pytest.raises(DigestMismatch):
        store.put([b"wrong"], DIGEST, max_bytes=len(DATA))
    assert read(store, DIGEST) == DATA


def test_given_content_when_deleted_then_gone_and_deleting_again_is_harmless(store: BlobStore) -> None:
    store.put([DATA], DIGEST, max_bytes=len(DATA))

    store.delete(DIGEST)
    store.delete(DIGEST)

    assert DIGEST not in store


def test_given_an_upload_in_pieces_when_finished_then_the_blob_is_there(
    store: BlobStore, reopen: Callable[[], BlobStore]
) -> None:
    upload = store.start_upload()
    assert store.upload_size(upload) == 0
    assert store.append_upload(upload, [DATA[:10]], offset=0, max_bytes=len(DATA)) == 10

    later = reopen()
    assert later.upload_size(upload) == 10
    assert later.append_upload(upload, [DATA[10:]], offset=10, max_bytes=len(DATA)) == len(DATA)
    assert later.finish_upload(upload, DIGEST) == len(DATA)

    assert read(store, DIGEST) == DATA
    with pytest.raises(NotFound):
        store.upload_size(upload)


def test_given_an_upload_when_a_piece_starts_elsewhere_then_conflict_names_the_size(store: BlobStore) -> None:
    upload = store.start_upload()
    store.append_upload(upload, [b"abc"], offset=0, max_bytes=10)

    with pytest.raises(StateConflict) as caught:
        store.append_upload(upload, [b"d"], offset=2, max_bytes=10)

    assert caught.value.data["needed"] == 3
    assert store.upload_size(upload) == 3


def test_given_an_upload_when_it_grows_over_the_limit_then_too_large(store: BlobStore) -> None:
    upload = store.start_upload()
    store.append_upload(upload, [b"abc"], offset=0, max_bytes=4)

    with pytest.raises(TooLarge):
        store.append_upload(upload, [b"de"], offset=3, max_bytes=4)


def test_given_an_upload_when_finished_with_another_digest_then_dropped(store: BlobStore) -> None:
    upload = store.start_upload()
    store.append_upload(upload, [DATA], offset=0, max_bytes=len(DATA))

    with pytest.raises(DigestMismatch):
        store.finish_upload(upload, OTHER)

    with pytest.raises(NotFound):
        store.upload_size(upload)
    assert list(store) == []


def test_given_an_upload_when_cancelled_then_unknown_and_cancelling_again_is_harmless(store: BlobStore) -> None:
    upload = store.start_upload()

    store.cancel_upload(upload)
    store.cancel_upload(upload)

    with pytest.raises(NotFound):
        store.append_upload(upload, [b""], offset=0, max_bytes=1)


@pytest.mark.parametrize("upload", ["../../etc/passwd", "", "0" * 32, "." * 32])
def test_given_an_unknown_upload_when_used_then_not_found(store: BlobStore, upload: str) -> None:
    with pytest.raises(NotFound):
        store.upload_size(upload)
    with pytest.raises(NotFound):
        store.finish_upload(upload, DIGEST)
    store.cancel_upload(upload)


def test_given_many_writers_of_one_blob_when_they_put_at_once_then_all_succeed_and_one_copy_stays(
    store: BlobStore, reopen: Callable[[], BlobStore]
) -> None:
    gate = threading.Barrier(8)

    def put(_: int) -> int:
        own = reopen()
        gate.wait()
        return own.put([DATA], DIGEST, max_bytes=len(DATA))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(put, range(8))) == {len(DATA)}

    assert list(store) == [DIGEST]
    assert read(store, DIGEST) == DATA


def test_given_two_writers_of_one_upload_when_they_append_at_once_then_one_wins(store: BlobStore) -> None:
    upload = store.start_upload()
    gate = threading.Barrier(4)

    def append(_: int) -> bool:
        gate.wait()
        try:
            store.append_upload(upload, [b"abc"], offset=0, max_bytes=100)
        except StateConflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(append, range(4))) == 1
    assert store.upload_size(upload) == 3
