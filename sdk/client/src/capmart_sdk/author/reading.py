"""Reading a project: the shape of ``capmart.toml``, the rules beyond it, and what lies beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version
from pydantic import ValidationError

from capmart_core.manifest import rules
from capmart_core.manifest.problems import NOTHING, Problem, found, from_validation
from capmart_core.text import Text
from capmart_sdk.author import contents
from capmart_sdk.author.contents import DATA_FOLDER, PROJECT_FILE, table, tables
from capmart_sdk.author.lock import LOCK_FILE, MAX_LOCK_BYTES, LockedWheel, read_lock
from capmart_sdk.author.project import Project, example_problems, raise_problems
from capmart_sdk.author.project_file import EXAMPLES, FIELDS, ProjectFile
from capmart_sdk.author.report import Report

Json = Any
_SECTIONS = ("python", "image", "remote")


def read_project(folder: Path) -> Project:
    """Read a project.

    Raises:
        InvalidProject: it has problems; ``problems`` in its data lists them all.
    """
    project, problems = look_at(folder)
    if problems or project is None:
        raise_problems(folder, problems)
    return project


def look_at(folder: Path) -> tuple[Project | None, list[Problem]]:
    """A project as far as it can be read, and everything wrong with it; its code is neither run nor imported."""
    reading = _Reading(folder.resolve())
    return reading.project(), reading.report.problems


class _Reading:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.report = Report()
        self._raw: dict[str, Json] = {}
        self._component: dict[str, Json] = {}
        self._delivery: object = None
        self._section: dict[str, Json] = {}

    def project(self) -> Project | None:
        raw = contents.read_toml(self.folder, PROJECT_FILE, self.report)
        if raw is None:
            return None
        self._raw, self._component = raw, table(raw.get("component"))
        self._delivery = self._component.get("delivery")
        self._section = table(raw.get(str(self._delivery)))
        data = self._shape()
        self._rules()
        self._sections()
        files = self._files()
        locked, requirements = self._python() if self._delivery == "python" else ([], [])
        actions = self._actions()
        examples, sources = self._examples()
        if not self._describes_itself:
            self.report.problems += example_problems(tuple(examples), tuple(sources), actions)
        if data is None:
            return None
        return Project(
            self.folder,
            data,
            actions=tuple(actions),
            examples=tuple(examples),
            sources=tuple(sources),
            files=tuple(files),
            locked=tuple(locked),
            requirements=tuple(requirements),
            changelog=contents.changelog_of(self.folder, data.component.version),
        )

    @property
    def _http(self) -> bool:
        return self._section.get("http") is not None

    @property
    def _describes_itself(self) -> bool:
        return self._delivery == "python" and not self._http

    def _shape(self) -> ProjectFile | None:
        try:
            return ProjectFile.model_validate(self._raw)
        except ValidationError as error:
            self.report.problems += from_validation(error, PROJECT_FILE, fields=FIELDS, examples=EXAMPLES)
            return None

    def _rules(self) -> None:
        """Rules beyond the shape; those about a field that is already refused say nothing new."""
        known = {problem.field for problem in self.report.problems}
        component, provider = self._component, table(self._raw.get("provider"))
        more = [
            *rules.check_texts(self._raw, PROJECT_FILE),
            *rules.check_codes(component.get("kind"), component, PROJECT_FILE, "component"),
            *rules.check_licence(component.get("licence"), PROJECT_FILE, "component.licence"),
            *rules.check_dependencies(self._raw.get("dependencies"), component.get("id"), PROJECT_FILE, "dependencies"),
            *rules.check_uscc(provider.get("uscc"), PROJECT_FILE, "provider.uscc"),
        ]
        self.report.problems += [problem for problem in more if problem.field not in known]

    def _sections(self) -> None:
        delivery = self._delivery
        for name in _SECTIONS:
            if delivery == name and name not in self._raw:
                en, zh = f"section [{name}]", f"[{name}] 段"
                self.report.add(PROJECT_FILE, name, "missing", en=en, zh=zh, example=EXAMPLES[name])
            elif delivery in {*_SECTIONS, "files"} and delivery != name and name in self._raw:
                en, zh = f'no section [{name}]: delivery is "{delivery}"', f"不应有 [{name}] 段：交付方式为 {delivery}"
                self.report.add(PROJECT_FILE, name, "delivery", en=en, zh=zh, found=found(name))
        if delivery == "image" and self._section:
            self._image()
        entry = self._section.get("entry")
        if delivery == "python" and isinstance(entry, str):
            self._entry(entry)

    def _entry(self, entry: str) -> None:
        if self._http != (":" in entry):
            en, zh = "module:function that serves HTTP", "提供 HTTP 服务的 模块:函数"
            if not self._http:
                en, zh = "a module, or a section [python.http]", "模块名，或增加 [python.http] 段"
            self.report.add(PROJECT_FILE, "python.entry", "entry", en=en, zh=zh, found=found(entry))
        top = entry.partition(":")[0].partition(".")[0]
        places = [root / name for root in (self.folder / "src", self.folder) for name in (top, f"{top}.py")]
        if top.isidentifier() and not any(place.exists() for place in places):
            en, zh = f"the module {top} in src/ or beside {PROJECT_FILE}", f"src/ 中或 {PROJECT_FILE} 旁的模块 {top}"
            self.report.add(PROJECT_FILE, "python.entry", "file_missing", en=en, zh=zh, found=found(entry))

    def _image(self) -> None:
        reference, layout = self._section.get("reference"), self._section.get("layout")
        if (reference is None) == (layout is None):
            was = NOTHING if reference is None else Text(en="both", zh="两者都有")
            en, zh = "either reference or layout", "reference 与 layout 二选一"
            example = EXAMPLES["reference"]
            self.report.add(PROJECT_FILE, "image.reference", "image_source", en=en, zh=zh, found=was, example=example)
        if isinstance(layout, str) and not (self.folder / layout / "index.json").is_file():
            en, zh = "a folder with an OCI image layout", "含 OCI 镜像布局的目录"
            self.report.add(PROJECT_FILE, "image.layout", "file_missing", en=en, zh=zh, found=found(layout))
        if (self._section.get("protocol", "http") == "http") != self._http:
            en, zh = (
                'section [image.http] with protocol "http", and only then',
                "protocol 为 http 时才有 [image.http] 段",
            )
            example = "[image.http]\nport = 8080"
            self.report.add(PROJECT_FILE, "image.http", "image_http", en=en, zh=zh, example=example)

    def _files(self) -> list[contents.DataSource]:
        listed = tables(self._raw.get("files"))
        self.report.problems += rules.check_unique_paths(listed, PROJECT_FILE, "files")
        sources = contents.find_data(self.folder, self.report)
        for position, entry in enumerate(listed):
            path = entry.get("path")
            if isinstance(path, str) and path not in sources:
                en, zh = f"a file {DATA_FOLDER}/{path}", f"文件 {DATA_FOLDER}/{path}"
                at = f"files[{position}].path"
                self.report.add(PROJECT_FILE, at, "file_missing", en=en, zh=zh, found=found(path))
        if self._delivery == "files" and not sources:
            example = f"{DATA_FOLDER}/guide.md"
            self.report.add(DATA_FOLDER, "", "no_files", en="at least one file", zh="至少一个文件", example=example)
        if self._delivery in {"image", "remote"} and sources:
            en, zh = (
                f"no folder {DATA_FOLDER}/: this delivery cannot carry it",
                f"不应有 {DATA_FOLDER}/：该交付方式不携带文件",
            )
            self.report.add(DATA_FOLDER, "", "delivery", en=en, zh=zh, found=found(next(iter(sources))))
        by_path = {str(entry.get("path")): entry for entry in listed}
        return [contents.data_source(path, source, by_path.get(path, {})) for path, source in sources.items()]

    def _python(self) -> tuple[list[LockedWheel], list[str]]:
        locked: list[LockedWheel] = []
        path = self.folder / LOCK_FILE
        if path.is_file() and path.stat().st_size <= MAX_LOCK_BYTES:
            locked, problems = read_lock(path.read_text("utf-8", "replace"))
            self.report.problems += problems
        elif path.is_file():
            en, zh = f"at most {MAX_LOCK_BYTES} bytes", f"至多 {MAX_LOCK_BYTES} 字节"
            self.report.add(LOCK_FILE, "", "too_large", en=en, zh=zh)
        pyproject = contents.read_toml(self.folder, "pyproject.toml", self.report)
        if pyproject is None:
            return locked, []
        section = table(pyproject.get("project"))
        backend = table(pyproject.get("build-system")).get("build-backend")
        if backend != "hatchling.build":
            self.report.add(
                "pyproject.toml",
                "build-system.build-backend",
                "build_backend",
                en="hatchling.build, which builds offline",
                zh="hatchling.build（可离线构建）",
                found=NOTHING if backend is None else found(backend),
                example='[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"',
            )
        self._version(section)
        requirements = section.get("dependencies")
        return locked, [text for text in requirements if isinstance(text, str)] if isinstance(
            requirements, list
        ) else []

    def _version(self, section: dict[str, Json]) -> None:
        version, given = self._component.get("version"), section.get("version")
        if not isinstance(version, str) or "version" in (section.get("dynamic") or ()):
            return
        try:
            same = isinstance(given, str) and Version(given) == Version(version)
        except InvalidVersion:
            same = False
        if not same:
            en, zh = f"{version}, as in {PROJECT_FILE}", f"{version}（与 {PROJECT_FILE} 一致）"
            was = NOTHING if given is None else found(given)
            self.report.add(
                "pyproject.toml", "project.version", "version_differs", en=en, zh=zh, found=was, example=version
            )

    def _actions(self) -> list[dict[str, Json]]:
        listed = tables(self._raw.get("actions"))
        if self._describes_itself or self._delivery == "files":
            if listed:
                en, zh = "no [[actions]]: they are read from the code", "不应有 [[actions]]：动作由代码给出"
                if self._delivery == "files":
                    en, zh = "no [[actions]]: it is delivered as files", "不应有 [[actions]]：以 files 交付"
                was = found(str(listed[0].get("name", "")))
                self.report.add(PROJECT_FILE, "actions", "no_actions", en=en, zh=zh, found=was)
            return []
        actions = [self._action(entry, f"actions[{position}]") for position, entry in enumerate(listed)]
        page = table(self._section.get("http")).get("page")
        if self._delivery in _SECTIONS and not actions and page is None:
            en, zh = "at least one [[actions]], or a page", "至少一个 [[actions]]，或一个页面"
            example = '[[actions]]\nname = "calculate"'
            self.report.add(PROJECT_FILE, "actions", "no_actions", en=en, zh=zh, example=example)
        http = None if self._delivery not in {"python", "image"} else self._http
        self.report.problems += rules.check_actions(actions, PROJECT_FILE, "actions", http=http)
        return actions

    def _action(self, entry: dict[str, Json], at: str) -> dict[str, Json]:
        schemas = {
            side: contents.read_json(self.folder, entry[side], f"{at}.{side}", self.report)
            for side in ("input", "output")
            if isinstance(entry.get(side), str)
        }
        return {**entry, **schemas}

    def _examples(self) -> tuple[list[dict[str, Json]], list[dict[str, str]]]:
        examples: list[dict[str, Json]] = []
        sources: list[dict[str, str]] = []
        for position, entry in enumerate(tables(self._raw.get("examples"))):
            source = {
                side: entry[side]
                for side in ("input", "output")
                if isinstance(entry.get(side), str) and entry[side].endswith(".json")
            }
            before = len(self.report.problems)
            values = {
                side: contents.read_json(self.folder, file, f"examples[{position}].{side}", self.report)
                for side, file in source.items()
            }
            if len(self.report.problems) > before:
                values, source = {}, {}
                entry = {name: value for name, value in entry.items() if name not in {"input", "output"}}  # noqa: PLW2901 - what cannot be read is not compared
            examples.append({**entry, **values})
            sources.append(source)
        return examples, sources
