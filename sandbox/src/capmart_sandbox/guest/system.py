"""What the guest asks of the kernel: protection of the runner, counters of the box, the sweep between calls."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import stat
from contextlib import suppress
from typing import Any

_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_MAX_WIPED = 100_000
_RLIMITS = 16  # asm-generic/resource.h; the module resource does not name it

try:
    _prctl: Any = ctypes.CDLL(None, use_errno=True).prctl
except (OSError, AttributeError):  # pragma: no cover - not Linux
    _prctl = None


def prctl(option: int, value: int) -> bool:
    """Set one of this process's properties; False where the kernel does not have it."""
    return _prctl is not None and _prctl(option, value, 0, 0, 0) == 0


def protect_runner() -> None:
    """Close the runner's memory and descriptors to the calls it runs, which have the same user id.

    Without it a call attached to the runner with ptrace, froze it for good, and opened ``/proc/1/mem``.
    """
    prctl(_PR_SET_DUMPABLE, 0)


def adopt_orphans() -> None:
    """Outside a process namespace of its own: become the parent of processes that lose theirs, so they can be swept."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def expose_call() -> None:
    """In a call: undo the protection, and volunteer for the kernel's memory killer so that it spares the runner."""
    prctl(_PR_SET_DUMPABLE, 1)
    try:
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(fd, b"1000")
    except OSError:
        pass
    finally:
        os.close(fd)


def watch(pid: int) -> int:
    """A descriptor that becomes readable when the child ``pid`` ends; -1 where the kernel has none (before 5.3)."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return -1


def limit_memory(mib: int) -> None:
    """Without a memory cgroup: bound this process's private memory.

    ``RLIMIT_DATA`` and not ``RLIMIT_AS``: numeric libraries reserve gigabytes of addresses that they never touch.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = mib * 1024 * 1024
    if hard == resource.RLIM_INFINITY or wanted < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, wanted))


class Counter:
    """A number that the kernel counts up for this box, such as how often it refused another process.

    Args:
        places: files of the box's own control group, of either version, and the word before the number.
    """

    def __init__(self, places: tuple[tuple[str, bytes], ...]) -> None:
        self._place = next(((path, key) for path, key in places if os.access(path, os.R_OK)), None)
        self._seen = self._read()

    def _read(self) -> int:
        if self._place is None:
            return 0
        path, key = self._place
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - pathlib costs every start of a box 3 ms
                for line in file:
                    if line.startswith(key):
                        return int(line.split()[1])
        except (OSError, ValueError, IndexError):
            pass
        return 0

    def rose(self) -> bool:
        """Whether the count is higher than at the last call of this method."""
        before, self._seen = self._seen, self._read()
        return self._seen > before


def oom_counter() -> Counter:
    """Processes that the kernel killed for want of memory."""
    return Counter(
        (
            ("/sys/fs/cgroup/memory.events", b"oom_kill "),
            ("/sys/fs/cgroup/memory/memory.oom_control", b"oom_kill "),
        )
    )


def pids_counter() -> Counter:
    """Processes and threads that the kernel refused to make."""
    return Counter((("/sys/fs/cgroup/pids.events", b"max "), ("/sys/fs/cgroup/pids/pids.events", b"max ")))


def posture() -> tuple[Any, ...]:
    """What another process of the same user could have changed of this one: limits, niceness, processors."""
    limits = tuple(resource.getrlimit(number) for number in range(_RLIMITS))
    return limits, os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0), frozenset(os.sched_getaffinity(0))


class Reaped:
    """Processor time and peak memory of processes that ended."""

    def __init__(self) -> None:
        self.cpu_s = 0.0
        self.peak_kib = 0

    def add(self, usage: resource.struct_rusage) -> None:
        """Count one more."""
        self.cpu_s += usage.ru_utime + usage.ru_stime
        self.peak_kib = max(self.peak_kib, usage.ru_maxrss)


def sweep_box(total: Reaped) -> None:
    """As process 1: end every other process of the box and reap it.

    ``kill(-1)`` reaches all of them at once, so that a fork bomb cannot outrun it.
    """
    while True:
        with suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        if not _reap_all(total, block=True):
            return


def sweep_tree(total: Reaped) -> None:
    """As an ordinary process that adopts orphans: end every descendant and reap it."""
    while _reap_all(total, block=False):
        for pid in descendants(os.getpid()):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        _reap_one(total, block=True)


def _reap_all(total: Reaped, *, block: bool) -> bool:
    """Reap what has ended (all there is, when blocking); whether any process is left."""
    while True:
        left = _reap_one(total, block=block)
        if left is None:
            return False
        if not left:
            return True


def _reap_one(total: Reaped, *, block: bool) -> bool | None:
    """True when one was reaped, False when none has ended yet, None when there is none."""
    try:
        pid, _status, usage = os.wait4(-1, 0 if block else os.WNOHANG)
    except ChildProcessError:
        return None
    if pid == 0:
        return False
    total.add(usage)
    return True


def descendants(root: int) -> list[int]:
    """Ids of all processes below ``root``, deepest last."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib costs every start of a box 3 ms
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123 - same
                    fields = file.read().rpartition(b")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(name))
            except (OSError, IndexError, ValueError):
                continue
    found: list[int] = []
    waiting = [root]
    while waiting:
        below = parents.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def wipe(folder: str) -> bool:
    """Remove everything in ``folder``, never following a link; False when something stays.

    Without recursion, so that a deep tree made on purpose cannot exhaust the runner's stack.
    """
    try:
        with os.scandir(folder) as entries:
            if next(entries, None) is None:
                return True
        return _empty(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except OSError:
        return False


def _empty(top: int) -> bool:
    """Empty the folder open as ``top``: what lies deeper is moved up until no folder holds a folder."""
    count = 0
    try:
        while names := os.listdir(top):
            for name in names:
                count += 1
                if count > _MAX_WIPED:
                    return False
                if not stat.S_ISDIR(os.lstat(name, dir_fd=top).st_mode):
                    os.unlink(name, dir_fd=top)
                else:
                    count = _lift(name, top, count)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(top)


def _lift(name: str, top: int, count: int) -> int:
    os.chmod(name, 0o700, dir_fd=top)
    inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
    try:
        for below in os.listdir(inner):  # noqa: PTH208 - an open folder has no path
            count += 1
            if stat.S_ISDIR(os.lstat(below, dir_fd=inner).st_mode):
                os.chmod(below, 0o700, dir_fd=inner)
                os.rename(below, f"\x01lifted-{count}", src_dir_fd=inner, dst_dir_fd=top)
            else:
                os.unlink(below, dir_fd=inner)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=top)
    return count


def end_leftovers(*, own_box: bool) -> None:
    """End what the import of a component left running."""
    if own_box:
        sweep_box(Reaped())
    else:
        sweep_tree(Reaped())
