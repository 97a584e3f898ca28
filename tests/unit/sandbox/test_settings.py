from pathlib import Path

import pytest

from capmart_core.errors import SettingsInvalid
from capmart_sandbox.settings import SandboxSettings


def test_given_namespaces_with_commas_when_read_then_each_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPMART_SANDBOX_PROCESS_NAMESPACES", "acme, capmart,,")
    assert SandboxSettings.load().process_namespaces == ("acme", "capmart")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROCESS_NAMESPACES", "Acme"),
        ("KILL_GRACE_MS", "0"),
        ("START_TIMEOUT_S", "soon"),
        ("RUN_DIR", f"/run/{'x' * 60}"),
    ],
)
def test_given_a_value_that_cannot_work_when_read_then_the_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"CAPMART_SANDBOX_{name}", value)
    with pytest.raises(SettingsInvalid, match=f"CAPMART_SANDBOX_{name}"):
        SandboxSettings.load()


def test_given_no_runtime_folder_when_read_then_the_sockets_folder_is_this_users(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert SandboxSettings.load().run_dir.parent == Path("/tmp")  # noqa: S108 - the folder in it has mode 0700
