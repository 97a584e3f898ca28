"""An image that speaks the framed protocol on its standard streams: any program can be a component."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import docker
import pytest

from capmart_core.errors import ActionNotFound, Crashed, InvalidPackage
from capmart_core.manifest.models import ImageDelivery, Limits
from capmart_core.ports.runner import RunSpec
from capmart_sandbox.docker_runner import DockerRunner
from capmart_sandbox.images import REPOSITORY
from capmart_sdk.author.images import save_image
from tests.integration.sandbox.conftest import COMPONENTS

pytestmark = pytest.mark.engine

TAG = "capmart-test/framed:1"


@pytest.fixture(scope="module")
def framed(
    engine: docker.DockerClient, docker_runner: DockerRunner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunSpec]:
    """An image made of the base image's Python and one script, declared to run as root with a volume."""
    base = docker_runner.info().detail["base_image"].split()[0]
    script = (COMPONENTS / "framed.py").read_text("utf-8")
    layout = tmp_path_factory.mktemp("framed") / "layout"
    known = {tag for image in engine.images.list(REPOSITORY) for tag in image.tags}
    container = engine.api.create_container(base, ["/opt/python/bin/python3", "-c", script])["Id"]
    try:
        repository, _, tag = TAG.partition(":")
        engine.api.commit(container, repository, tag, changes='USER root\nVOLUME ["/data"]')
        save_image(TAG, layout)
    finally:
        engine.api.remove_container(container)
        engine.images.remove(TAG)
    delivery = ImageDelivery(image=f"sha256:{'2' * 64}", protocol="framed")
    limits = Limits(memory_mib=64, deadline_s=3, tmp_mib=2)
    yield RunSpec("trusted/framed@1.0.0", f"sha256:{'1' * 64}", delivery, image=layout, limits=limits)
    for image in engine.images.list(REPOSITORY):
        for loaded in set(image.tags) - known:
            engine.images.remove(loaded)


def test_given_a_framed_image_when_called_then_it_answers_and_keeps_its_state(
    docker_runner: DockerRunner, framed: RunSpec
) -> None:
    with docker_runner.start(framed) as instance:
        assert instance.socket is None
        assert instance.call("double", {"n": 4}).value == {"twice": 8, "calls": 1}
        assert instance.call("double", {"n": 5}).value == {"twice": 10, "calls": 2}
        with pytest.raises(ActionNotFound, match="double"):
            instance.call("other", {})


def test_given_a_framed_image_that_dies_when_called_again_then_it_is_started_anew(
    docker_runner: DockerRunner, framed: RunSpec
) -> None:
    with docker_runner.start(framed) as instance:
        with pytest.raises(Crashed, match="exit code 3"):
            instance.call("die", {"n": 1})
        assert instance.call("double", {"n": 4}).value == {"twice": 8, "calls": 1}


def test_given_a_framed_image_that_deviates_when_called_then_its_box_is_destroyed(
    docker_runner: DockerRunner, framed: RunSpec
) -> None:
    with docker_runner.start(framed) as instance:
        with pytest.raises(Crashed, match="protocol"):
            instance.call("stray", {"n": 1})
        assert instance.call("double", {"n": 4}).value == {"twice": 8, "calls": 1}


def test_given_an_image_that_wants_to_be_root_with_a_volume_when_run_then_neither(
    docker_runner: DockerRunner, framed: RunSpec, engine: docker.DockerClient
) -> None:
    volumes = set((engine.api.volumes()["Volumes"] and [one["Name"] for one in engine.api.volumes()["Volumes"]]) or [])
    with docker_runner.start(framed):
        (container,) = engine.containers.list(filters={"label": "dev.capmart.component=trusted/framed@1.0.0"})
        facts = container.attrs
        assert facts["Config"]["User"] == "65534:65534"
        assert facts["HostConfig"]["Tmpfs"]["/data"].startswith("rw,noexec")
        assert facts["HostConfig"]["NetworkMode"] == "none"
        assert facts["HostConfig"]["ReadonlyRootfs"] is True
        assert facts["HostConfig"]["CapDrop"] == ["ALL"]
        assert "no-new-privileges:true" in facts["HostConfig"]["SecurityOpt"]
        assert facts["HostConfig"]["MemorySwap"] == facts["HostConfig"]["Memory"] == 64 << 20
        assert {volume.name for volume in engine.volumes.list()} == volumes


def test_given_a_layout_without_this_platform_when_started_then_refused(
    docker_runner: DockerRunner, framed: RunSpec, tmp_path: Path
) -> None:
    (tmp_path / "index.json").write_text('{"schemaVersion": 2, "manifests": []}')
    with pytest.raises(InvalidPackage, match="no image for linux"):
        docker_runner.start(replace(framed, image=tmp_path))
