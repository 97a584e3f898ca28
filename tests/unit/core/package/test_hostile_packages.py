"""Packages that a careful adversary would send (FAULTS S23, R26): real files, refused before anything is written."""

from __future__ import annotations

import gzip
import io
import shutil
import stat
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capmart_core.blobs import FolderBlobs
from capmart_core.canonical import canonical_bytes, parse_json
from capmart_core.errors import CapmartError, DigestMismatch, InvalidPackage, TooLarge
from capmart_core.identifiers import Runtime, digest_of
from capmart_core.manifest.models import Manifest
from capmart_core.package import (
    PackageLimits,
    PackageReader,
    WheelLimits,
    check_wheel,
    install_tree,
    write_package,
)
from tests.support.packages import RUNTIME, make_package, make_wheel, manifest_json

OFFERED = Runtime.parse("python3.11-manylinux_2_36-x86_64")
Edit = Callable[[dict[str, bytes]], dict[str, bytes] | None]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return make_package(tmp_path / "good", files={"a.csv": b"1,2\n"}).path


def contents(package: Path) -> dict[str, bytes]:
    with tarfile.open(package) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def write_tar(path: Path, files: dict[str, bytes], extra: list[tarfile.TarInfo] | None = None, **kwargs: Any) -> Path:
    with tarfile.open(path, "w", format=kwargs.pop("format", tarfile.USTAR_FORMAT)) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for info in extra or []:
            tar.addfile(info)
    return path


def member(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_given_the_same_content_written_by_another_tool_when_opened_then_accepted(
    package: Path, tmp_path: Path
) -> None:
    folders = [member("blobs/", tarfile.DIRTYPE), member("blobs/sha256/", tarfile.DIRTYPE)]

    other = write_tar(tmp_path / "other.tar", contents(package), folders)

    assert PackageReader.open(other).layout == PackageReader.open(package).layout


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        (member("../../etc/cron.d/x", tarfile.REGTYPE), "leads outside"),
        (member("/etc/passwd", tarfile.REGTYPE), "leads outside"),
        (member("blobs/../../x", tarfile.REGTYPE), "leads outside"),
        (member("blobs\\..\\x", tarfile.REGTYPE), "leads outside"),
        (member("blobs/sha256/x", tarfile.SYMTYPE, "/etc/passwd"), "is a link"),
        (member("blobs/sha256/y", tarfile.LNKTYPE, "index.json"), "is a link"),
        (member("blobs/null", tarfile.CHRTYPE), "only plain files"),
        (member("blobs/disk", tarfile.BLKTYPE), "only plain files"),
        (member("blobs/fifo", tarfile.FIFOTYPE), "only plain files"),
        (member("blobs/sparse", tarfile.GNUTYPE_SPARSE), "only plain files"),
        (member("index.json", tarfile.REGTYPE), "twice"),
        (member("README", tarfile.REGTYPE), "does not belong"),
        (member("blobs/sha256/" + "0" * 64, tarfile.REGTYPE), "was altered"),
    ],
)
def test_given_a_member_that_never_belongs_when_opened_then_refused(
    package: Path, tmp_path: Path, extra: tarfile.TarInfo, reason: str
) -> None:
    bad = write_tar(tmp_path / "bad.tar", contents(package), [extra])

    with pytest.raises((InvalidPackage, DigestMismatch), match=reason):
        PackageReader.open(bad)


@pytest.mark.parametrize("style", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_given_extended_headers_when_opened_then_refused_without_reading_them(
    package: Path, tmp_path: Path, style: int
) -> None:
    bad = write_tar(tmp_path / "bad.tar", {**contents(package), "n" * 300: b""}, format=style)

    with pytest.raises(InvalidPackage, match="only plain files"):
        PackageReader.open(bad)


def test_given_a_huge_extended_header_when_opened_then_refused_in_little_memory(tmp_path: Path) -> None:
    bad = tmp_path / "bad.tar"
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 1 << 30
    with bad.open("wb") as file:
        file.write(header.tobuf(tarfile.USTAR_FORMAT))
        file.truncate((1 << 30) + 2048)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidPackage):
            PackageReader.open(bad)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_given_100_000_entries_when_opened_then_refused(tmp_path: Path) -> None:
    bad = tmp_path / "bad.tar"
    with bad.open("wb") as file:
        for number in range(100_000):
            file.write(tarfile.TarInfo(f"blobs/sha256/{number}").tobuf(tarfile.USTAR_FORMAT))
        file.write(b"\0" * 1024)

    with pytest.raises(InvalidPackage, match="more than 20000 entries"):
        PackageReader.open(bad)


def test_given_a_file_over_the_limit_when_opened_then_too_large(package: Path) -> None:
    with pytest.raises(TooLarge):
        PackageReader.open(package, PackageLimits(bytes=1000))


@pytest.mark.parametrize("cut", [0, 1, 511, 512, 700, 1024, -1024, -513, -1])
def test_given_a_package_cut_off_when_opened_then_refused(package: Path, tmp_path: Path, cut: int) -> None:
    bad = tmp_path / "bad.tar"
    bad.write_bytes(package.read_bytes()[:cut])

    with pytest.raises(InvalidPackage):
        PackageReader.open(bad)


@pytest.mark.parametrize("tail", [b"x", b"\0" * 512 + b"MZ", b"\0" * 20_000, b"x" * 512])
def test_given_something_after_the_end_when_opened_then_refused(package: Path, tmp_path: Path, tail: bytes) -> None:
    bad = tmp_path / "bad.tar"
    bad.write_bytes(package.read_bytes() + tail)

    with pytest.raises(InvalidPackage, match="end mark"):
        PackageReader.open(bad)


def test_given_a_compressed_package_when_opened_then_refused(package: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.tar"
    bad.write_bytes(gzip.compress(package.read_bytes()))

    with pytest.raises(InvalidPackage, match="no tar file"):
        PackageReader.open(bad)


def test_given_any_flipped_bit_when_opened_then_refused_or_the_same(package: Path, tmp_path: Path) -> None:
    good = package.read_bytes()
    bad = tmp_path / "bad.tar"
    layout = PackageReader.open(package).layout
    for at in range(0, len(good) * 8, 977):
        data = bytearray(good)
        data[at // 8] ^= 1 << at % 8
        bad.write_bytes(data)
        try:
            assert PackageReader.open(bad).layout == layout  # padding, or a field of a tar header that nothing reads
        except CapmartError:
            continue


@given(data=st.binary(max_size=4096))
def test_given_any_bytes_when_opened_then_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "any.tar"
    path.write_bytes(data)

    with pytest.raises(InvalidPackage):
        PackageReader.open(path)
    shutil.rmtree(path.parent)


def _replace(files: dict[str, bytes], old: bytes, new: bytes) -> dict[str, bytes]:
    """Put ``new`` where ``old`` was, and let everything that names it name its new digest and size."""
    result = dict(files)
    pending = [(old, new)]
    while pending:
        before, after = pending.pop()
        result.pop(f"blobs/sha256/{digest_of(before)[7:]}", None)
        result[f"blobs/sha256/{digest_of(after)[7:]}"] = after
        for name, data in list(result.items()):
            if digest_of(before).encode() in data and data[:1] == b"{":
                changed = canonical_bytes(_renamed(parse_json(data, what="x", max_bytes=10**7), before, after))
                if name == "index.json":
                    result[name] = changed
                else:
                    pending.append((data, changed))
    return result


def _renamed(value: Any, before: bytes, after: bytes) -> Any:
    if isinstance(value, dict):
        if value.get("digest") == digest_of(before):
            return {**value, "digest": digest_of(after), "size": len(after)}
        return {name: _renamed(part, before, after) for name, part in value.items()}
    return [_renamed(part, before, after) for part in value] if isinstance(value, list) else value


def _json(files: dict[str, bytes], media_type: str) -> bytes:
    return next(data for data in files.values() if f'"mediaType":"{media_type}"'.encode() in data[-200:])


def _edited(contents: dict[str, bytes], data: bytes, /, **changes: Any) -> dict[str, bytes]:
    value = parse_json(data, what="x", max_bytes=10**7)
    value.update(changes)
    return _replace(contents, data, canonical_bytes(value))


def _index(files: dict[str, bytes]) -> bytes:
    return next(data for data in files.values() if b'"dev.capmart.component"' in data)


def _manifest(files: dict[str, bytes]) -> bytes:
    return next(data for data in files.values() if data.startswith(b'{"artifactType"') and b'"layers"' in data)


def _config(files: dict[str, bytes]) -> bytes:
    return next(data for data in files.values() if b'"licence"' in data)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda files: _edited(files, _index(files), artifactType="x/y"), "not that of a capability component"),
        (lambda files: _edited(files, _index(files), manifests=[]), "lists 0 component manifests"),
        (lambda files: _edited(files, _index(files), annotations={}), "not labelled acme/sum"),
        (lambda files: _edited(files, _manifest(files), layers=[]), "no wheel for"),
        (lambda files: _edited(files, _manifest(files), layers="all"), "no list of layers"),
        (lambda files: _edited(files, _manifest(files), config={"mediaType": 1}), "lacks mediaType"),
        (lambda files: _edited(files, _config(files), version="9.9.9"), "not labelled acme/sum 9.9.9"),
        (lambda files: _edited(files, _config(files), files=[]), "disagree about the files a.csv"),
        (lambda files: _edited(files, _config(files), id="../x"), "problem"),
        (lambda files: _edited(files, _config(files), surprise=1), "surprise"),
        (lambda files: _replace(files, _config(files), _config(files) + b" "), "not canonical"),
        (lambda files: _replace(files, _config(files), b"[" * 100_000), "its manifest|JSON|nested"),
        (lambda files: _replace(files, _config(files), b'{"a":1,"a":2}'), "twice"),
        (lambda files: files | {"oci-layout": b'{"imageLayoutVersion":"9"}'}, "no OCI image layout"),
        (lambda files: files | {"index.json": b"[]"}, "exactly one package"),
        (lambda files: files | {"index.json": b'{"manifests":[{},{}]}'}, "exactly one package"),
        (lambda files: {name: data for name, data in files.items() if data != b"1,2\n"}, "is missing"),
        (lambda files: {name: data for name, data in files.items() if name != "oci-layout"}, "oci-layout is missing"),
        (lambda files: files | {f"blobs/sha256/{digest_of(b'!')[7:]}": b"!"}, "belongs to nothing"),
    ],
)
def test_given_documents_that_disagree_when_opened_then_refused(
    package: Path, tmp_path: Path, edit: Edit, reason: str
) -> None:
    files = edit(contents(package))
    assert files is not None

    with pytest.raises(InvalidPackage, match=reason):
        PackageReader.open(write_tar(tmp_path / "bad.tar", files))


# Wheels: refused before they are unpacked, and by install_tree


def zip_with(path: Path, *entries: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def raw_name(path: Path, name: bytes) -> Path:
    """A zip whose one entry has a name that zipfile itself would not write."""
    zip_with(path, ("N" * len(name), b"x"))
    path.write_bytes(path.read_bytes().replace(b"N" * len(name), name))
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: zip_with(path, ("../evil.py", b"")), "leads outside"),
        (lambda path: zip_with(path, ("a/../../evil.py", b"")), "leads outside"),
        (lambda path: zip_with(path, ("/etc/evil.py", b"")), "leads outside"),
        (lambda path: zip_with(path, ("a//b.py", b"")), "leads outside"),
        (lambda path: raw_name(path, b"..\\evil.py"), "forbidden"),
        (lambda path: raw_name(path, b"ok.py\0.txt"), "forbidden"),
        (lambda path: zip_with(path, (link("a"), b"/etc/passwd")), "is a link"),
        (lambda path: zip_with(path, ("big", b"\0" * (17 << 20))), "times its size"),
        (lambda path: zip_with(path, *((f"{number}", b"") for number in range(50_001))), "more than 50000 entries"),
        (lambda path: [path.touch(), path][1], "no zip file"),
        (lambda path: [path.write_bytes(b"x" * 5000), path][1], "no zip file"),
    ],
)
def test_given_a_wheel_that_would_do_harm_when_looked_at_then_refused(
    tmp_path: Path, make: Callable[[Path], Path], reason: str
) -> None:
    path = tmp_path / "evil-1.0-py3-none-any.whl"
    make(path)

    with pytest.raises(InvalidPackage, match=reason):
        check_wheel(path)


def test_given_a_name_twice_in_a_wheel_when_looked_at_then_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil-1.0-py3-none-any.whl"
    with pytest.warns(UserWarning, match="Duplicate name"):
        zip_with(path, ("a.py", b"1"), ("a.py", b"2"))

    with pytest.raises(InvalidPackage, match="twice"):
        check_wheel(path)


def test_given_a_bomb_in_many_files_when_looked_at_then_refused_by_its_total(tmp_path: Path) -> None:
    path = zip_with(tmp_path / "evil-1.0-py3-none-any.whl", *((f"{n}", b"\0" * 1_000_000) for n in range(20)))

    with pytest.raises(InvalidPackage, match="unpacks to more than 10000000 bytes"):
        check_wheel(path, WheelLimits(unpacked_bytes=10_000_000))


def test_given_a_vast_table_of_contents_when_looked_at_then_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "evil-1.0-py3-none-any.whl"
    with path.open("wb") as file:
        file.truncate(1 << 28)
        file.seek(0, 2)
        file.write(struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 10, 10, 1 << 28, 0, 0))

    with pytest.raises(InvalidPackage, match="table of contents"):
        check_wheel(path)


def test_given_an_ordinary_wheel_when_looked_at_then_its_files_are_listed(tmp_path: Path) -> None:
    files = {"pkg/__init__.py": b"", "pkg-1.0.data/purelib/extra.py": b"x=1\n"}

    entries = check_wheel(make_wheel(tmp_path, "pkg", "1.0", files))

    assert {entry.filename for entry in entries} >= set(files)


def test_given_a_package_with_a_bomb_when_installed_then_refused_and_nothing_is_left(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "w", files={"acme_sum.py": b"", "zeros": b"\0" * (17 << 20)})
    packed = write_package(tmp_path / "p.tar", Manifest.model_validate(manifest_json()), wheels={RUNTIME: [wheel]})
    blobs = FolderBlobs(tmp_path / "store")
    with PackageReader.open(packed.path) as reader:
        reader.copy_to(blobs)
        with pytest.raises(InvalidPackage, match="times its size"):
            install_tree(reader.layout, blobs, tmp_path / "node" / "sum", OFFERED)

    assert [path.name for path in (tmp_path / "node").iterdir()] == [".sum.lock"]
