"""Running a package's examples on this machine, the way a node and a center's worker do: read, verified, installed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from capmart_core.blobs import FolderBlobs
from capmart_core.errors import ComponentFailed
from capmart_core.examples import Difference, differences
from capmart_core.identifiers import Runtime
from capmart_core.manifest.models import Example, FilesDelivery, RemoteDelivery
from capmart_core.manifest.problems import Problem, found
from capmart_core.package import PackageReader, install_tree
from capmart_core.ports.runner import Instance, Runner, Usage
from capmart_core.text import Text
from capmart_sdk.author.contents import PROJECT_FILE
from capmart_sdk.author.runners import TENANT


@dataclass(frozen=True)
class Trial:
    """How one example went.

    Attributes:
        differences: between what was expected and what came; empty when it is right.
        error: what ended the call; None when it answered.
        usage: time and memory; None when it did not answer.
        log: what the component printed.
    """

    example: str
    action: str
    differences: tuple[Difference, ...] = ()
    error: ComponentFailed | None = None
    usage: Usage | None = None
    log: str = ""

    @property
    def passed(self) -> bool:
        """Whether it answered as expected."""
        return self.error is None and not self.differences

    def problem(self, position: int) -> Problem | None:
        """What to mend; None when it passed."""
        if self.passed:
            return None
        expected = Text(en="the example's output", zh="示例的输出")
        at = f"examples[{position}]"
        if self.error is not None:
            was = Text(en=self.error.message("en"), zh=self.error.message("zh"))
            return Problem(PROJECT_FILE, at, f"example_{self.error.code}", expected, was)
        first = self.differences[0]
        where = first.path or "output"
        count, actual, wanted = len(self.differences), found(first.actual), found(first.expected)
        was = Text(
            en=f"{count} difference(s), the first at {where}: {actual.en}, not {wanted.en}",
            zh=f"{count} 处不同，首处在 {where}：实为 {actual.zh}，应为 {wanted.zh}",
        )
        return Problem(PROJECT_FILE, at, "example_differs", expected, was)


def try_package(path: Path, runner: Runner) -> list[Trial]:
    """Run every example of a package file, in order.

    Raises:
        RuntimeMismatch: it does not run on this machine.
        Unavailable: the engine does not answer.
    """
    with (
        tempfile.TemporaryDirectory(prefix="capmart-try-") as work,
        PackageReader.open(path) as package,
    ):
        folder = Path(work)
        folder.chmod(0o755)  # the container's user reads what lies below
        manifest = package.layout.manifest
        if isinstance(manifest.delivery, FilesDelivery | RemoteDelivery) or not manifest.examples:
            return []
        blobs = FolderBlobs(folder / "blobs")
        package.copy_to(blobs)
        runtime: Runtime = runner.info().runtime
        spec = install_tree(package.layout, blobs, folder / "component", runtime, tenant=TENANT)
        if spec is None:
            return []
        try:
            with runner.start(spec) as instance:
                return list(_run(instance, manifest.examples))
        except ComponentFailed as error:
            return [Trial(example.name, example.action, error=error) for example in manifest.examples]


def _run(instance: Instance, examples: tuple[Example, ...]) -> Iterator[Trial]:
    for example in examples:
        try:
            result = instance.call(example.action, example.input)
        except ComponentFailed as error:
            yield Trial(example.name, example.action, error=error)
            continue
        different = differences(example.output, result.value, tolerance=example.tolerance)
        yield Trial(example.name, example.action, tuple(different), usage=result.usage, log=result.log)
