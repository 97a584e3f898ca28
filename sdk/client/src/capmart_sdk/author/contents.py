"""What lies beside ``capmart.toml``: TOML, JSON and data files, read within bounds."""

from __future__ import annotations

import mimetypes
import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capmart_core.canonical import parse_json
from capmart_core.errors import InvalidJson
from capmart_core.manifest.problems import found
from capmart_core.text import Text
from capmart_sdk.author.report import Report

PROJECT_FILE = "capmart.toml"
DATA_FOLDER = "files"
MAX_TEXT_BYTES = 1 << 20
MAX_JSON_BYTES = 4 << 20
MAX_DATA_BYTES = 4 << 30
MAX_CHANGELOG = 20_000

Json = Any


@dataclass(frozen=True)
class DataSource:
    """One file of ``files/``."""

    path: str
    source: Path
    title: Text | None
    media_type: str


def read_toml(folder: Path, name: str, report: Report) -> dict[str, Json] | None:
    """A TOML file that must be there; None and a problem when it cannot be read."""
    path = folder / name
    if not path.is_file():
        report.add(name, "", "file_missing", en="this file", zh="此文件", example="capmart new")
        return None
    if path.stat().st_size > MAX_TEXT_BYTES:
        report.add(name, "", "too_large", en=f"at most {MAX_TEXT_BYTES} bytes", zh=f"至多 {MAX_TEXT_BYTES} 字节")
        return None
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        was = found(str(error))
        report.add(name, "", "toml", en="TOML in UTF-8", zh="UTF-8 编码的 TOML", found=was, example='id = "acme/oee"')
        return None


def read_json(folder: Path, name: str, at: str, report: Report) -> Json:
    """A JSON file that ``capmart.toml`` names at ``at``; None and a problem when it cannot be read."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder):
        report.add(PROJECT_FILE, at, "path", en="a path inside the project", zh="项目内的路径", found=found(name))
        return None
    if not path.is_file():
        report.add(PROJECT_FILE, at, "file_missing", en=f"a file {name}", zh=f"文件 {name}", found=found(name))
        return None
    try:
        with path.open("rb") as stream:
            return parse_json(stream.read(MAX_JSON_BYTES + 1), what=name, max_bytes=MAX_JSON_BYTES)
    except InvalidJson as error:
        was = Text(en=error.message("en"), zh=error.message("zh"))
        report.add(name, "", "json", en="a JSON document", zh="JSON 文档", found=was)
        return None


def find_data(folder: Path, report: Report) -> dict[str, Path]:
    """The files in ``files/`` by their path there; hidden ones are left out, links and devices are problems."""
    root = folder / DATA_FOLDER
    files: dict[str, Path] = {}
    for path in _walk(root):
        relative = path.relative_to(root).as_posix()
        if stat.S_ISREG(path.lstat().st_mode):
            files[relative] = path
        else:
            en, zh = "plain files; links and devices do not travel", "普通文件；不支持链接与设备"
            report.add(f"{DATA_FOLDER}/{relative}", "", "not_a_file", en=en, zh=zh, found=_OTHER)
    total = sum(path.stat().st_size for path in files.values())
    if total > MAX_DATA_BYTES:
        en, zh = f"at most {MAX_DATA_BYTES} bytes together", f"合计至多 {MAX_DATA_BYTES} 字节"
        report.add(DATA_FOLDER, "", "too_large", en=en, zh=zh, found=found(str(total)))
    return files


_OTHER = Text(en="another kind", zh="其他类型")


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__pycache__")
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in sorted([*files, *links]):
            if not name.startswith("."):
                yield Path(folder) / name


def data_source(path: str, source: Path, entry: Mapping[str, Json]) -> DataSource:
    """A data file with what ``[[files]]`` says of it, its media type guessed where that does not."""
    title, media_type = entry.get("title"), entry.get("media_type")
    guessed = mimetypes.guess_type(path, strict=False)[0] or "application/octet-stream"
    text = None
    if (
        isinstance(title, dict)
        and title.keys() == {"zh", "en"}
        and all(isinstance(t, str) and t for t in title.values())
    ):
        text = Text(**title)
    return DataSource(path, source, text, media_type if isinstance(media_type, str) else guessed)


def changelog_of(folder: Path, version: str) -> str | None:
    """What ``CHANGELOG.md`` says below the heading that starts with ``version``; None when it says nothing."""
    path = folder / "CHANGELOG.md"
    if not path.is_file() or path.stat().st_size > MAX_TEXT_BYTES:
        return None
    lines: list[str] = []
    inside = False
    for line in path.read_text("utf-8", "replace").splitlines():
        if line.startswith("## "):
            words = line.removeprefix("## ").replace("[", " ").replace("]", " ").split()
            inside = bool(words) and words[0].removeprefix("v") == version
        elif inside:
            lines.append(line)
    return "\n".join(lines).strip()[:MAX_CHANGELOG] or None


def tables(value: object) -> list[dict[str, Json]]:
    """The tables in a list; anything else in it keeps its place as an empty one."""
    return [entry if isinstance(entry, dict) else {} for entry in value] if isinstance(value, list) else []


def table(value: object) -> dict[str, Json]:
    """``value`` if it is a table, otherwise an empty one."""
    return value if isinstance(value, dict) else {}
