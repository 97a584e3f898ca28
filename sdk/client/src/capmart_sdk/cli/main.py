"""Start of the command line: language first, then the commands, then errors as exit codes.

Help texts are evaluated when a command's module is imported, so the language is settled before any of them is, and
only the module of the command asked for is imported: ``capmart call`` does not pay for the packing tools.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.metadata import version as version_of
from typing import Annotated, Any

import typer

from capmart_core.errors import CapmartError
from capmart_sdk.cli.usage import show_usage_error
from capmart_sdk.console import resolve_language, say, show_error, t, use_language, warn

COMMAND_GROUP = "capmart.commands"
_MODULES = {
    "capmart_sdk.author.commands": ("new", "check", "pack"),
    "capmart_sdk.cli.keys": ("key",),
    "capmart_sdk.cli.trust": ("trust",),
    "capmart_sdk.cli.account": ("login", "logout", "whoami"),
    "capmart_sdk.cli.publish": ("publish", "submissions", "status"),
    "capmart_sdk.cli.states": ("yank", "unyank", "deprecate"),
    "capmart_sdk.cli.catalog": ("search", "show"),
    "capmart_sdk.cli.install": ("install", "verify"),
    "capmart_sdk.cli.installed": ("list", "files"),
    "capmart_sdk.cli.call": ("call",),
    "capmart_sdk.cli.serve": ("serve",),
    "capmart_sdk.cli.doctor": ("doctor",),
}
_OPTIONS_WITH_VALUE = frozenset({"--lang"})


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, or the ``exit_code`` of what went wrong.

    Args:
        argv: the arguments; those of the process when None.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    use_language(resolve_language(arguments, os.environ))
    command = without_language(arguments)
    debug = bool(os.environ.get("CAPMART_DEBUG"))
    try:
        app = build_app(command)
        code = typer.main.get_command(app)(command, prog_name="capmart", standalone_mode=False)
    except CapmartError as error:
        if debug:
            raise
        show_error(error, as_json="--json" in command)
        return error.exit_code
    except typer.Exit as stop:
        return stop.exit_code
    except (typer.Abort, KeyboardInterrupt):
        say(t("Stopped.", "已停止。"))
        return 130
    except BrokenPipeError:
        # The reader of stdout left (``capmart list | head``); nothing more can or need be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            raise
        return _unexpected(error)
    return code if isinstance(code, int) else 0


def _unexpected(error: Exception) -> int:
    if callable(getattr(error, "show", None)) and isinstance(code := getattr(error, "exit_code", None), int):
        show_usage_error(error)  # the command line itself is wrong
        return code
    say(t("Error: {error}", "错误：{error}", error=f"{type(error).__name__}: {error}"), style="bold red")
    say(
        t(
            "This is a fault in Capmart or its surroundings. CAPMART_DEBUG=1 shows where it happened.",
            "这是 Capmart 或其运行环境的故障。设置 CAPMART_DEBUG=1 可查看出错位置。",
        )
    )
    return 1


def without_language(arguments: Sequence[str]) -> list[str]:
    """The arguments without ``--lang``, which is understood anywhere before ``--``."""
    kept: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            return [*kept, argument, *rest]
        if argument == "--lang":
            next(rest, None)
        elif not argument.startswith("--lang="):
            kept.append(argument)
    return kept


def build_app(words: Sequence[str] = ()) -> typer.Typer:
    """The application, in the language in use.

    Args:
        words: of the command line; only what the command asked for needs is imported, everything when none is known.
    """
    at = next((index for index, word in enumerate(words) if not word.startswith("-")), len(words))
    command, rest = (words[at], words[at + 1 :]) if at < len(words) else (None, ())
    app = typer.Typer(
        name="capmart",
        help=t(
            "Capmart: find, install, run, write and publish capability components for industry brains.",
            "Capmart：查找、安装、运行、编写和发布产业大脑能力组件。",
        ),
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    wanted = [module for module, names in _MODULES.items() if command in names]
    if not wanted and command in entry_points(group=COMMAND_GROUP).names:
        _add_plugins(app, command, rest)
        return app
    for module in wanted or _MODULES:
        _register(app, module)
    if not wanted:
        _add_plugins(app, command, rest)
    return app


def _root(
    lang: Annotated[str, typer.Option("--lang", metavar="zh|en", help="zh 中文 / en English (CAPMART_LANG)")] = "",
    *,
    version: Annotated[bool, typer.Option("--version", help="Show the version / 显示版本")] = False,
) -> None:
    del lang  # already taken out of the arguments, wherever it stood
    if version:
        sys.stdout.write(f"capmart {version_of('capmart-sdk')}\n")
        raise typer.Exit


def _register(app: typer.Typer, module: str) -> None:
    import_module(module).register(app)


def _add_plugins(app: typer.Typer, command: str | None, rest: Sequence[str]) -> None:
    """Add the sub-applications of other distributions; one that fails is named and skipped."""
    found = sorted(entry_points(group=COMMAND_GROUP), key=lambda point: point.name)
    named = [point for point in found if point.name == command]
    for point in named or found:
        try:
            app.add_typer(_sub_app(point, rest), name=point.name)
        except Exception as error:  # noqa: BLE001  # somebody else's code: whatever it raises must not stop ours
            say_skipped(point, error)


def _sub_app(point: EntryPoint, rest: Sequence[str]) -> typer.Typer:
    """A ``typer.Typer``, or what a function makes of one when it is told the words that follow the command's name."""
    loaded: Any = point.load()
    app = loaded if isinstance(loaded, typer.Typer) else loaded(rest)
    if not isinstance(app, typer.Typer):
        raise TypeError(f"{point.value} gives {type(app).__name__}, not a typer.Typer")
    return app


def say_skipped(point: EntryPoint, error: Exception) -> None:
    """Name a plugin that cannot be used."""
    warn(
        t(
            "The command '{name}' of {value} cannot be loaded and is skipped: {error}",
            "无法加载 {value} 提供的命令“{name}”，已跳过：{error}",
            name=point.name,
            value=point.value,
            error=f"{type(error).__name__}: {error}",
        )
    )
