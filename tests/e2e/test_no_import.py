"""A component's code runs in the sandbox and nowhere else, on its whole way from the author to an enterprise."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import pytest

from tests.support.center import RunningCenter, capmart

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.timeout(300)]

CODE = '''"""Leaves a trace wherever it is imported."""

from pathlib import Path

from capmart_component import action

TRACE = Path("{trace}")
TRACE.write_text("imported", "utf-8")


@action(title_zh="自述", title_en="Say where")
def where() -> bool:
    """Whether the trace can be seen from here."""
    return TRACE.exists()
'''


def test_given_code_that_leaves_a_trace_when_imported_then_none_is_left_outside_the_sandbox(tmp_path: Path) -> None:
    trace = Path("/tmp") / f"capmart-trace-{secrets.token_hex(8)}"  # noqa: S108 - the folder that also a container has
    env = {"CAPMART_HOME": str(tmp_path / "home"), "CAPMART_RUNNER": "docker"}
    project = tmp_path / "tracer"
    capmart("new", "acme/tracer", "--kind", "tool", "--delivery", "python", "--dir", project, env=env)
    (module,) = project.glob("src/*/__init__.py")
    module.write_text(CODE.replace("{trace}", str(trace)), "utf-8")
    (project / "examples" / "where.in.json").write_text("{}", "utf-8")
    (project / "examples" / "where.out.json").write_text("true", "utf-8")
    settings = (project / "capmart.toml").read_text("utf-8")
    settings = settings.replace('"describe"', '"where"').replace("examples/five", "examples/where")
    (project / "capmart.toml").write_text(settings, "utf-8")
    center = RunningCenter.make(
        tmp_path / "center",
        "center.example",
        title_zh="中心",
        title_en="Center",
        env={"CAPMART_CENTER_AUTO_APPROVE": '["acme"]', "CAPMART_CENTER_RUNNER": "docker"},
    )
    package = tmp_path / "tracer.tar"
    with center:
        token = center.add_account(
            "dev",
            org="acme",
            role="developer",
            password="correct horse battery",
            scopes=("read", "push", "publish", "namespace"),
        )
        center.operate("namespace", "grant", "acme", "--org", "acme")
        capmart("login", center.url, env=env, given=f"{token}\n")
        capmart("key", "new", "acme", env=env)
        capmart("key", "add", "acme", env=env)
        capmart("check", project, env=env)
        capmart("pack", project, "--out", package, env=env)
        published = capmart("publish", package, "--wait", "--json", env=env)
        assert json.loads(published.stdout)["state"] == "listed"
        capmart("trust", "add", center.url, "--fingerprint", center.fingerprint, env=env)
        capmart("install", "acme/tracer", "--yes", env=env)
        for command in (("list",), ("verify",), ("show", "acme/tracer")):
            capmart(*command, env=env)
        answer = capmart("call", "acme/tracer", "where", env=env)
    assert json.loads(answer.stdout) is True, "it never ran at all"
    assert not trace.exists()
