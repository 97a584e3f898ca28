"""The examination: one finding a line, from what cannot be done without to what would be nice to have."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path

import httpx

from capmart_core.errors import CapmartError
from capmart_core.ports.runner import Runner
from capmart_core.text import Text
from capmart_core.times import now_utc
from capmart_sdk.client import CenterClient
from capmart_sdk.doctor.probe import LIMITS, Probed, probe
from capmart_sdk.trust import TrustedOrigin

_ROOM_MIB = 2048
_CLOCK_S = 300.0
_MIB = 1024 * 1024


class Level(StrEnum):
    """How a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes:
        name: of what was looked at; stable, for programs.
        level: how it is.
        title: the same for people.
        found: what was found.
        advice: what to do; None where nothing is to be done.
    """

    name: str
    level: Level
    title: Text
    found: Text
    advice: Text | None = None


def examine(open_runner: Callable[[], Runner], node: Path, trusted: list[TrustedOrigin]) -> Iterator[Check]:
    """Look at everything; what needs time is looked at when its finding is asked for.

    Args:
        open_runner: gives the runner to examine.
        node: folder of the node.
        trusted: the logs that are believed here.
    """
    yield _python()
    yield _room(node)
    yield from _runner(open_runner)
    if not trusted:
        yield Check(
            "trust",
            Level.WARN,
            Text(zh="信任的中心", en="Trusted centers"),
            Text(zh="无", en="none"),
            Text(
                zh="执行 capmart trust add URL，并核对指纹", en="Run capmart trust add URL and compare the fingerprint"
            ),
        )
    for one in trusted:
        if one.url:
            yield _center(one)


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", Level.OK, Text(zh="Python", en="Python"), Text(zh=version, en=version))


def _room(node: Path) -> Check:
    place = next(path for path in (node, *node.parents) if path.exists())
    free = shutil.disk_usage(place).free // _MIB
    found = Text(zh=f"{place} 剩余 {free:,} MiB", en=f"{free:,} MiB free at {place}")
    title = Text(zh="磁盘空间", en="Disk space")
    if free >= _ROOM_MIB:
        return Check("disk", Level.OK, title, found)
    advice = Text(
        zh=f"请留出至少 {_ROOM_MIB} MiB：组件、镜像与日志都存放于此",
        en=f"Make room, {_ROOM_MIB} MiB at least: components, images and logs lie there",
    )
    return Check("disk", Level.WARN, title, found, advice)


def _runner(open_runner: Callable[[], Runner]) -> Iterator[Check]:
    title = Text(zh="容器引擎", en="Container engine")
    try:
        runner = open_runner()
        info = runner.info()
    except CapmartError as error:
        yield Check("engine", Level.FAIL, title, _message(error), _advice(error))
        return
    if info.isolation == "none":
        advice = Text(
            zh="安装 Docker 引擎（Debian：apt-get install docker.io），并让当前用户可以访问它",
            en="Install a Docker engine (Debian: apt-get install docker.io) and let this user reach it",
        )
        found = Text(
            zh="没有：仅受信任的组件可以普通进程运行，没有隔离",
            en="none: trusted components alone run, as plain processes without isolation",
        )
        yield Check("engine", Level.WARN, title, found, advice)
        return
    facts = ", ".join(f"{name} {value}" for name, value in info.detail.items() if name in _SHOWN)
    yield Check("engine", Level.OK, title, Text(zh=facts, en=facts))
    runtime, base = str(info.runtime), Text(zh="基础镜像运行时", en="Runtime of the base image")
    yield Check("runtime", Level.OK, base, Text(zh=runtime, en=runtime))
    trial = Text(zh="试运行组件", en="A component on trial")
    try:
        probed = probe(runner)
    except CapmartError as error:
        yield Check("trial", Level.FAIL, trial, _message(error), _advice(error))
        return
    yield Check(
        "trial",
        Level.OK,
        trial,
        Text(
            zh=f"首次应答 {probed.cold_ms:.0f} 毫秒，之后 {probed.warm_ms:.1f} 毫秒",
            en=f"first answer after {probed.cold_ms:.0f} ms, the next after {probed.warm_ms:.1f} ms",
        ),
    )
    yield from _confinement(probed)
    yield _gvisor(info.detail.get("runtimes", ""), info.detail.get("oci_runtime", ""))


_SHOWN = ("engine", "api", "storage", "cgroup", "oci_runtime")


def _confinement(probed: Probed) -> Iterator[Check]:
    """What the probe saw from inside; nothing of it is taken on the engine's word."""
    facts = probed.facts
    expected = {
        "user": (facts["uid"] != 0, Text(zh="非 root 用户", en="not root"), f"uid {facts['uid']}"),
        "privileges": (
            facts["no_new_privileges"] and facts["capabilities"] == 0,
            Text(zh="无特权", en="no privileges"),
            f"no_new_privs {facts['no_new_privileges']}, capabilities {facts['capabilities']:x}",
        ),
        "seccomp": (facts["seccomp"], Text(zh="seccomp 过滤", en="seccomp filter"), str(facts["seccomp"])),
        "network": (not facts["networks"], Text(zh="无网络", en="no network"), ", ".join(facts["networks"]) or "-"),
        "files": (
            not facts["root_is_writable"],
            Text(zh="只读文件系统", en="read-only file system"),
            "writable" if facts["root_is_writable"] else "read-only",
        ),
        "memory": (
            facts["memory_bytes"] == LIMITS.memory_mib * _MIB,
            Text(zh="内存上限", en="memory limit"),
            "-" if facts["memory_bytes"] is None else f"{facts['memory_bytes'] // _MIB} MiB",
        ),
        "pids": (facts["pids"] is not None, Text(zh="进程数上限", en="limit of processes"), str(facts["pids"])),
    }
    advice = Text(
        zh="请勿在此机器上运行不受信任的组件；检查引擎、内核与 cgroup 的配置",
        en="Run nothing here that you do not trust; look at how engine, kernel and cgroups are set up",
    )
    for name, (good, title, found) in expected.items():
        text = Text(zh=found, en=found)
        yield Check(name, Level.OK if good else Level.FAIL, title, text, None if good else advice)


def _gvisor(runtimes: str, used: str) -> Check:
    title = Text(zh="gVisor（更强隔离）", en="gVisor (stronger isolation)")
    if used == "runsc":
        return Check("gvisor", Level.OK, title, Text(zh="正在使用", en="in use"))
    if "runsc" in runtimes.split(", "):
        advice = Text(
            zh="设置 CAPMART_SANDBOX_RUNTIME=runsc 即可启用", en="Set CAPMART_SANDBOX_RUNTIME=runsc to use it"
        )
        return Check("gvisor", Level.OK, title, Text(zh="可用", en="available"), advice)
    return Check("gvisor", Level.OK, title, Text(zh="未安装（可选）", en="not installed (optional)"))


def _center(trusted: TrustedOrigin) -> Check:
    title = Text(zh=f"能力中心 {trusted.origin}", en=f"Center {trusted.origin}")
    url = str(trusted.url)
    try:
        with CenterClient(url) as client:
            client.about()
            began = time.monotonic()
            answer = client.http.raw.get("/.well-known/capmart.json")
            took = time.monotonic() - began
    except CapmartError as error:
        return Check("center", Level.WARN, title, _message(error), _advice(error))
    except httpx.HTTPError as error:
        text = Text(zh=str(error), en=str(error))
        return Check("center", Level.WARN, title, text, Text(zh="稍后再试", en="Try again later"))
    skew = _skew(answer.headers.get("date"))
    found = Text(zh=f"{url}，{took * 1000:.0f} 毫秒", en=f"{url}, {took * 1000:.0f} ms")
    if abs(skew) > _CLOCK_S:
        advice = Text(
            zh=f"两地时钟相差 {skew:.0f} 秒；请校准本机时间，否则会误判日志过期",
            en=f"The clocks differ by {skew:.0f} s; set this machine's, or its logs will look stale",
        )
        return Check("center", Level.WARN, title, found, advice)
    return Check("center", Level.OK, title, found)


def _skew(date: str | None) -> float:
    """Seconds by which this machine is ahead; 0 where the other does not say."""
    if date is None:
        return 0.0
    try:
        return (now_utc() - parsedate_to_datetime(date)).total_seconds()
    except (TypeError, ValueError):
        return 0.0


def _message(error: CapmartError) -> Text:
    return Text(zh=error.message("zh"), en=error.message("en"))


def _advice(error: CapmartError) -> Text:
    return Text(zh=error.advice("zh") or "-", en=error.advice("en") or "-")
