"""Packages are OCI artifacts: skopeo moves them, whole and unchanged."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from capmart_core.manifest.models import Manifest
from capmart_core.package import PackedPackage, read_image, write_package
from tests.support.packages import make_image_layout, make_package, manifest_json

pytestmark = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")


def skopeo(*arguments: str) -> str:
    done = subprocess.run(["skopeo", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def with_image(folder: Path) -> PackedPackage:
    layout = make_image_layout(folder / "image", architectures=("amd64", "arm64"))
    image, _ = read_image(layout)
    delivery = {"type": "image", "image": image.root.digest, "http": {"port": 8080}}
    return write_package(
        folder / "p.tar", Manifest.model_validate(manifest_json(delivery=delivery)), image_layout=layout
    )


@pytest.mark.parametrize("kind", ["python", "image"])
def test_given_a_package_when_skopeo_copies_all_of_it_then_every_blob_and_the_digest_are_the_same(
    tmp_path: Path, kind: str
) -> None:
    packed = make_package(tmp_path, files={"a.csv": b"1\n"}) if kind == "python" else with_image(tmp_path)
    there = tmp_path / "there"

    skopeo("copy", "--all", f"oci-archive:{packed.path}:1.0.0", f"oci:{there}:1.0.0")

    index = json.loads((there / "index.json").read_text())
    assert [entry["digest"] for entry in index["manifests"]] == [packed.index_digest]
    blobs = {path.name for path in (there / "blobs" / "sha256").iterdir()}
    shutil.unpack_archive(packed.path, tmp_path / "here", "tar", filter="data")
    assert blobs == {path.name for path in (tmp_path / "here" / "blobs" / "sha256").iterdir()}


def test_given_a_package_with_an_image_when_skopeo_looks_for_this_machine_then_it_finds_the_image(
    tmp_path: Path,
) -> None:
    packed = with_image(tmp_path)

    shown = json.loads(
        skopeo("--override-arch", "arm64", "--override-os", "linux", "inspect", f"oci-archive:{packed.path}:1.0.0")
    )

    assert shown["Architecture"] == "arm64"
