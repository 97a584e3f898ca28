from __future__ import annotations

import json
from pathlib import Path

import pytest

from capmart_sdk.cli.main import main, without_language
from capmart_sdk.console import resolve_language, use_language

COMMANDS = [
    "new",
    "check",
    "pack",
    "key",
    "trust",
    "login",
    "logout",
    "whoami",
    "publish",
    "submissions",
    "status",
    "yank",
    "unyank",
    "deprecate",
    "search",
    "show",
    "install",
    "verify",
    "list",
    "files",
    "call",
    "serve",
]


@pytest.fixture(autouse=True)
def english_afterwards(monkeypatch: pytest.MonkeyPatch) -> object:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    yield
    use_language("en")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert f"capmart {command}" in capsys.readouterr().out


def test_all_commands_are_listed_with_those_of_other_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    words = capsys.readouterr().out.split()
    assert [command for command in (*COMMANDS, "center") if command not in words] == []


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        (["--lang", "zh", "list"], {}, "zh"),
        (["list", "--lang=zh-CN"], {}, "zh"),
        (["list"], {"CAPMART_LANG": "zh", "LANG": "en_US.UTF-8"}, "zh"),
        (["list"], {"LANG": "zh_CN.UTF-8"}, "zh"),
        (["list"], {"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"),
        (["call", "--", "--lang", "zh"], {}, "en"),
    ],
)
def test_the_language_asked_for(arguments: list[str], environment: dict[str, str], expected: str) -> None:
    assert resolve_language(arguments, environment) == expected


def test_the_language_may_stand_anywhere_before_the_double_hyphen() -> None:
    assert without_language(["call", "--lang", "zh", "x", "--", "--lang"]) == ["call", "x", "--", "--lang"]


def test_an_error_has_an_exit_code_advice_and_a_stable_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["call", "acme/oee", "compute"]) == 4
    said = capsys.readouterr().err
    assert "acme/oee is not installed here" in said
    assert "capmart install acme/oee" in said
    assert "not_installed" in said


def test_an_error_in_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lang", "zh", "call", "acme/oee", "compute"]) == 4
    assert "本机未安装 acme/oee" in capsys.readouterr().err


def test_an_error_for_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["call", "acme/oee", "compute", "--json"]) == 4
    assert json.loads(capsys.readouterr().err)["error"]["code"] == "not_installed"


def test_a_command_line_that_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install"]) == 2
    assert "Missing argument" in capsys.readouterr().err


def test_an_empty_node_is_listed_and_verified(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["list", "--node", str(tmp_path / "node"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["verify", "--node", str(tmp_path / "node"), "--json"]) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["frobnicate"], "没有命令 'frobnicate'"),
        (["list", "--nope"], "没有选项 --nope"),
        (["install"], "缺少参数"),
        (["publish", "nope.tar"], "的值无效：'nope.tar' 不存在"),
        (["list", "--node"], "选项 '--node' 需要一个值"),
        (["list", "more"], "多余的参数（more）"),
        (["new", "acme/x", "--kind", "tol", "--delivery", "python"], "应为 下列之一："),
    ],
)
def test_a_command_line_that_is_wrong_is_explained_in_chinese(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--lang", "zh", *arguments]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "Error" not in told
    assert "Usage" not in told


def test_given_nothing_installed_when_listed_or_verified_then_it_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for command in ("list", "verify"):
        assert main(["--lang", "zh", command, "--node", str(tmp_path / "node")]) == 0
        assert "尚未安装任何组件" in capsys.readouterr().err
