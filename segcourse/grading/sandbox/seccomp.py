"""The system calls that a submission has no use for, and the kernel's filter (seccomp) that keeps them away.

What runs inside a sandbox has the instructor's user number: whatever file of the instructor's it gets hold
of, it may give other rights, and a running process always has hold of its own program (/proc/self/exe), as
the file lies outside. So changes of rights are passed over, in silence, because honest programs make them all
the time. Calls that take memory which no limit sees, reach into other processes, or are the kernel's
most attacked are answered as by a kernel that lacks them: libraries then do without. Sockets of families that
no network namespace holds back (vsock reaches the host of a virtual machine) are answered likewise.
"""

import ctypes
import errno
import os
import platform
import struct

# (name in linux/audit.h as a number, socket, passed over, refused), by what platform.machine() says; the
# numbers are those of the kernel's tables, syscall_64.tbl and asm-generic/unistd.h
_MACHINES = {
    "x86_64": (
        0xC000003E,
        41,
        # chmod fchmod chown fchown lchown setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr
        # fchownat fchmodat fchmodat2 setxattrat removexattrat
        (90, 91, 92, 93, 94, 188, 189, 190, 197, 198, 199, 260, 268, 452, 463, 466),
        # shmget semget msgget ptrace add_key request_key keyctl perf_event_open process_vm_readv
        # process_vm_writev kcmp memfd_create bpf userfaultfd io_uring_{setup,enter,register} pidfd_getfd
        # memfd_secret
        (29, 64, 68, 101, 248, 249, 250, 298, 310, 311, 312, 319, 321, 323, 425, 426, 427, 438, 447),
    ),
    "aarch64": (
        0xC00000B7,
        198,
        (5, 6, 7, 14, 15, 16, 52, 53, 54, 55, 452, 463, 466),
        (194, 190, 186, 117, 217, 218, 219, 241, 270, 271, 272, 279, 280, 282, 425, 426, 427, 438, 447),
    ),
}
_OTHER_TABLE = 0x40000000  # from here on x86_64 has the same calls under other numbers
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # classic BPF
_FAMILIES = (1, 2, 10, 16)  # Unix, IPv4, IPv6, netlink
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_SET_FILTER, _BY_PROGRAM = 22, 2  # prctl(2)


def program(machine: str = platform.machine()) -> bytes:
    """The filter as bubblewrap and the kernel take it; empty for a machine whose numbers are not known here.

    >>> len(program("x86_64")) % 8, program("a toaster")
    (0, b'')
    """
    if machine not in _MACHINES:
        return b""
    name, socket, passed_over, refused = _MACHINES[machine]
    missing = _ERROR | errno.ENOSYS
    lines = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, name), (_RETURN, 0, 0, missing)]
    lines += [(_LOAD, 0, 0, 0), (_AT_LEAST, 0, 1, _OTHER_TABLE), (_RETURN, 0, 0, missing)]
    for numbers, answer in (passed_over, _ERROR), (refused, missing):
        for number in numbers:
            lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, answer)]
    lines += [(_EQUAL, 1, 0, socket), (_RETURN, 0, 0, _ALLOW), (_LOAD, 0, 0, 16)]  # its first argument
    for family in _FAMILIES:
        lines += [(_EQUAL, 0, 1, family), (_RETURN, 0, 0, _ALLOW)]
    lines.append((_RETURN, 0, 0, _ERROR | errno.EAFNOSUPPORT))
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def pipe() -> int:
    """A descriptor from which the filter can be read, once."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as file:
        file.write(program())
    return reading


def keep_away() -> None:
    """Filter this process's calls, and those of all that come from it, from now on.

    Raises:
        OSError: the kernel has no such filters.
    """
    lines = program()
    if not lines:
        return

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("lines", ctypes.c_char_p))

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_SET_FILTER, _BY_PROGRAM, ctypes.byref(Program(len(lines) // 8, lines)), 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "the kernel refuses to filter system calls")
