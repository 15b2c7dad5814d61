"""Entering a sandbox that bubblewrap has made: what `nsenter` does, for a process that is already running.

Starting Python and importing PyTorch takes a second, bubblewrap five milliseconds. So one process imports
once, and each of its forks goes into a fresh sandbox of its own, with nothing left in hand but one pipe.
"""

import contextlib
import ctypes
import fcntl
import os
from collections.abc import Iterable

from segcourse.grading.sandbox import seccomp

_OWNER_OF_NAMESPACE = 0xB701  # NS_GET_USERNS, ioctl_nsfs(2)
_NEW_USER = 0x10000000  # CLONE_NEWUSER, setns(2)
_KEEP_NAMESPACES = ("mnt", "pid", "net", "ipc", "uts", "cgroup")
_DROP_BOUNDING, _DUMPABLE, _NO_NEW_PRIVILEGES, _SUBREAPER = 24, 4, 38, 36  # prctl(2)
_CAPABILITIES_3 = 0x20080522  # capset(2)
_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments) -> None:
    if getattr(_libc, name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def enter(pid: int, keep: Iterable[int]) -> int:
    """Move this process, which must have one thread, into the namespaces of process `pid`.

    Returns twice, as `os.fork` does: 0 in a child that has them all, without capabilities, in a session of
    its own and with the descriptors `keep` and 0 to 2 alone; and in the process that called, which must then
    end, the child's number outside.

    Raises:
        OSError: the kernel refuses a step; the process must then end, for it may be half inside.
    """
    spaces = {name: os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY) for name in (*_KEEP_NAMESPACES, "user")}
    # bubblewrap makes its mounts in one user namespace and runs the program in another below it
    owner = fcntl.ioctl(spaces["mnt"], _OWNER_OF_NAMESPACE)
    _call("setns", owner, _NEW_USER)
    for name in _KEEP_NAMESPACES:
        _call("setns", spaces[name], 0)
    if os.fstat(owner).st_ino != os.fstat(spaces["user"]).st_ino:
        _call("setns", spaces["user"], _NEW_USER)
    if child := os.fork():  # a process stays in its PID namespace for life; its children are in the new one
        return child
    os.setsid()
    _drop_privileges()
    _close_all_but({0, 1, 2, *keep})
    return 0


def _drop_privileges() -> None:
    for capability in range(64):
        if _libc.prctl(_DROP_BOUNDING, capability, 0, 0, 0) < 0:
            break
    _call("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)

    class Header(ctypes.Structure):
        _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))

    none = (ctypes.c_uint32 * 6)()
    _call("capset", ctypes.byref(Header(_CAPABILITIES_3, 0)), ctypes.byref(none))
    seccomp.keep_away()


def _close_all_but(keep: set[int]) -> None:
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor not in keep:
            with contextlib.suppress(OSError):  # the listing's own is gone already
                os.close(descriptor)


def set_readable(readable: bool) -> None:
    """Whether other processes of this user may look into this one's memory and descriptors (as a debugger
    does)."""
    if hasattr(_libc, "prctl"):  # Linux; elsewhere there is no sandbox to protect
        _call("prctl", _DUMPABLE, int(readable), 0, 0, 0)


def adopt() -> None:
    """Become the parent of processes whose own have ended: in many containers the first process never sees
    to them, and their numbers would run out."""
    _call("prctl", _SUBREAPER, 1, 0, 0, 0)
