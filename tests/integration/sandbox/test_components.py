"""The first-party components, packed by their own build backend and run in the sandbox; then what the port promises."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
from pathlib import Path
from typing import Any

import docker
import pytest

from capmart_core.errors import (
    ActionNotFound,
    ComponentFailed,
    ComponentRaised,
    EngineUnavailable,
    NotIsolated,
    RuntimeMismatch,
)
from capmart_core.manifest.models import Http, ImageDelivery, Limits, PythonDelivery
from capmart_core.ports.runner import Runner, RunSpec
from tests.integration.sandbox.conftest import Specify

PLUGINS = Path(__file__).parents[3] / "plugins"
ANY = ("python3.11-any",)
CODE = """
import os
{more}
from capmart_component import action

CALLS: list[str] = []


@action(title_zh="反转", title_en="Reverse")
def reverse(text: str) -> str:
    return text[::-1]


@action(title_zh="计数", title_en="Count")
def count() -> int:
    CALLS.append("x")
    return len(CALLS)
"""
SERVICE = """
import http.server, json, os, pathlib


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, {"files": sorted(os.listdir(os.environ["CAPMART_FILES"])) if self.path == "/files" else []})

    def do_POST(self):
        value = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/end":
            os._exit(1)
        if value["a"] == 0:
            self.answer(422, {"type": "about:blank", "title": "refused", "status": 422, "detail": "a must not be zero"})
        else:
            self.answer(200, {"double": value["a"] * 2})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["CAPMART_PORT"])), Handler).serve_forever()
"""


def example(project: str, name: str) -> Any:
    return json.loads((PLUGINS / project / "examples" / name).read_text("utf-8"))


@pytest.fixture(scope="module")
def oee(tmp_path_factory: pytest.TempPathFactory) -> RunSpec:
    """The published component's wheel, built as its author would."""
    work = tmp_path_factory.mktemp("oee")
    project = shutil.copytree(PLUGINS / "tools" / "oee", work / "oee")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(work / "dist")]
    subprocess.run(build, cwd=project, check=True, capture_output=True)
    delivery = PythonDelivery(entry="capmart_oee", runtimes=ANY)
    (wheel,) = (work / "dist").glob("*.whl")
    return RunSpec("capmart/oee@1.0.0", "sha256:" + "1" * 64, delivery, (wheel,), tenant="author")


def test_given_the_oee_component_when_described_then_its_actions_carry_schemas(runner: Runner, oee: RunSpec) -> None:
    actions = runner.describe(oee)
    assert actions
    assert all(action["input"]["type"] == "object" and action["title"]["zh"] for action in actions)
    assert "capmart_oee" not in sys.modules


def test_given_the_published_example_when_called_then_the_published_value_comes(runner: Runner, oee: RunSpec) -> None:
    value, expected = example("tools/oee", "published.in.json"), example("tools/oee", "published.out.json")
    with runner.start(oee) as instance:
        assert instance.socket is None
        answer = instance.call(runner.describe(oee)[0]["name"], value)
        assert answer.usage.wall_ms > 0
        assert answer.value.keys() == expected.keys()
        for name, number in expected.items():
            if isinstance(number, float):
                assert answer.value[name] == pytest.approx(number)
        with pytest.raises(ActionNotFound):
            instance.call("no-such-action", value)
        with pytest.raises(ComponentRaised):
            instance.call(runner.describe(oee)[0]["name"], {})


def test_given_an_instance_when_several_threads_call_then_each_gets_its_own_answer(
    runner: Runner, specify: Specify
) -> None:
    answers: dict[str, Any] = {}
    with runner.start(specify("acme_text", CODE.format(more=""))) as instance:

        def call(text: str) -> None:
            answers[text] = instance.call("reverse", {"text": text}).value

        threads = [threading.Thread(target=call, args=(f"text{number}",)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == {f"text{number}": f"text{number}"[::-1] for number in range(12)}
    instance.close()


def test_given_a_resident_component_when_called_again_then_it_remembers(runner: Runner, specify: Specify) -> None:
    source = CODE.format(more="")
    with runner.start(specify("acme_text", source, isolation="resident")) as resident:
        assert [resident.call("count", {}).value for _ in range(3)] == [1, 2, 3]
    with runner.start(specify("acme_text", source)) as isolated:
        assert [isolated.call("count", {}).value for _ in range(3)] == [1, 1, 1]


def test_given_an_import_that_forks_when_called_then_the_copy_does_not_answer(runner: Runner, specify: Specify) -> None:
    with runner.start(specify("acme_text", CODE.format(more="os.fork()"))) as instance:
        for text in ("ab", "cd", "ef"):
            assert instance.call("reverse", {"text": text}).value == text[::-1]


def test_given_an_http_component_when_called_and_browsed_then_it_answers_through_its_socket(
    runner: Runner, specify: Specify, tmp_path: Path
) -> None:
    (tmp_path / "table.csv").write_text("a\n1\n", "utf-8")
    tmp_path.chmod(0o755)
    spec = specify(
        "acme_service",
        SERVICE,
        entry="acme_service:main",
        http=Http(port=8080, health="/healthz"),
        paths={"double": "/double", "end": "/end"},
        files=tmp_path,
    )
    with runner.start(spec) as instance:
        assert instance.call("double", {"a": 21}).value == {"double": 42}
        with pytest.raises(ComponentRaised, match="must not be zero"):
            instance.call("double", {"a": 0})
        assert get(instance.socket, "/files") == (200, {"files": ["table.csv"]})
        with pytest.raises(ComponentFailed):
            instance.call("end", {"a": 1})
        assert instance.call("double", {"a": 4}).value == {"double": 8}
        door = instance.socket
    assert door is not None
    assert not door.exists()


def get(path: Path | None, target: str) -> tuple[int, Any]:
    assert path is not None
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(path))
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def converter(tmp_path_factory: pytest.TempPathFactory) -> RunSpec:
    """The unit converter's image, built from its sources as its Makefile does, as an OCI layout."""
    for program in ("gcc", "make", "docker", "skopeo"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    work = tmp_path_factory.mktemp("image")
    project = shutil.copytree(
        PLUGINS / "tools" / "unit-converter", work / "project", ignore=shutil.ignore_patterns("build", "tests")
    )
    tag = "capmart-test/unit-converter:sandbox"
    subprocess.run(["make", "image", f"IMAGE={tag}"], cwd=project, check=True, capture_output=True)
    client = docker.from_env()
    try:
        with (work / "saved.tar").open("wb") as file:
            file.writelines(client.images.get(tag).save())
    finally:
        client.images.remove(tag)
        client.close()
    layout = work / "layout"
    saved = f"docker-archive:{work / 'saved.tar'}"
    subprocess.run(["skopeo", "copy", "-q", saved, f"oci:{layout}:1.0.0"], check=True)
    delivery = ImageDelivery(image="sha256:" + "2" * 64, http=Http(port=8080, health="/healthz"))
    return RunSpec(
        "capmart/unit-converter@1.0.0",
        "sha256:" + "3" * 64,
        delivery,
        image=layout,
        paths={"convert": "/api/convert", "units": "/api/units"},
        limits=Limits(memory_mib=32, pids=32, deadline_s=5),
    )


@pytest.mark.engine
def test_given_an_image_that_is_not_python_when_called_then_its_examples_hold(
    docker_runner: Runner, converter: RunSpec
) -> None:
    with docker_runner.start(converter) as instance:
        for name in ("pressure", "energy"):
            answer = instance.call("convert", example("tools/unit-converter", f"{name}.in.json")).value
            expected = example("tools/unit-converter", f"{name}.out.json")
            assert answer["value"] == pytest.approx(expected["value"], rel=1e-12)
        with pytest.raises(ComponentRaised):
            instance.call("convert", {"value": 1, "from": "nothing", "to": "bar"})


def test_given_an_image_when_there_is_no_engine_then_processes_refuse_it(process_runner: Runner) -> None:
    delivery = ImageDelivery(image="sha256:" + "2" * 64, http=Http(port=8080))
    spec = RunSpec("acme/image@1.0.0", "sha256:" + "3" * 64, delivery, tenant="author")
    with pytest.raises(EngineUnavailable):
        process_runner.start(spec)


def test_given_code_of_a_namespace_that_is_not_trusted_when_started_then_processes_refuse_it(
    process_runner: Runner, oee: RunSpec
) -> None:
    stranger = RunSpec(oee.component, oee.digest, oee.delivery, oee.wheels, tenant="local")
    with pytest.raises(NotIsolated):
        process_runner.start(stranger)


def test_given_another_runtime_when_started_then_it_says_what_is_missing(runner: Runner, oee: RunSpec) -> None:
    delivery = PythonDelivery(entry="capmart_oee", runtimes=("python3.11-manylinux_2_28_s390x",))
    with pytest.raises(RuntimeMismatch):
        runner.start(RunSpec(oee.component, oee.digest, delivery, oee.wheels, tenant="author"))


def test_given_the_archive_of_an_image_when_it_is_listed_then_it_holds_the_service_alone(converter: RunSpec) -> None:
    assert converter.image is not None
    blobs = [path for path in (converter.image / "blobs" / "sha256").iterdir() if tarfile.is_tarfile(path)]
    assert len(blobs) == 1
    with tarfile.open(blobs[0]) as layer:
        assert layer.getnames() == ["service"]
