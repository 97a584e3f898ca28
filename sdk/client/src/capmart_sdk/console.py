"""What the command line says: in the person's language, as tables and progress, or as JSON for a program."""

from __future__ import annotations

import getpass
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text as RichText

from capmart_core.errors import CapmartError
from capmart_core.text import Language, Text

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_state: dict[str, Language] = {"language": "en"}


def resolve_language(argv: Sequence[str], environ: Mapping[str, str]) -> Language:
    """The language asked for: ``--lang``, ``CAPMART_LANG``, then the locale; English when none says Chinese."""
    for position, argument in enumerate(argv):
        if argument == "--":
            break
        if argument == "--lang" and position + 1 < len(argv):
            return _language_named(argv[position + 1])
        if argument.startswith("--lang="):
            return _language_named(argument.partition("=")[2])
    named = environ.get("CAPMART_LANG")
    if named:
        return _language_named(named)
    # POSIX order; the first that is set decides, as in every other program.
    locale = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")
    return _language_named(locale)


def _language_named(name: str) -> Language:
    return "zh" if name.lower().startswith("zh") else "en"


def use_language(language: Language) -> None:
    """Say everything in ``language`` from here on; called once, before the commands are built."""
    _state["language"] = language


def language() -> Language:
    """The language in use."""
    return _state["language"]


def t(en: str, zh: str, **data: object) -> str:
    """The one of the two texts that is in the language in use, its braces filled with ``data``."""
    text = zh if language() == "zh" else en
    return text.format(**data) if data else text


def tt(text: Text | Mapping[str, str] | None) -> str:
    """A bilingual text of a manifest or an answer, in the language in use; empty when there is none."""
    if text is None:
        return ""
    if isinstance(text, Text):
        return text.get(language())
    return str(text.get(language()) or text.get("en") or text.get("zh") or "")


def plain(text: object) -> str:
    """``text`` without control characters and direction marks: what a publisher wrote cannot move the cursor."""
    return _CONTROL.sub("\ufffd", str(text))


def _console(stream: TextIO) -> Console:
    # Made anew for each use: tests and callers may replace sys.stdout.
    width = None if stream.isatty() else int(os.environ.get("COLUMNS", "160"))
    return Console(file=stream, markup=False, highlight=False, emoji=False, width=width, soft_wrap=True)


def out(text: object = "", *, style: str | None = None) -> None:
    """Print a line of the result to stdout."""
    _console(sys.stdout).print(RichText(plain(text)), style=style)


def say(text: object = "", *, style: str | None = None) -> None:
    """Print a line about the work to stderr, so that stdout stays the result alone."""
    _console(sys.stderr).print(RichText(plain(text)), style=style)


def warn(text: object) -> None:
    """Print a warning to stderr."""
    say(text, style="bold yellow")


def out_json(value: Any) -> None:
    """Print ``value`` to stdout as JSON for a program."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def out_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """Print a table to stdout."""
    _console(sys.stdout).print(make_table(columns, rows, title=title), soft_wrap=False)


def make_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> Table:
    """A table whose cells hold plain text only."""
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(RichText(column), overflow="fold")
    for row in rows:
        table.add_row(*(RichText(plain("" if cell is None else cell)) for cell in row))
    return table


def say_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """Print a table about the work to stderr."""
    _console(sys.stderr).print(make_table(columns, rows, title=title), soft_wrap=False)


def show_error(error: CapmartError, *, as_json: bool = False) -> None:
    """Print what was wrong, what to do next and the stable code, to stderr."""
    message, advice = error.message(language()), error.advice(language())
    problems = [_problem_row(problem) for problem in _problems_of(error)]
    if as_json:
        document = {"code": error.code, "message": message, "advice": advice}
        sys.stderr.write(json.dumps({"error": {**document, "problems": problems}}, ensure_ascii=False) + "\n")
        return
    say(t("Error: {message}", "错误：{message}", message=message), style="bold red")
    if problems:
        columns = (t("File", "文件"), t("Field", "字段"), t("Problem", "问题"), t("Example", "示例"))
        say_table(columns, ([row["file"], row["field"], row["message"], row["example"]] for row in problems))
    if advice:
        say(t("What to do: {advice}", "建议：{advice}", advice=advice))
    say(t("Code: {code}", "代码：{code}", code=error.code), style="dim")


def _problems_of(error: CapmartError) -> Sequence[object]:
    problems = error.data.get("problems", ())
    return problems if isinstance(problems, list | tuple) else ()


def _problem_row(problem: object) -> dict[str, str]:
    row = {}
    for name in ("file", "field", "rule", "message", "expected", "found", "example"):
        value = getattr(problem, name, None)
        if callable(value):
            value = value(language())
        row[name] = "" if value is None else tt(value) if isinstance(value, Text) else str(value)
    if not row["message"]:
        row["message"] = t("{rule}: expected {expected}, found {found}", "{rule}：应为 {expected}，实为 {found}", **row)
    return row


def confirm(question: str, *, yes: bool) -> bool:
    """Ask before something that matters. ``yes`` answers beforehand; without a terminal the answer is no."""
    if yes:
        return True
    if not sys.stdin.isatty():
        say(
            t(
                "{question} Not a terminal: add --yes to agree.",
                "{question} 非交互终端：如同意请加 --yes。",
                question=question,
            )
        )
        return False
    sys.stderr.write(f"{plain(question)} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes", "是", "好"}


def ask_secret(prompt: str) -> str:
    """Read a secret from the terminal without showing it, or one line of stdin when there is no terminal."""
    if sys.stdin.isatty():
        return getpass.getpass(f"{prompt}: ").strip()
    return sys.stdin.readline(10_000).strip()


@contextmanager
def transfer_progress() -> Iterator[Progress]:
    """Progress of bytes moved, on stderr; silent when stderr is no terminal."""
    console = _console(sys.stderr)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        yield progress


@contextmanager
def working(text: str) -> Iterator[None]:
    """Show that something goes on; one plain line when stderr is no terminal."""
    console = _console(sys.stderr)
    if not sys.stderr.isatty():
        say(text)
        yield
        return
    with console.status(RichText(plain(text))):
        yield
