"""Whether a project would be listed: everything that a center checks, on the author's machine."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from capmart_core.errors import InvalidProject, RuntimeMismatch
from capmart_core.manifest.problems import Problem
from capmart_core.ports.runner import Runner
from capmart_core.text import Text
from capmart_sdk.author.contents import PROJECT_FILE
from capmart_sdk.author.pack import RunnerSource, pack_project
from capmart_sdk.author.reading import look_at
from capmart_sdk.author.trial import Trial, try_package


@dataclass(frozen=True)
class CheckResult:
    """What was found.

    Attributes:
        problems: everything to mend; empty when the project would be accepted.
        trials: how the examples went; empty when they were not run.
    """

    problems: tuple[Problem, ...]
    trials: tuple[Trial, ...] = ()


def check_project(
    folder: Path, runner: Runner | RunnerSource | None = None, *, cache: Path | None = None
) -> list[Problem]:
    """Everything that is wrong with a project; see :func:`examine`."""
    return list(examine(folder, runner, cache=cache).problems)


def examine(folder: Path, runner: Runner | RunnerSource | None = None, *, cache: Path | None = None) -> CheckResult:
    """Check a project.

    Args:
        folder: with ``capmart.toml``.
        runner: packs it, installs it and runs its examples in its sandbox; None reads the project's files only.
        cache: folder of fetched third-party wheels; this person's when None.

    Raises:
        Unavailable: the engine does not answer.
    """
    project, problems = look_at(folder)
    if problems or project is None or runner is None:
        return CheckResult(tuple(problems))
    data = project.data
    started = runner if isinstance(runner, Runner) or data.component.delivery in {"files", "remote"} else runner()
    with tempfile.TemporaryDirectory(prefix="capmart-check-") as work:
        try:
            packed = pack_project(folder, Path(work), started, cache=cache)
        except InvalidProject as error:
            found = error.data["problems"]
            return CheckResult(tuple(found) if isinstance(found, list) else ())
        if not isinstance(started, Runner):
            return CheckResult(())
        try:
            trials = try_package(packed.path, started)
        except RuntimeMismatch as error:
            expected = Text(en="a runtime that this machine has", zh="本机具备的运行时")
            was = Text(en=error.message("en"), zh=error.message("zh"))
            return CheckResult((Problem(PROJECT_FILE, "component.delivery", "runtime", expected, was),))
    failed = [problem for position, trial in enumerate(trials) if (problem := trial.problem(position)) is not None]
    return CheckResult(tuple(failed), tuple(trials))
