"""A component that misbehaves in every way that an action can."""

from __future__ import annotations

import builtins
import ctypes
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from capmart_component import ActionError, action

SEEN: list[str] = []
TMP = Path("/tmp")
_libc = ctypes.CDLL(None, use_errno=True)
_CALLS = {
    "x86_64": {"bpf": 321, "keyctl": 250, "add_key": 248, "io_uring_setup": 425, "memfd_create": 319, "unshare": 272}
    | {"mount": 165, "setns": 308, "userfaultfd": 323, "perf_event_open": 298, "shmget": 29, "mq_open": 240}
    | {"process_vm_readv": 310, "ptrace": 101},
    "aarch64": {"bpf": 280, "keyctl": 219, "add_key": 217, "io_uring_setup": 425, "memfd_create": 279, "unshare": 97}
    | {"mount": 40, "setns": 268, "userfaultfd": 282, "perf_event_open": 241, "shmget": 194, "mq_open": 180}
    | {"process_vm_readv": 270, "ptrace": 117},
}


@action(title_zh="问候", title_en="Hello")
def hello(name: str = "world") -> str:
    SEEN.append(name)
    return f"hello {name} {len(SEEN)}"


@action(title_zh="占内存", title_en="Allocate")
def allocate(mib: int) -> int:
    held = [os.urandom(1 << 20) for _ in range(mib)]
    return len(held)


@action(title_zh="多进程占内存", title_en="Allocate in many processes")
def allocate_in_many(count: int, mib: int) -> int:
    for _ in range(count):
        if os.fork() == 0:
            held = [os.urandom(1 << 20) for _ in range(mib)]
            time.sleep(60)
            os._exit(len(held) % 2)
    time.sleep(60)
    return count


@action(title_zh="睡眠", title_en="Sleep")
def sleep(seconds: float) -> float:
    print("asleep")
    time.sleep(seconds)
    return seconds


@action(title_zh="忙循环", title_en="Busy loop, deaf to signals")
def busy() -> int:
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    while True:
        pass


@action(title_zh="守护进程", title_en="Leave a daemon behind")
def daemon() -> str:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(60)
        os._exit(0)
    return "done"


@action(title_zh="分叉炸弹", title_en="Fork bomb")
def fork_bomb() -> int:
    while True:
        with suppress(OSError):
            os.fork()


@action(title_zh="线程炸弹", title_en="Thread bomb")
def thread_bomb() -> int:
    count = 0
    while True:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        count += 1


@action(title_zh="写满", title_en="Fill the temporary folder")
def fill() -> dict[str, Any]:
    written = 0
    with (TMP / "big").open("wb") as file:
        try:
            while True:
                written += file.write(bytes(1 << 20))
        except OSError as error:
            return {"mib": written >> 20, "error": error.errno}


@action(title_zh="写满再占内存", title_en="Fill the temporary folder, then allocate")
def fill_and_allocate(mib: int) -> int:
    with suppress(OSError), (TMP / "big").open("wb") as file:
        while True:
            file.write(bytes(1 << 20))
    return len([os.urandom(1 << 20) for _ in range(mib)])


@action(title_zh="留文件", title_en="Leave files")
def leave_files() -> int:
    (TMP / "note").write_text("for the next call")
    (TMP / "link").symlink_to("/opt")
    folder = TMP
    for _ in range(300):
        folder /= "d"
        folder.mkdir(mode=0o500 if folder == TMP / "d" else 0o700)
        folder.chmod(0o700)
    (folder / "deep").write_text("x")
    (TMP / "d").chmod(0)
    return len(list(TMP.iterdir()))


@action(title_zh="看文件", title_en="List files")
def list_files() -> list[str]:
    return sorted(path.name for path in TMP.iterdir())


@action(title_zh="段错误", title_en="Segmentation fault")
def segfault() -> int:
    return len(ctypes.string_at(0))


@action(title_zh="退出", title_en="Exit without an answer")
def leave(code: int = 0) -> int:
    os._exit(code)


@action(title_zh="系统退出", title_en="SystemExit")
def system_exit() -> int:
    sys.exit(0)


@action(title_zh="杀", title_en="Kill everything")
def kill_all() -> str:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGSTOP, signal.SIGKILL, signal.SIGCHLD, signal.SIGUSR1):
        os.kill(1, number)
    with suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    return "survived"


@action(title_zh="跟踪", title_en="Look into the runner")
def look_into_runner() -> dict[str, str]:
    looks: dict[str, Callable[[], object]] = {
        "mem": lambda: Path("/proc/1/mem").open("rb").read(1),
        "fd": lambda: list(Path("/proc/1/fd").iterdir()),
        "environ": lambda: Path("/proc/1/environ").read_bytes(),
        "attach": lambda: _syscall("ptrace", 16, 1, 0, 0),
    }
    return {name: _outcome(look) for name, look in looks.items()}


@action(title_zh="伪造", title_en="Forge an answer")
def forge(own_id: bool) -> str:
    call_id = "0" * 32
    if own_id:
        frame = sys._getframe()
        while not isinstance(frame.f_locals.get("header"), dict):
            frame = frame.f_back  # type: ignore[assignment]
        call_id = frame.f_locals["header"]["id"]
    body = b'"forged"'
    header = json.dumps({"id": call_id, "ok": True}).encode()
    data = struct.pack(">BII", 6, len(header), len(body)) + header + body
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            if int(name) > 2 and os.readlink(f"/proc/self/fd/{name}").startswith("pipe:"):
                os.write(int(name), data)
    time.sleep(0.2)
    return "honest"


@action(title_zh="大结果", title_en="Large result")
def large(mib: int) -> str:
    return "x" * (mib << 20)


@action(title_zh="坏结果", title_en="Result that is no JSON")
def bad(kind: str) -> Any:
    cyclic: list[Any] = []
    cyclic.append(cyclic)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    values: dict[str, Any] = {"set": {1}, "nan": float("nan"), "cyclic": cyclic, "deep": deep, "bytes": b"x"}
    return values[kind]


@action(title_zh="刷屏", title_en="Flood the output")
def flood(mib: int) -> str:
    for _ in range(mib):
        os.write(1, b"x" * (1 << 20))
    return "done"


@action(title_zh="乱码", title_en="Ugly output")
def ugly() -> str:
    os.write(2, b"\x1b[31mred\x1b[0m \xff\xfe \x07 \xe4\xba\xa7 no newline")
    return "done"


@action(title_zh="外连", title_en="Reach out")
def reach_out() -> dict[str, str]:
    found = {}
    for address in ("1.1.1.1", "172.17.0.1", "169.254.169.254"):
        found[address] = _outcome(lambda address=address: socket.create_connection((address, 80), 1))  # type: ignore[misc]
    kinds = {"raw": (socket.AF_INET, socket.SOCK_RAW, 1), "packet": (17, socket.SOCK_RAW, 0), "vsock": (40, 1, 0)}
    kinds |= {"alg": (38, 5, 0), "netfilter": (16, 3, 12)}
    for name, arguments in kinds.items():
        found[name] = _outcome(lambda arguments=arguments: socket.socket(*arguments))  # type: ignore[misc]
    found["hub"] = _outcome(lambda: socket.socket(socket.AF_UNIX).connect("/capmart/io/hub.sock"))
    return found


@action(title_zh="越狱", title_en="Break out")
def break_out() -> dict[str, str]:
    tries: dict[str, Callable[[], object]] = {
        "rootfs": lambda: Path("/opt/x").write_text("x"),
        "own": lambda: Path("/capmart/own/x").write_text("x"),
        "io": lambda: Path("/capmart/io/x").write_text("x"),
        "setuid": lambda: os.setuid(0),
        "unshare": lambda: _syscall("unshare", 0x1000_0000),
        "mount": lambda: _syscall("mount", 0, 0, 0, 0, 0),
        "bpf": lambda: _syscall("bpf", 0, 0, 0),
        "keyctl": lambda: _syscall("keyctl", 0, -3, 0, 0, 0),
        "io_uring": lambda: _syscall("io_uring_setup", 1, 0),
        "memfd": lambda: _syscall("memfd_create", ctypes.c_char_p(b"x"), 0),
        "userfaultfd": lambda: _syscall("userfaultfd", 0),
        "perf": lambda: _syscall("perf_event_open", 0, 0, -1, -1, 0),
        "setns": lambda: _syscall("setns", 0, 0),
        "shm": lambda: _syscall("shmget", 0, 4096, 0o1600),
        "readv": lambda: _syscall("process_vm_readv", 1, 0, 0, 0, 0, 0),
    }
    return {name: _outcome(attempt) for name, attempt in tries.items()}


@action(title_zh="载入", title_en="Load code from the temporary folder")
def load_library() -> str:
    import _ctypes

    shutil.copy(_ctypes.__file__, TMP / "lib.so")
    return _outcome(lambda: ctypes.CDLL(str(TMP / "lib.so")))


@action(title_zh="执行", title_en="Execute from the temporary folder")
def execute() -> str:
    shutil.copy(sys.executable, TMP / "python")
    (TMP / "python").chmod(0o755)
    return _outcome(lambda: subprocess.run([str(TMP / "python"), "-c", "1"], check=True))


@action(title_zh="改写", title_en="Patch the interpreter")
def patch(secret: str) -> str:
    json.dumps = lambda *_args, **_kwargs: '"patched"'
    builtins.len = lambda _value: 42
    os.environ["SECRET"] = secret
    SEEN.append(secret)
    return secret


@action(title_zh="扫描", title_en="Scan memory")
def scan(first: str, second: str) -> dict[str, Any]:
    """Look for ``first`` directly followed by ``second``, which this call itself never puts together."""
    head, tail = first.encode(), second.encode()
    found = 0
    with open("/proc/self/mem", "rb", 0) as memory, open("/proc/self/maps") as maps:
        for line in list(maps):
            span, permissions = line.split()[:2]
            low, high = (int(part, 16) for part in span.split("-"))
            if "r" in permissions and "[v" not in line:
                with suppress(OSError, ValueError, OverflowError):
                    memory.seek(low)
                    found += sum(part.startswith(tail) for part in memory.read(high - low).split(head)[1:])
    return {"found": found, "environ": "SECRET" in os.environ, "seen": len(SEEN)}


@action(title_zh="削弱", title_en="Weaken the runner")
def weaken() -> str:
    import resource

    resource.prlimit(1, resource.RLIMIT_NOFILE, (32, 32))
    return "done"


@action(title_zh="进程", title_en="Processes")
def processes() -> list[int]:
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid())


@action(title_zh="拒绝", title_en="Refuse")
def refuse() -> int:
    raise ActionError("不合适", "not suitable")


@action(title_zh="出错", title_en="Fail")
def fail() -> int:
    return {"a": 1}["b"]


def _syscall(name: str, *arguments: Any) -> int:
    number = _CALLS[os.uname().machine][name]
    if _libc.syscall(number, *arguments) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return 0


def _outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as error:
        import errno

        return errno.errorcode.get(error.errno or 0, str(error))
    except BaseException as error:
        return type(error).__name__
    return "done"
