"""From a project folder to a package."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from capmart_core.errors import InvalidManifest, NotFound, Unhealthy
from capmart_core.identifiers import Runtime
from capmart_core.manifest import read_manifest
from capmart_core.manifest.models import Manifest, PythonDelivery
from capmart_core.manifest.problems import Problem, found
from capmart_core.package import PackedPackage, WheelName, read_image, runtime_needed, write_package
from capmart_core.ports.runner import Runner, RunSpec
from capmart_core.text import Text
from capmart_sdk.author.contents import PROJECT_FILE
from capmart_sdk.author.images import save_image
from capmart_sdk.author.lock import unlocked
from capmart_sdk.author.project import Project, example_problems, raise_problems
from capmart_sdk.author.project_file import ImageSection, PythonSection
from capmart_sdk.author.reading import read_project
from capmart_sdk.author.runners import TENANT
from capmart_sdk.author.sbom import make_sbom
from capmart_sdk.author.wheels import WheelProblem, build_wheel, locked_wheels
from capmart_sdk.config import Home

Json = Any
Step = Callable[[str, str], AbstractContextManager[None]]
RunnerSource = Callable[[], Runner]

_FIELDS = {
    "licence": "component.licence",
    "title": "component.title",
    "summary": "component.summary",
    "taxonomy": "component",
    "delivery": "component.delivery",
}


@dataclass
class _Parts:
    """What goes into a package, as far as it is there."""

    wheels: dict[str, list[Path]] = field(default_factory=dict)
    image: Path | None = None
    image_digest: str | None = None
    actions: list[dict[str, Json]] = field(default_factory=list)


def pack_project(folder: Path, out: Path, runner: Runner | RunnerSource, *, cache: Path | None = None) -> PackedPackage:
    """Pack a project.

    Args:
        folder: with ``capmart.toml``.
        out: a folder, made when it is not there, or the file to write; its name ends in ``.tar`` then.
        runner: describes Python components in its sandbox; or a function that gives it, called only when it is needed.
        cache: folder of fetched third-party wheels; this person's when None.

    Raises:
        InvalidProject: it has problems; ``problems`` in its data lists them all.
        EngineUnavailable: the image's engine does not answer.
    """
    project = read_project(folder)
    with tempfile.TemporaryDirectory(prefix="capmart-pack-") as work:
        return _Packing(project, Path(work), runner, cache or Home.default().wheels).pack(out)


class _Packing:
    def __init__(self, project: Project, work: Path, runner: Runner | RunnerSource, cache: Path) -> None:
        self._project = project
        self._work = work
        self._runner_source = runner
        self._runner: Runner | None = None
        self._cache = cache

    def pack(self, out: Path) -> PackedPackage:
        parts = self._gather()
        manifest = self._manifest(parts)
        third_party = [wheel for wheels in parts.wheels.values() for wheel in wheels[1:]]
        if out.suffix != ".tar":
            out = out / f"{manifest.component.name}-{manifest.version}.capmart.tar"
        out.parent.mkdir(parents=True, exist_ok=True)
        return write_package(
            out,
            manifest,
            wheels=parts.wheels,
            files={file.path: file.source for file in self._project.files},
            image_layout=parts.image,
            sbom=make_sbom(manifest, third_party),
        )

    def runner(self) -> Runner:
        if self._runner is None:
            source = self._runner_source
            self._runner = source if isinstance(source, Runner) else source()
        return self._runner

    def _gather(self) -> _Parts:
        project = self._project
        parts = _Parts(actions=list(project.actions))
        try:
            if project.data.python is not None:
                parts.wheels = self._wheels(project.data.python)
            if project.data.image is not None:
                parts.image = self._image(project.data.image)
                parts.image_digest = read_image(parts.image)[0].root.digest
        except WheelProblem as error:
            raise_problems(project.folder, list(error.problems))
        if project.describes_itself:
            parts.actions = self._describe(parts)
            problems = list(example_problems(project.examples, project.sources, parts.actions))
            if problems:
                raise_problems(project.folder, problems)
        return parts

    def _wheels(self, section: PythonSection) -> dict[str, list[Path]]:
        project = self._project
        module = section.entry.partition(":")[0].partition(".")[0]
        own = build_wheel(project.folder, self._work / "wheel", module)
        name = WheelName.parse(own.name)
        asked = [Runtime.parse(text) for text in section.runtimes]
        wheels: dict[str, list[Path]] = {}
        for target in asked or [self.runner().info().runtime]:
            problems = list(unlocked(project.requirements, project.locked, target))
            if problems:
                raise WheelProblem(*problems)
            if not name.fits(target):
                expected = Text(en=f"a wheel for {target}", zh=f"适用于 {target} 的 wheel")
                raise WheelProblem(Problem("pyproject.toml", "", "wheel_platform", expected, found(own.name)))
            third_party = locked_wheels(project.folder, project.locked, target, self._cache)
            files = [own, *third_party]
            # What was not asked for is as general as the wheels allow: a pure component runs on any machine.
            runtime = target if asked else runtime_needed([WheelName.parse(file.name) for file in files], target.minor)
            wheels[str(runtime)] = files
        return wheels

    def _image(self, section: ImageSection) -> Path:
        if section.layout is not None:
            return self._project.folder / section.layout
        reference = str(section.reference)
        folder = self._work / "image"
        try:
            save_image(reference, folder)
        except NotFound:
            expected = Text(en=f"an image {reference} in the local engine", zh=f"本机引擎中的镜像 {reference}")
            was = Text(en="no such image", zh="没有该镜像")
            example = f"docker build -t {reference} ."
            problem = Problem(PROJECT_FILE, "image.reference", "image_missing", expected, was, example)
            raise_problems(self._project.folder, [problem])
        return folder

    def _describe(self, parts: _Parts) -> list[dict[str, Json]]:
        """Let the sandbox import the component and say what it offers; this process never does."""
        project, data = self._project, self._project.data
        offered = self.runner().info().runtime
        runtime = next((text for text in parts.wheels if Runtime.parse(text).runs_on(offered)), None)
        if runtime is None or data.python is None:
            expected = Text(
                en=f"one runtime that this machine has: {offered}", zh=f"至少一个本机具备的运行时：{offered}"
            )
            was = found(", ".join(parts.wheels))
            raise_problems(project.folder, [Problem(PROJECT_FILE, "python.runtimes", "runtime", expected, was)])
        spec = RunSpec(
            component=f"{data.component.id}@{data.component.version}",
            digest=self._key(parts.wheels[runtime]),
            delivery=PythonDelivery(entry=data.python.entry, runtimes=(runtime,), isolation=data.python.isolation),
            wheels=tuple(parts.wheels[runtime]),
            files=self._staged_files(),
            limits=data.limits,
            tenant=TENANT,
        )
        try:
            return self.runner().describe(spec)
        except Unhealthy as error:
            expected = Text(en="a module that can be imported and described", zh="可导入并可描述的模块")
            was = Text(en=str(error.data.get("reason", error)), zh=str(error.data.get("reason", error)))
            raise_problems(project.folder, [Problem(data.python.entry, "", "describe", expected, was)])

    def _key(self, wheels: list[Path]) -> str:
        """Stands for a digest until there is one: of the wheels that the code is in."""
        hasher = hashlib.sha256()
        for wheel in wheels:
            with wheel.open("rb") as stream:
                hasher.update(hashlib.file_digest(stream, "sha256").digest())
        return f"sha256:{hasher.hexdigest()}"

    def _staged_files(self) -> Path | None:
        """The data files as they will be installed: readable by everybody, nothing hidden among them."""
        if not self._project.files:
            return None
        folder = self._work / "files"
        for file in self._project.files:
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.source, target)
        self._work.chmod(0o755)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        return folder

    def _manifest(self, parts: _Parts) -> Manifest:
        try:
            return read_manifest(self._manifest_json(parts), file=PROJECT_FILE)
        except InvalidManifest as error:
            problems = error.data["problems"]
            raise_problems(
                self._project.folder,
                [_in_project(problem) for problem in problems if isinstance(problem, Problem)]
                if isinstance(problems, list)
                else [],
            )

    def _manifest_json(self, parts: _Parts) -> dict[str, Json]:
        project, data = self._project, self._project.data
        component = data.component
        value: dict[str, Json] = {
            "v": 1,
            **component.model_dump(
                mode="json",
                exclude_none=True,
                include={"id", "version", "kind", "title", "summary", "description", "licence"},
            ),
            "provider": data.provider.model_dump(mode="json", exclude_none=True),
            "delivery": self._delivery(parts),
            "taxonomy": component.model_dump(
                mode="json", include={"subkind", "industries", "scenarios", "capabilities", "tags"}
            ),
            "actions": parts.actions,
            "examples": list(project.examples),
            "files": [self._data_file(file.path, file.source, file.title, file.media_type) for file in project.files],
            "limits": data.limits.model_dump(mode="json"),
            "permissions": data.permissions.model_dump(mode="json"),
            "dependencies": [entry.model_dump(mode="json") for entry in data.dependencies],
            "standards": list(component.standards),
        }
        if project.changelog is not None:
            value["changelog"] = {"zh": project.changelog, "en": project.changelog}
        return value

    def _delivery(self, parts: _Parts) -> Mapping[str, Json]:
        data = self._project.data
        if data.python is not None:
            section = data.python.model_dump(mode="json", exclude_none=True, include={"entry", "isolation", "http"})
            return {"type": "python", "runtimes": list(parts.wheels), **section}
        if data.image is not None:
            section = data.image.model_dump(mode="json", exclude_none=True, include={"protocol", "http"})
            return {"type": "image", "image": parts.image_digest, **section}
        if data.remote is not None:
            return {"type": "remote", "url": data.remote.url}
        return {"type": "files"}

    @staticmethod
    def _data_file(path: str, source: Path, title: Text | None, media_type: str) -> dict[str, Json]:
        with source.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            size = stream.tell()
        value: dict[str, Json] = {"path": path, "media_type": media_type, "digest": f"sha256:{digest}", "size": size}
        if title is not None:
            value["title"] = title.model_dump()
        return value


def _in_project(problem: Problem) -> Problem:
    """The same problem where the author can mend it: a field of the project, or the code that an action comes from."""
    first, dot, rest = problem.field.partition(".")
    name = _FIELDS.get(first.partition("[")[0], first)
    return Problem(problem.file, name + dot + rest, problem.rule, problem.expected, problem.found, problem.example)
