"""Check ``package``: nothing in it can harm who unpacks it, and its size is what people expect."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from capmart_core.errors import InvalidPackage
from capmart_core.hooks import hookimpl
from capmart_core.package import Descriptor, check_wheel
from capmart_core.ports.blobs import BlobStore
from capmart_core.text import Text
from capmart_registry.hooks.subject import CheckSubject, Finding

LARGE_BYTES = 512 << 20
HUGE_BYTES = 8 << 30


@hookimpl
def capmart_check(subject: CheckSubject) -> Iterator[Finding]:
    """Wheels are looked at without unpacking; the structure was read when the submission came in."""
    yield from _size(subject)
    wheels = {wheel.digest: wheel for runtime in subject.layout.runtimes for wheel in runtime.wheels}
    with tempfile.TemporaryDirectory(prefix="capmart-check-") as folder:
        for wheel in wheels.values():
            yield from _wheel(subject.blobs, wheel, Path(folder))
    if subject.manifest.delivery.type in {"python", "image"} and not any(
        runtime.sbom for runtime in subject.layout.runtimes
    ):
        yield Finding(
            severity="warning",
            file="sbom.cdx.json",
            rule="sbom_missing",
            message=Text(
                zh="组件包没有物料清单（CycloneDX SBOM）", en="the package has no bill of materials (CycloneDX SBOM)"
            ),
            next=Text(zh="用 capmart pack 重新打包即会生成", en="Pack it again with capmart pack, which makes one"),
        )


def _size(subject: CheckSubject) -> Iterator[Finding]:
    size = sum(subject.sizes.values())
    if size <= LARGE_BYTES:
        return
    mib = size >> 20
    huge = size > HUGE_BYTES
    yield Finding(
        severity="error" if huge else "warning",
        file="package",
        rule="too_large" if huge else "large",
        message=Text(
            zh=f"组件包共 {mib} MiB，超过 {(HUGE_BYTES if huge else LARGE_BYTES) >> 20} MiB",
            en=f"the package has {mib} MiB, more than {(HUGE_BYTES if huge else LARGE_BYTES) >> 20} MiB",
        ),
        next=Text(
            zh="去掉不需要的依赖与数据，或拆分为多个组件",
            en="Leave out dependencies and data that are not needed, or split it into several components",
        ),
    )


def _wheel(blobs: BlobStore, wheel: Descriptor, folder: Path) -> Iterator[Finding]:
    path = folder / Path(wheel.title).name
    local = blobs.local_path(wheel.digest)
    try:
        if local is not None:
            path.symlink_to(local)
        else:
            with blobs.open(wheel.digest) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
        check_wheel(path)
    except InvalidPackage as error:
        yield Finding(
            severity="error",
            file=wheel.title[:300] or wheel.digest,
            rule="unsafe_wheel",
            message=Text(zh=error.message("zh"), en=error.message("en")),
            next=Text(
                zh="更换该 wheel 或重新构建，然后重新打包并提交",
                en="Replace or rebuild that wheel, then pack and submit again",
            ),
        )
    finally:
        path.unlink(missing_ok=True)
