"""A tiny component that is run as any other, and says how it is confined."""

from __future__ import annotations

import hashlib
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from capmart_core.manifest.models import Limits, PythonDelivery
from capmart_core.ports.runner import Runner, RunSpec

LIMITS = Limits(memory_mib=64, pids=16, tmp_mib=4, deadline_s=10)
_MODULE = "capmart_probe"


@dataclass(frozen=True)
class Probed:
    """What the probe said, and how long it took.

    Attributes:
        facts: see ``component.txt``.
        cold_ms: from nothing to its first answer.
        warm_ms: of a call after that.
    """

    facts: dict[str, Any]
    cold_ms: float
    warm_ms: float


def probe(runner: Runner) -> Probed:
    """Start the probe, call it twice, end it.

    Raises:
        CapmartError: it could not be started or called.
    """
    with _spec(runner) as spec:
        began = time.perf_counter()
        with runner.start(spec) as instance:
            facts = instance.call("look", {}).value
            cold = time.perf_counter() - began
            began = time.perf_counter()
            instance.call("look", {})
            warm = time.perf_counter() - began
    return Probed(facts, cold * 1000, warm * 1000)


@contextmanager
def _spec(runner: Runner) -> Iterator[RunSpec]:
    code = files("capmart_sdk.doctor").joinpath("component.txt").read_bytes()
    info = f"{_MODULE}-1.0.0.dist-info"
    contents = {
        f"{_MODULE}.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {_MODULE}\nVersion: 1.0.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    contents[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in (*contents, f"{info}/RECORD")).encode()
    with tempfile.TemporaryDirectory() as folder:
        wheel = Path(folder) / f"{_MODULE}-1.0.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, data in contents.items():
                archive.writestr(name, data)
        runtime = f"python3.{runner.info().runtime.minor}-any"
        delivery = PythonDelivery.model_validate({"entry": _MODULE, "runtimes": [runtime], "isolation": "isolated"})
        digest = f"sha256:{hashlib.sha256(code).hexdigest()}"
        yield RunSpec("capmart/probe@1.0.0", digest, delivery, (wheel,), limits=LIMITS)
