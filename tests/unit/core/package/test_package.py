"""Packages written, read, copied and installed."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import tarfile
import time
from pathlib import Path

import pytest

from capmart_core.blobs import FolderBlobs
from capmart_core.errors import BlobNotFound, DigestMismatch, InvalidPackage, NotInstalled, RuntimeMismatch
from capmart_core.identifiers import Runtime, digest_of
from capmart_core.manifest.models import Manifest
from capmart_core.package import (
    PackageReader,
    describe_layout,
    install_tree,
    load_tree,
    media_types,
    read_image,
    verify_tree,
    write_package,
)
from tests.support.packages import RUNTIME, make_image_layout, make_package, make_wheel, manifest_json

OFFERED = Runtime.parse("python3.11-manylinux_2_36-x86_64")
FILES = {"factors/2022.csv": b"province,factor\n\xe6\xb5\x99\xe6\xb1\x9f,0.5153\n", "guide.csv": b"a,b\n"}


def read(blobs: FolderBlobs, digest: str) -> bytes:
    with blobs.open(digest) as stream:
        return stream.read()


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "store")


def test_given_parts_when_written_then_read_back_whole(tmp_path: Path) -> None:
    packed = make_package(tmp_path, files=FILES)

    with PackageReader.open(packed.path) as package:
        layout = package.layout
        assert layout.digest == packed.index_digest
        assert layout.config.digest == packed.config_digest
        assert layout.manifest.id == "acme/sum"
        assert [str(entry.runtime) for entry in layout.runtimes] == [RUNTIME]
        assert [wheel.title for wheel in layout.runtimes[0].wheels] == ["acme_sum-1.0.0-py3-none-any.whl"]
        assert {file.title for file in layout.runtimes[0].files} == set(FILES)
        with package.open_blob(digest_of(FILES["guide.csv"]), 2) as stream:
            assert stream.read() == b"b\n"
    assert packed.path.stat().st_size == packed.size


def test_given_the_same_parts_elsewhere_and_later_when_written_then_the_same_bytes(tmp_path: Path) -> None:
    first = make_package(tmp_path / "a", files=FILES)
    old = os.umask(0o077)
    try:
        second = make_package(tmp_path / "b", files=dict(reversed(FILES.items())))
    finally:
        os.umask(old)
    os.utime(tmp_path / "b" / "source" / "guide.csv", (1, 1))

    assert first.index_digest == second.index_digest
    assert first.path.read_bytes() == second.path.read_bytes()


def test_given_a_package_when_its_index_is_read_then_it_lists_one_package_tagged_with_its_version(
    tmp_path: Path,
) -> None:
    packed = make_package(tmp_path)

    with tarfile.open(packed.path) as tar:
        names = tar.getnames()
        index = json.load(tar.extractfile("index.json"))  # type: ignore[arg-type]
        assert all(member.mtime == 0 and member.isreg() for member in tar)
    (entry,) = index["manifests"]
    assert names[:2] == ["oci-layout", "index.json"]
    assert entry["annotations"] == {"org.opencontainers.image.ref.name": "1.0.0"}
    assert entry["digest"] == packed.index_digest


def test_given_several_runtimes_when_written_then_one_manifest_each_with_one_config(tmp_path: Path) -> None:
    own = make_wheel(tmp_path)
    native = "python3.11-manylinux_2_17-x86_64"
    fast = make_wheel(tmp_path, "fastsum", tag="cp311-cp311-manylinux_2_17_x86_64")
    delivery = {"type": "python", "entry": "acme_sum", "runtimes": [RUNTIME, native]}
    manifest = Manifest.model_validate(manifest_json(delivery=delivery))

    packed = write_package(tmp_path / "p.tar", manifest, wheels={RUNTIME: [own], native: [own, fast]})

    layout = PackageReader.open(packed.path).layout
    assert [str(entry.runtime) for entry in layout.runtimes] == [RUNTIME, native]
    assert [len(entry.wheels) for entry in layout.runtimes] == [1, 2]
    assert len(layout.blobs()) == 3


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"runtimes": ["python3.11-any", "python3.12-any"]}, "no wheel for python3.12-any"),
        ({"runtimes": ["python3.12-any"]}, "no wheel"),
    ],
)
def test_given_parts_that_contradict_the_manifest_when_written_then_refused(
    tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    delivery = {"type": "python", "entry": "acme_sum", **changes}
    manifest = Manifest.model_validate(manifest_json(delivery=delivery))

    with pytest.raises(InvalidPackage, match=reason):
        write_package(tmp_path / "p.tar", manifest, wheels={RUNTIME: [make_wheel(tmp_path)]})
    assert not list(tmp_path.glob("*.tar"))


def test_given_a_file_that_the_manifest_does_not_name_when_written_then_refused(tmp_path: Path) -> None:
    extra = tmp_path / "extra.csv"
    extra.write_text("x")
    manifest = Manifest.model_validate(manifest_json())

    with pytest.raises(InvalidPackage, match=r"disagree about the files extra\.csv"):
        write_package(
            tmp_path / "p.tar", manifest, wheels={RUNTIME: [make_wheel(tmp_path)]}, files={"extra.csv": extra}
        )


@pytest.mark.parametrize("architectures", [("amd64",), ("amd64", "arm64")])
def test_given_an_image_when_packed_and_installed_then_its_layout_is_whole(
    tmp_path: Path, blobs: FolderBlobs, architectures: tuple[str, ...]
) -> None:
    layout = make_image_layout(tmp_path / "image", architectures=architectures)
    image, _ = read_image(layout)
    delivery = {"type": "image", "image": image.root.digest, "http": {"port": 8080}}
    manifest = Manifest.model_validate(manifest_json(delivery=delivery))

    packed = write_package(tmp_path / "p.tar", manifest, image_layout=layout)
    with PackageReader.open(packed.path) as package:
        package.copy_to(blobs)
        read = package.layout
    spec = install_tree(read, blobs, tmp_path / "node" / "sum", OFFERED)

    assert read.image is not None
    assert len(read.image.manifests) == len(architectures)
    platforms = [entry.platform for entry in read.manifests()]
    assert platforms[0] == {"architecture": "unknown", "os": "unknown"}
    assert {"architecture": "amd64", "os": "linux"} in platforms
    assert spec is not None
    assert spec.image is not None
    again, _ = read_image(spec.image)
    assert again.root.digest == image.root.digest
    assert len(again.manifests) == len(architectures)


def test_given_an_image_for_another_machine_when_installed_then_refused(tmp_path: Path, blobs: FolderBlobs) -> None:
    layout = make_image_layout(tmp_path / "image", architectures=("arm64",))
    image, _ = read_image(layout)
    delivery = {"type": "image", "image": image.root.digest, "http": {"port": 8080}}
    packed = write_package(
        tmp_path / "p.tar", Manifest.model_validate(manifest_json(delivery=delivery)), image_layout=layout
    )
    with PackageReader.open(packed.path) as package:
        package.copy_to(blobs)
        with pytest.raises(RuntimeMismatch, match="linux/arm64"):
            install_tree(package.layout, blobs, tmp_path / "node" / "sum", OFFERED)


def test_given_a_package_when_installed_then_its_content_is_on_disk_and_named(
    tmp_path: Path, blobs: FolderBlobs
) -> None:
    packed = make_package(tmp_path, files=FILES)
    with PackageReader.open(packed.path) as package:
        package.copy_to(blobs)
        spec = install_tree(package.layout, blobs, tmp_path / "node" / "sum", OFFERED, tenant="plant-1")

    assert spec is not None
    assert spec.component == "acme/sum@1.0.0"
    assert spec.digest == packed.index_digest
    assert spec.tenant == "plant-1"
    assert [wheel.name for wheel in spec.wheels] == ["acme_sum-1.0.0-py3-none-any.whl"]
    assert spec.files is not None
    assert (spec.files / "factors/2022.csv").read_bytes() == FILES["factors/2022.csv"]
    tree = load_tree(tmp_path / "node" / "sum", digest=packed.index_digest)
    assert tree.spec(tenant="plant-1") == spec
    assert tree.layout.manifest.id == "acme/sum"


def test_given_a_layout_fetched_by_digest_when_described_then_the_same_as_from_the_file(
    tmp_path: Path, blobs: FolderBlobs
) -> None:
    packed = make_package(tmp_path, files=FILES)
    with PackageReader.open(packed.path) as package:
        package.copy_to(blobs)
        index = read(blobs, packed.index_digest)

        assert describe_layout(index, lambda entry: read(blobs, entry.digest)) == package.layout


@pytest.mark.parametrize(
    ("offered", "missing"),
    [("python3.12-manylinux_2_36-x86_64", r"Python 3\.11"), (None, "a base image")],
)
def test_given_another_runtime_when_installed_then_refused_naming_what_is_missing(
    tmp_path: Path, blobs: FolderBlobs, offered: str | None, missing: str
) -> None:
    packed = make_package(tmp_path)
    with PackageReader.open(packed.path) as package:
        package.copy_to(blobs)
        with pytest.raises(RuntimeMismatch) as caught:
            install_tree(
                package.layout, blobs, tmp_path / "node" / "sum", None if offered is None else Runtime.parse(offered)
            )

    assert re.search(missing, caught.value.advice("en"))
    assert not (tmp_path / "node").exists()


@pytest.mark.parametrize("which", ["wheel", "file", "config"])
def test_given_one_flipped_bit_in_the_store_when_installed_then_refused_and_nothing_is_left(
    tmp_path: Path, blobs: FolderBlobs, which: str
) -> None:
    packed = make_package(tmp_path, files=FILES)
    with PackageReader.open(packed.path) as package:
        package.copy_to(blobs)
        runtime = package.layout.runtimes[0]
        entry = {"wheel": runtime.wheels[0], "file": runtime.files[0], "config": package.layout.config}[which]
        path = blobs.local_path(entry.digest)
        assert path is not None
        path.chmod(0o644)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

        with pytest.raises(DigestMismatch):
            install_tree(package.layout, blobs, tmp_path / "node" / "sum", OFFERED)

    assert [path.name for path in (tmp_path / "node").iterdir()] == [".sum.lock"]


def test_given_missing_content_when_installed_then_named_and_nothing_is_left(
    tmp_path: Path, blobs: FolderBlobs
) -> None:
    packed = make_package(tmp_path)
    with PackageReader.open(packed.path) as package:
        package.copy_to(blobs)
        blobs.delete(package.layout.runtimes[0].wheels[0].digest)

        with pytest.raises(BlobNotFound):
            install_tree(package.layout, blobs, tmp_path / "node" / "sum", OFFERED)

    assert not (tmp_path / "node" / "sum").exists()


def test_given_an_altered_tree_when_verified_then_refused_and_when_installed_again_then_mended(
    tmp_path: Path, blobs: FolderBlobs
) -> None:
    packed = make_package(tmp_path, files=FILES)
    dest = tmp_path / "node" / "sum"
    with PackageReader.open(packed.path) as package:
        package.copy_to(blobs)
        install_tree(package.layout, blobs, dest, OFFERED)
        guide = dest / "files" / "guide.csv"
        guide.unlink()
        guide.write_text("c,d\n")

        with pytest.raises(DigestMismatch, match=r"files/guide\.csv"):
            verify_tree(dest)
        install_tree(package.layout, blobs, dest, OFFERED)

    assert verify_tree(dest, digest=packed.index_digest).layout.digest == packed.index_digest
    assert guide.read_text() == "a,b\n"


def test_given_a_file_added_to_a_tree_when_verified_then_refused(tmp_path: Path, blobs: FolderBlobs) -> None:
    packed = make_package(tmp_path)
    dest = tmp_path / "node" / "sum"
    with PackageReader.open(packed.path) as package:
        package.copy_to(blobs)
        install_tree(package.layout, blobs, dest, OFFERED)
    (dest / "wheels" / "evil-1.0-py3-none-any.whl").write_bytes(b"")

    with pytest.raises(InvalidPackage, match="does not belong"):
        verify_tree(dest)


def test_given_nothing_installed_when_loaded_then_not_installed(tmp_path: Path) -> None:
    with pytest.raises(NotInstalled):
        load_tree(tmp_path / "nothing")


def _install(package: Path, store: Path, dest: Path) -> None:
    with PackageReader.open(package) as reader:
        install_tree(reader.layout, FolderBlobs(store), dest, OFFERED)


def test_given_many_processes_when_they_install_at_once_then_one_whole_tree(tmp_path: Path, blobs: FolderBlobs) -> None:
    packed = make_package(tmp_path, files=FILES)
    PackageReader.open(packed.path).copy_to(blobs)
    dest = tmp_path / "node" / "sum"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_install, args=(packed.path, blobs.root, dest)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    verify_tree(dest, digest=packed.index_digest)
    assert sorted(path.name for path in dest.parent.iterdir()) == [".sum.lock", "sum"]


def test_given_an_install_killed_at_any_moment_when_run_again_then_it_ends_right(
    tmp_path: Path, blobs: FolderBlobs
) -> None:
    files = {f"data/{number}.csv": bytes([number]) * 200_000 for number in range(60)}
    packed = make_package(tmp_path, files=files)
    PackageReader.open(packed.path).copy_to(blobs)
    dest = tmp_path / "node" / "sum"
    context = multiprocessing.get_context("fork")
    for step in range(12):
        worker = context.Process(target=_install, args=(packed.path, blobs.root, dest))
        worker.start()
        time.sleep(0.004 * step)
        os.kill(worker.pid or 0, signal.SIGKILL)
        worker.join()
        if dest.exists():
            verify_tree(dest, digest=packed.index_digest)

    _install(packed.path, blobs.root, dest)

    verify_tree(dest, digest=packed.index_digest)
    assert sorted(path.name for path in dest.parent.iterdir()) == [".sum.lock", "sum"]


def test_given_a_component_of_files_when_installed_without_any_runtime_then_its_files_are_there(
    tmp_path: Path, blobs: FolderBlobs
) -> None:
    packed = make_package(tmp_path, files=FILES, delivery={"type": "files"}, actions=None, examples=None)
    with PackageReader.open(packed.path) as package:
        package.copy_to(blobs)
        assert install_tree(package.layout, blobs, tmp_path / "node" / "sum", None) is None

    tree = verify_tree(tmp_path / "node" / "sum")
    assert tree.files is not None
    assert (tree.files / "guide.csv").read_bytes() == FILES["guide.csv"]


def test_given_a_component_without_layers_when_packed_then_the_empty_layer_travels(tmp_path: Path) -> None:
    delivery = {"type": "remote", "url": "https://brain.example/api"}
    packed = make_package(tmp_path, delivery=delivery)

    layout = PackageReader.open(packed.path).layout

    assert [blob.media_type for blob in layout.blobs()] == [media_types.MANIFEST, media_types.OCI_EMPTY]
