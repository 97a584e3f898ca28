"""A component that misbehaves on purpose, one action for each way; packed as it stands and run in the sandbox."""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
import threading
import time
from typing import Any

from capmart_component import ActionError, action

CALLS: list[str] = []


@action(title_zh="良好", title_en="Well behaved")
def well(text: str) -> str:
    return text[::-1]


@action(title_zh="吃内存", title_en="Eat memory")
def eat_memory(mib: int) -> int:
    block = bytearray(mib << 20)
    for place in range(0, len(block), 4096):
        block[place] = 1
    return len(block)


@action(title_zh="睡过头", title_en="Sleep too long")
def sleep(seconds: float) -> str:
    time.sleep(seconds)
    return "awake"


@action(title_zh="无视信号的忙循环", title_en="Busy, deaf to signals")
def busy() -> str:
    for number in range(1, 65):
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    while True:
        pass


@action(title_zh="留下守护进程", title_en="Leave a daemon")
def daemon(seconds: float) -> int:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(seconds)
        os._exit(0)
    os.wait()
    return os.getpid()


@action(title_zh="进程列表", title_en="List processes")
def processes() -> list[int]:
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


@action(title_zh="分叉炸弹", title_en="Fork bomb")
def fork_bomb() -> str:
    while True:
        with contextlib.suppress(OSError):
            os.fork()


@action(title_zh="线程炸弹", title_en="Thread bomb")
def thread_bomb() -> int:
    for _ in range(10_000):
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    return threading.active_count()


@action(title_zh="填满临时目录", title_en="Fill /tmp")
def fill_tmp() -> int:
    written = 0
    with open("/tmp/full", "wb", buffering=0) as file:
        while True:
            written += file.write(bytes(1 << 20))


@action(title_zh="留下文件", title_en="Leave files")
def leave_files() -> list[str]:
    os.makedirs("/tmp/locked/inside")
    with open("/tmp/locked/inside/secret", "w") as file:
        file.write("of the first caller")
    os.chmod("/tmp/locked/inside", 0)
    os.chmod("/tmp/locked", 0)
    return os.listdir("/tmp")


@action(title_zh="临时目录", title_en="List /tmp")
def list_tmp() -> list[str]:
    return os.listdir("/tmp")


@action(title_zh="段错误", title_en="Segmentation fault")
def segfault() -> str:
    ctypes.string_at(0)
    return "alive"


@action(title_zh="退出", title_en="Exit")
def leave(code: int) -> str:
    os._exit(code)


@action(title_zh="抛出异常", title_en="Raise")
def raise_(kind: str) -> str:
    if kind == "refusal":
        raise ActionError("不行", "no")
    raise LookupError("nothing there")


@action(title_zh="大结果", title_en="Large result")
def large(mib: int) -> str:
    return "x" * (mib << 20)


@action(title_zh="坏结果", title_en="Bad result")
def bad(kind: str) -> Any:
    if kind == "nan":
        return float("nan")
    if kind == "object":
        return {"value": object()}
    if kind == "cycle":
        ring: list[Any] = []
        ring.append(ring)
        return ring
    deep: Any = 0
    for _ in range(100_000):
        deep = [deep]
    return deep


@action(title_zh="刷屏", title_en="Flood the output")
def flood(mib: int, stream: str) -> str:
    chunk = b"\xff\x1b[2J" * (1 << 18)
    for _ in range(mib):
        os.write(1 if stream == "out" else 2, chunk)
    return "done"


@action(title_zh="连接外部", title_en="Reach out")
def reach(host: str) -> str:
    try:
        socket.create_connection((host, 80), timeout=2).close()
    except OSError as error:
        return type(error).__name__
    return "reached"


@action(title_zh="原始套接字", title_en="Raw socket")
def raw_socket() -> str:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    except OSError as error:
        return type(error).__name__
    return "opened"


@action(title_zh="逃逸尝试", title_en="Try to escape")
def escape() -> dict[str, str]:
    libc = ctypes.CDLL(None, use_errno=True)

    def told(result: int) -> str:
        return "allowed" if result >= 0 else os.strerror(ctypes.get_errno())

    def opened(path: str, mode: str) -> str:
        try:
            with open(path, mode):
                return "allowed"
        except OSError as error:
            return str(error.strerror)

    return {
        "rootfs": opened("/usr/local/bin/python3", "ab"),
        "etc": opened("/etc/passwd", "a"),
        "own": opened(__file__, "ab"),
        "memory of the first process": opened("/proc/1/mem", "rb"),
        "mount": told(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)),
        "unshare": told(libc.unshare(0x10000000)),
        "bpf": told(libc.syscall(321, 0, 0, 0)),
        "keyctl": told(libc.syscall(250, 0, 0)),
        "io_uring": told(libc.syscall(425, 1, 0)),
        "ptrace": told(libc.ptrace(16, 1, 0, 0)),
    }


@action(title_zh="杀死别人", title_en="Kill everybody else")
def kill_others() -> str:
    for number in (signal.SIGSTOP, signal.SIGKILL):
        with contextlib.suppress(OSError):
            os.kill(1, number)
    return "still here"


@action(title_zh="污染状态", title_en="Poison the state")
def poison() -> int:
    CALLS.append("poison")
    json.dumps = lambda *_, **__: "poisoned"
    builtins.len = lambda _: 42
    sys.modules["acme_extra"] = sys
    os.environ["ACME_SECRET"] = "of the first caller"
    return 1


@action(title_zh="查看状态", title_en="Look at the state")
def look() -> dict[str, Any]:
    return {
        "calls": CALLS,
        "length": len("ab"),
        "json": json.dumps([1]),
        "modules": "acme_extra" in sys.modules,
        "secret": os.environ.get("ACME_SECRET"),
    }


@action(title_zh="伪造应答", title_en="Forge an answer")
def forge() -> str:
    for number in range(3, 64):
        with contextlib.suppress(OSError):
            if os.path.realpath(f"/proc/self/fd/{number}").split("/")[-1].startswith(("socket:", "pipe:")):
                os.set_blocking(number, False)
                os.write(number, b"\x06\x00\x00\x00\x20\x00\x00\x00\x02" + b'{"id":"0123456789abcdef","ok":1}' + b"42")
    return "honest"
