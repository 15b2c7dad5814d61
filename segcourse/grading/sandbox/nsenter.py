"""Join the namespaces of an existing sandbox, as nsenter(1) does, from a running process.

Starting Python and importing PyTorch takes a second, starting bubblewrap five milliseconds. So one process
imports PyTorch once, and each of its forks joins a fresh sandbox.
"""

import contextlib
import ctypes
import fcntl
import os
from collections.abc import Iterable

from segcourse.grading.sandbox import seccomp

_NS_GET_USERNS = 0xB701  # ioctl_ns(2)
_CLONE_NEWUSER = 0x10000000  # setns(2)
_NAMESPACES = ("mnt", "pid", "net", "ipc", "uts", "cgroup")
_PR_CAPBSET_DROP, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_SET_CHILD_SUBREAPER = 24, 4, 38, 36  # prctl(2)
_CAPABILITY_VERSION_3 = 0x20080522  # capset(2)
_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments) -> None:
    if getattr(_libc, name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def enter_namespaces(pid: int, keep: Iterable[int]) -> int:
    """Move this process, which must have one thread, into the namespaces of process `pid`.

    Like `os.fork`, this function returns twice. The child is fully inside the sandbox: without capabilities,
    in its own session, and with no descriptors but 0, 1, 2 and `keep`. The calling process must then exit.

    Returns:
        0 in the child; the child's pid, as seen from outside, in the calling process.

    Raises:
        OSError: The kernel refuses a step. The process must exit, because it may be half inside.
    """
    spaces = {name: os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY) for name in (*_NAMESPACES, "user")}
    # bubblewrap makes its mounts in one user namespace and runs the program in a child of that namespace
    owner = fcntl.ioctl(spaces["mnt"], _NS_GET_USERNS)
    _call("setns", owner, _CLONE_NEWUSER)
    for name in _NAMESPACES:
        _call("setns", spaces[name], 0)
    if os.fstat(owner).st_ino != os.fstat(spaces["user"]).st_ino:
        _call("setns", spaces["user"], _CLONE_NEWUSER)
    if child := os.fork():  # a process never changes its own PID namespace, only that of its children
        return child
    os.setsid()
    _drop_privileges()
    _close_all_but({0, 1, 2, *keep})
    return 0


def _drop_privileges() -> None:
    for capability in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)

    class Header(ctypes.Structure):
        _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))

    none = (ctypes.c_uint32 * 6)()
    _call("capset", ctypes.byref(Header(_CAPABILITY_VERSION_3, 0)), ctypes.byref(none))
    seccomp.install_filter()


def _close_all_but(keep: set[int]) -> None:
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor not in keep:
            with contextlib.suppress(OSError):  # the descriptor of the listing itself is already closed
                os.close(descriptor)


def set_dumpable(dumpable: bool) -> None:
    """Allow or forbid other processes of this user to read this process's memory and descriptors."""
    if hasattr(_libc, "prctl"):  # Linux; other systems have no sandbox to protect
        _call("prctl", _PR_SET_DUMPABLE, int(dumpable), 0, 0, 0)


def become_subreaper() -> None:
    """Adopt orphaned descendants; in many containers process 1 never reaps them, and pids would run out."""
    _call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
