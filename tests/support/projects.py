"""Small author's projects for tests, written as an author would write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILES_TOML = """
[component]
id = "acme/guide"
version = "1.0.0"
kind = "knowledge"
delivery = "files"
licence = "CC-BY-4.0"
subkind = "industry-knowledge"

[component.title]
zh = "指南"
en = "Guide"

[component.summary]
zh = "一份指南"
en = "A guide"

[provider]
name = { zh = "顶点", en = "Acme" }
contact = "support@acme.example"

[[files]]
path = "guide.md"
title = { zh = "指南", en = "Guide" }
media_type = "text/markdown"
"""

SERVICE_TOML = """
[component]
id = "acme/area"
version = "1.0.0"
kind = "application"
delivery = "python"
licence = "Apache-2.0"
subkind = "industry-ecosystem"

[component.title]
zh = "面积"
en = "Area"

[component.summary]
zh = "计算面积"
en = "Computes an area"

[provider]
name = { zh = "顶点", en = "Acme" }
contact = "support@acme.example"

[python]
entry = "acme_area:main"
runtimes = ["python3.11-manylinux_2_28-x86_64"]

[python.http]
port = 8080

[[actions]]
name = "area"
title = { zh = "面积", en = "Area" }
input = "schemas/area.input.json"
output = { type = "number" }
path = "/api/area"

[[examples]]
name = "a plate"
action = "area"
input = "examples/plate.in.json"
output = 6.0
"""

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "acme-area"
version = "1.0.0"
requires-python = ">=3.11"
dependencies = ["capmart-component>=0.1,<1"{more}]

[tool.hatch.build.targets.wheel]
packages = ["src/acme_area"]
"""

AREA_INPUT: dict[str, Any] = {
    "type": "object",
    "properties": {"length": {"type": "number"}, "width": {"type": "number"}},
    "required": ["length", "width"],
}


def files_project(folder: Path, toml: str = FILES_TOML) -> Path:
    """A knowledge component made of files."""
    (folder / "files" / "tables").mkdir(parents=True)
    (folder / "capmart.toml").write_text(toml, "utf-8")
    (folder / "files" / "guide.md").write_text("# 指南\n", "utf-8")
    (folder / "files" / "tables" / "a.csv").write_text("a,b\n1,2\n", "utf-8")
    return folder


def service_project(folder: Path, toml: str = SERVICE_TOML, *, dependencies: tuple[str, ...] = ()) -> Path:
    """A Python component that speaks HTTP, so that it needs no runner to be packed."""
    (folder / "src" / "acme_area").mkdir(parents=True)
    (folder / "schemas").mkdir()
    (folder / "examples").mkdir()
    (folder / "capmart.toml").write_text(toml, "utf-8")
    more = "".join(f', "{dependency}"' for dependency in dependencies)
    (folder / "pyproject.toml").write_text(PYPROJECT.replace("{more}", more), "utf-8")
    (folder / "src" / "acme_area" / "__init__.py").write_text("def main() -> None:\n    ...\n", "utf-8")
    (folder / "schemas" / "area.input.json").write_text(json.dumps(AREA_INPUT), "utf-8")
    (folder / "examples" / "plate.in.json").write_text('{"length": 2, "width": 3}', "utf-8")
    return folder
