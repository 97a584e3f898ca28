"""Programs that know nothing of Capmart push to a center's ``/v2/`` and pull from it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest

from tests.support.packages import make_image_layout

PASSWORD = "correct horse battery"


def run(*command: str | Path, env: dict[str, str] | None = None, given: str | None = None, expect: int = 0) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **(env or {})},
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == expect, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def digest_of_index(layout: Path) -> str:
    return run("skopeo", "inspect", "--format", "{{.Digest}}", f"oci:{layout}").strip()


@pytest.mark.parametrize("architectures", [("amd64",), ("amd64", "arm64")], ids=["one", "many"])
def test_given_an_image_when_skopeo_copies_it_in_and_out_again_then_every_digest_is_the_same(
    served: Any, tmp_path: Path, architectures: tuple[str, ...]
) -> None:
    source = make_image_layout(tmp_path / "source", architectures=architectures)
    name = f"copied-{len(architectures)}"
    there = f"docker://{served.url.removeprefix('http://')}/acme/{name}:1.0"
    login = f"dev:{served.owner}"
    run("skopeo", "copy", "--all", "--dest-tls-verify=false", "--dest-creds", login, f"oci:{source}", there)
    back = tmp_path / "back"
    run("skopeo", "copy", "--all", "--src-tls-verify=false", "--src-creds", login, there, f"oci:{back}")
    assert digest_of_index(back) == digest_of_index(source)
    kept = {path.name for path in (source / "blobs" / "sha256").iterdir()}
    assert {path.name for path in (back / "blobs" / "sha256").iterdir()} == kept
    assert "manifest unknown" in run("skopeo", "inspect", "--tls-verify=false", there, expect=1), "anybody sees it"


def test_given_an_ordinary_image_when_docker_pushes_and_pulls_it_then_it_is_the_same_image(
    served: Any, engine: docker.DockerClient, tmp_path: Path
) -> None:
    layout = make_image_layout(tmp_path / "source")
    archive = tmp_path / "image.tar"
    run("skopeo", "copy", f"oci:{layout}", f"docker-archive:{archive}:acme-ordinary:1")
    env = {"DOCKER_CONFIG": str(tmp_path / "docker")}
    host = served.url.removeprefix("http://")
    target = f"{host}/acme/ordinary:1"
    run("docker", "load", "--input", archive, env=env)
    try:
        image = engine.images.get("acme-ordinary:1").id
        run("docker", "tag", "acme-ordinary:1", target, env=env)
        refused = run("docker", "push", target, env=env, expect=1)
        assert "unauthorized" in refused or "denied" in refused
        run("docker", "login", host, "--username", "dev", "--password-stdin", env=env, given=served.owner)
        run("docker", "push", target, env=env)
        for name in (target, "acme-ordinary:1"):
            run("docker", "image", "rm", name, env=env)
        run("docker", "pull", target, env=env)
        assert engine.images.get(target).id == image
    finally:
        for name in (target, "acme-ordinary:1"):
            subprocess.run(["docker", "image", "rm", "-f", name], capture_output=True, check=False)


def test_given_another_organisation_when_it_pulls_or_pushes_then_it_learns_nothing(served: Any, tmp_path: Path) -> None:
    source = make_image_layout(tmp_path / "source")
    there = f"docker://{served.url.removeprefix('http://')}/acme/private:1.0"
    options = ("--dest-tls-verify=false", "--dest-creds")
    run("skopeo", "copy", *options, f"dev:{served.owner}", f"oci:{source}", there)
    run("skopeo", "copy", *options, f"eve:{served.stranger}", f"oci:{source}", there, expect=1)
    bearer = served.bearer(("eve", served.stranger))
    with served.client(bearer) as eve:
        seen = eve.get("/v2/acme/private/manifests/1.0")
        absent = eve.get("/v2/acme/no-such/manifests/1.0")
        assert (seen.status_code, absent.status_code) == (404, 404)
        assert seen.json()["errors"][0]["code"] == absent.json()["errors"][0]["code"]
        assert eve.get("/v2/acme/private/tags/list").status_code == 404


def test_given_the_first_request_of_any_client_when_answered_then_it_says_where_tokens_are_had(served: Any) -> None:
    answer = httpx.get(f"{served.url}/v2/")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith('Bearer realm="')
