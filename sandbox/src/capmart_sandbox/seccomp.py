"""The system calls that a component may make.

It allows what the Docker engine's default profile allows a container without any capability (moby,
``profiles/seccomp/default.json``, facts read July 2026), and takes away more, each for a reason:

- ``io_uring_*``: much attack surface, and it goes around the other rules;
- ``memfd_create``, ``memfd_secret``: code could be executed from memory although ``/tmp`` is ``noexec``;
- ``ptrace``, ``process_vm_*``, ``pidfd_getfd``, ``kcmp``: one process of a box could look into another;
- ``keyctl``, ``add_key``, ``request_key``, ``bpf``, ``userfaultfd``, ``perf_event_open``, ``unshare``, ``setns``,
  ``mount`` and new namespaces: not in the default either, named so that they stay out;
- System V and POSIX message queues, shared memory and semaphores, where calls are isolated from each other: they
  outlive the call that makes them;
- sockets other than Unix, IPv4, IPv6 and the routing netlink: unused protocols have been a way into the kernel;
- ``modify_ldt``, ``remap_file_pages``, ``vmsplice``, ``name_to_handle_at``, ``fanotify_mark``, clock adjustment:
  nothing needs them.

Only the machine's own 64-bit calls exist; a 32-bit program does not start. What is refused answers EPERM, or ENOSYS
where programs then do it another way. Nothing is killed for asking.
"""

from __future__ import annotations

import json
import platform
from functools import cache
from typing import Any

_ARCHITECTURES = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}
_ENOSYS = 38
_NEW_NAMESPACES = 0x7E02_0000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET (sched.h)
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_NETLINK_ROUTE = 0
_PERSONALITIES = (0, 8, 0x2_0000, 0x2_0008, 0xFFFF_FFFF)

_FILES = """
    access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64
    fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fremovexattr
    fsetxattr fstat fstatfs fsync ftruncate futimesat getcwd getdents getdents64 getxattr ioctl lchown lgetxattr link
    linkat listxattr llistxattr lremovexattr lseek lsetxattr lstat mkdir mkdirat mknod mknodat newfstatat open openat
    openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv removexattr rename
    renameat renameat2 rmdir sendfile setxattr splice stat statfs statx symlink symlinkat sync sync_file_range syncfs
    tee truncate umask unlink unlinkat utime utimensat utimes write writev cachestat
"""
_MEMORY = """
    brk madvise membarrier mincore mlock mlock2 mlockall mmap mprotect mremap msync munlock munlockall munmap pkey_alloc
    pkey_free pkey_mprotect map_shadow_stack
"""
_PROCESSES = """
    arch_prctl capget capset execve execveat exit exit_group fork get_robust_list get_thread_area getegid geteuid
    getgid getgroups getpgid getpgrp getpid getppid getpriority getresgid getresuid getrlimit getrusage getsid gettid
    getuid ioprio_get ioprio_set kill pidfd_open pidfd_send_signal prctl prlimit64 rseq sched_get_priority_max
    sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
    sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp set_robust_list
    set_thread_area set_tid_address setfsgid setfsuid setgid setgroups setpgid setpriority setregid setresgid
    setresuid setreuid setrlimit setsid setuid tgkill times tkill vfork wait4 waitid landlock_add_rule
    landlock_create_ruleset landlock_restrict_self
"""
_SIGNALS_AND_TIME = """
    alarm clock_getres clock_gettime clock_nanosleep getcpu getitimer gettimeofday nanosleep pause restart_syscall
    rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
    rt_tgsigqueueinfo setitimer sigaltstack time timer_create timer_delete timer_getoverrun timer_gettime timer_settime
    timerfd_create timerfd_gettime timerfd_settime
"""
_WAITING = """
    epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 futex futex_requeue
    futex_wait futex_waitv futex_wake inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy
    io_getevents io_pgetevents io_setup io_submit pipe pipe2 poll ppoll pselect6 select signalfd signalfd4
"""
_SOCKETS = """
    accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg sendmsg
    sendto setsockopt shutdown socketpair
"""
_MACHINE = "getrandom sysinfo uname"
_LASTING_IPC = """
    mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd semctl semget
    semop semtimedop shmat shmctl shmdt shmget
"""
_ABSENT = "clone3 io_uring_enter io_uring_register io_uring_setup"


def supported() -> bool:
    """Whether there is a profile for this machine; elsewhere the engine's own default holds."""
    return platform.machine() in _ARCHITECTURES


@cache
def profile(*, lasting_ipc: bool) -> str:
    """The profile as the engine takes it.

    Args:
        lasting_ipc: whether shared memory and queues that outlive a process are allowed: to applications, which keep
            their state anyway, and never where one call must not meet another.
    """
    names = f"{_FILES} {_MEMORY} {_PROCESSES} {_SIGNALS_AND_TIME} {_WAITING} {_SOCKETS} {_MACHINE}".split()
    if lasting_ipc:
        names += _LASTING_IPC.split()
    rules = [
        _rule(names),
        _rule(["clone"], _argument(0, "SCMP_CMP_MASKED_EQ", _NEW_NAMESPACES, 0)),
        *(_rule(["socket"], _argument(0, "SCMP_CMP_EQ", family)) for family in (_AF_UNIX, _AF_INET, _AF_INET6)),
        _rule(["socket"], _argument(0, "SCMP_CMP_EQ", _AF_NETLINK), _argument(2, "SCMP_CMP_EQ", _NETLINK_ROUTE)),
        *(_rule(["personality"], _argument(0, "SCMP_CMP_EQ", value)) for value in _PERSONALITIES),
        {"names": _ABSENT.split(), "action": "SCMP_ACT_ERRNO", "errnoRet": _ENOSYS},
    ]
    architectures = [_ARCHITECTURES[platform.machine()]]
    return json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "architectures": architectures, "syscalls": rules})


def _rule(names: list[str], *arguments: dict[str, Any]) -> dict[str, Any]:
    return {"names": names, "action": "SCMP_ACT_ALLOW", "args": list(arguments)}


def _argument(index: int, op: str, value: int, value_two: int = 0) -> dict[str, Any]:
    return {"index": index, "op": op, "value": value, "valueTwo": value_two}
