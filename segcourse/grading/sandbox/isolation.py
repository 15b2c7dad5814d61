"""Move a running process into a fresh sandbox: its own processes, network, RAM disks and user, and no rights.

The process is a fork of the fork server, which bubblewrap has started with everything read-only. What such a
fork runs, from its program to the course's package, is therefore read-only under every name that it has,
/proc/self/exe included. A program that entered from outside would lie on a writable disk (CVE-2019-5736).

System calls are those of unshare(2), mount(2), user_namespaces(7) and prctl(2).
"""

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import sys
from collections.abc import Iterable

from segcourse.grading.sandbox import seccomp
from segcourse.grading.sandbox.environment import RAM_DISKS

CAPABILITIES = ("SYS_ADMIN", "NET_ADMIN", "SETUID", "SETGID", "SETFCAP")  # what `isolate` needs to begin with
FILES_PER_DISK = 100_000  # each file on a RAM disk takes about 1 KB of memory that no limit counts
_USER = "1000"  # the user's id inside
_NEW_MOUNTS, _NEW_IPC, _NEW_USERS, _NEW_PIDS, _NEW_NETWORK = 1 << 17, 1 << 27, 1 << 28, 1 << 29, 1 << 30
_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_PROGRAMS = 1, 2, 4, 8
_REMOUNT, _BIND, _ALL_BELOW, _PRIVATE = 1 << 5, 1 << 12, 1 << 14, 1 << 18
_PR_CAPBSET_DROP, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 24, 4, 38
_CAPABILITY_VERSION_3 = 0x20080522  # capset(2)
_SET_INTERFACE_FLAGS, _UP_AND_RUNNING = 0x8914, 0x41  # netdevice(7)
_libc = ctypes.CDLL(None, use_errno=True)
_writable_proc: int | None = None


def _call(name: str, *arguments) -> None:
    if getattr(_libc, name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def isolate(keep: Iterable[int] = ()) -> int:
    """Move this process, which must have one thread, into a fresh sandbox.

    Like `os.fork`, this function returns twice. The child is process 1 of the sandbox: when it ends, the
    kernel ends every other process in there. No other process may look into it. It has no capabilities and no
    descriptors but 0, 1, 2, `keep` and one for `volunteer`. The calling process must then exit.

    Returns:
        0 in the child; the child's pid in the calling process.

    Raises:
        OSError: The kernel refuses a step. The process must exit, because it may be half inside.
    """
    _call("unshare", _NEW_MOUNTS | _NEW_IPC | _NEW_PIDS | _NEW_NETWORK)
    if child := os.fork():  # a process never changes its own PID namespace, only that of its children
        return child
    global _writable_proc
    _writable_proc = os.open("/proc", os.O_PATH)  # the new /proc will be read-only
    _start_loopback()
    _mount_all()
    _change_user()
    os.setsid()
    _drop_privileges()
    set_dumpable(False)
    _close_all_but({0, 1, 2, _writable_proc, *keep})
    os.chdir(os.environ["HOME"])
    return 0


def _start_loopback() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SET_INTERFACE_FLAGS, struct.pack("16sh22x", b"lo", _UP_AND_RUNNING))


def _mount_all() -> None:
    """Mount new RAM disks, terminals and a read-only /proc over those of the fork server."""
    _mount("none", "/", None, _ALL_BELOW | _PRIVATE)
    with open("/proc/self/mountinfo") as file:
        mounted = [line.split()[4] for line in file]
    for disk, size in RAM_DISKS.items():
        # this Python may itself lie below /tmp or a home folder, and has to be there again afterwards
        below = {path: os.open(path, os.O_PATH) for path in mounted if path.startswith(f"{disk}/")}
        _mount("tmpfs", disk, "tmpfs", _NO_SUID | _NO_DEVICES, f"size={size},nr_inodes={FILES_PER_DISK}")
        for path, descriptor in below.items():
            source = f"/proc/self/fd/{descriptor}"
            if os.path.isdir(source):
                os.makedirs(path, exist_ok=True)
            else:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                open(path, "w").close()
            _mount(source, path, None, _BIND)
    for device in filter(lambda path: path.startswith("/dev/"), mounted):
        if device not in ("/dev/pts", *RAM_DISKS):  # times of a device belong to the host
            _mount("none", device, None, _REMOUNT | _BIND | _READ_ONLY | _NO_SUID)
    _mount("devpts", "/dev/pts", "devpts", _NO_SUID | _NO_PROGRAMS, "newinstance,ptmxmode=0666,mode=620")
    _mount("proc", "/proc", "proc", _READ_ONLY | _NO_SUID | _NO_DEVICES | _NO_PROGRAMS)


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    _call("mount", source.encode(), target.encode(), kind and kind.encode(), flags, options.encode())


def _change_user() -> None:
    """Become a user without rights over the mounts, in a namespace where no other submission is counted."""
    ids = {"uid_map": os.getuid(), "gid_map": os.getgid()}
    _call("unshare", _NEW_USERS)
    lines = {"setgroups": "deny"} | {name: f"{_USER} {number} 1" for name, number in ids.items()}
    for name, line in lines.items():
        _write(name, line)


def _write(name: str, line: str) -> None:
    """Write to one of this process's files in the /proc of the fork server."""
    with open(os.open(f"self/{name}", os.O_WRONLY, dir_fd=_writable_proc), "w") as file:
        file.write(line)


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


def volunteer() -> None:
    """Let the kernel end this process and its children before all others when memory runs out."""
    global _writable_proc
    with contextlib.suppress(OSError):  # in Docker, /proc is the container's own
        _write("oom_score_adj", "1000")
    if _writable_proc is not None:
        os.close(_writable_proc)
        _writable_proc = None


def set_dumpable(dumpable: bool) -> None:
    """Allow or forbid other processes of this user to read this process's memory and descriptors."""
    if hasattr(_libc, "prctl"):  # Linux; other systems have no sandbox to protect
        _call("prctl", _PR_SET_DUMPABLE, int(dumpable), 0, 0, 0)


if __name__ == "__main__":  # a trial: does this kernel allow all of this?
    child = isolate()
    sys.exit(child and os.waitpid(child, 0)[1])
