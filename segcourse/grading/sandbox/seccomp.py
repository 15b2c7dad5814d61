"""The seccomp filter of a sandbox: which system calls a submission may make.

Processes in a sandbox have the instructor's user id, and files of this machine are in reach, read-only. The
filter therefore has four answers:

- Changing permissions or locking a file does nothing and reports success, because ordinary programs do both
  all the time. A lock would hold up this machine's own programs.
- Calls that take memory no limit counts, that reach into other processes, that make namespaces, or that are
  the kernel's most attacked fail with ENOSYS, as on a kernel without them. Libraries then do without.
- Starting a process in a new user namespace fails with EPERM.
- Sockets of families that no network namespace isolates (vsock reaches the host of a virtual machine) fail
  with EAFNOSUPPORT.
"""

import ctypes
import errno
import platform
import struct

# by platform.machine(): AUDIT_ARCH of linux/audit.h, the numbers of socket, fcntl and clone, ignored calls,
# refused calls; the numbers are those of the kernel's tables, syscall_64.tbl and asm-generic/unistd.h
_MACHINES = {
    "x86_64": (
        0xC000003E,
        (41, 72, 56),
        # flock chmod fchmod chown fchown lchown setxattr lsetxattr fsetxattr removexattr lremovexattr
        # fremovexattr fchownat fchmodat fchmodat2 setxattrat removexattrat
        (73, 90, 91, 92, 93, 94, 188, 189, 190, 197, 198, 199, 260, 268, 452, 463, 466),
        # shmget semget msgget ptrace add_key request_key keyctl unshare perf_event_open setns
        # process_vm_readv process_vm_writev kcmp memfd_create bpf userfaultfd
        # io_uring_{setup,enter,register} clone3 pidfd_getfd memfd_secret
        (29, 64, 68, 101, 248, 249, 250, 272, 298, 308, 310, 311, 312, 319, 321, 323, 425, 426, 427, 435, 438,
         447),
    ),
    "aarch64": (
        0xC00000B7,
        (198, 25, 220),
        (32, 5, 6, 7, 14, 15, 16, 52, 53, 54, 55, 452, 463, 466),
        (194, 190, 186, 117, 217, 218, 219, 97, 241, 268, 270, 271, 272, 279, 280, 282, 425, 426, 427, 435,
         438, 447),
    ),
}  # fmt: skip
_X32_BIT = 0x40000000  # from here on, x86_64 has the same calls under other numbers
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # classic BPF
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24  # offsets in struct seccomp_data
_FAMILIES = (1, 2, 10, 16)  # Unix, IPv4, IPv6, netlink
# of fcntl: F_SETLK F_SETLKW F_OFD_SETLK F_OFD_SETLKW F_SETLEASE F_NOTIFY
_LOCKS = (6, 7, 37, 38, 1024, 1026)
_CLONE_NEWUSER = 1 << 28
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000  # SECCOMP_RET_*
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2  # prctl(2)


def filter_program(machine: str = platform.machine()) -> bytes:
    """Return the filter as a BPF program; empty for a machine whose call numbers are not listed here.

    >>> len(filter_program("x86_64")) % 8, filter_program("a toaster")
    (0, b'')
    """
    if machine not in _MACHINES:
        return b""
    architecture, (socket, fcntl, clone), ignored, refused = _MACHINES[machine]
    missing = _ERRNO | errno.ENOSYS
    lines = [(_LOAD, 0, 0, _ARCHITECTURE), (_JUMP_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, missing)]
    lines += [(_LOAD, 0, 0, _NUMBER), (_JUMP_AT_LEAST, 0, 1, _X32_BIT), (_RETURN, 0, 0, missing)]
    for numbers, answer in (ignored, _ERRNO), (refused, missing):
        for number in numbers:
            lines += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, answer)]
    lines += [(_JUMP_EQUAL, 0, 4, clone), (_LOAD, 0, 0, _FIRST_ARGUMENT)]
    lines += [
        (_JUMP_SET, 0, 1, _CLONE_NEWUSER),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
    lines += [(_JUMP_EQUAL, 0, 2 + 2 * len(_LOCKS), fcntl), (_LOAD, 0, 0, _SECOND_ARGUMENT)]
    for lock in _LOCKS:
        lines += [(_JUMP_EQUAL, 0, 1, lock), (_RETURN, 0, 0, _ERRNO)]
    lines.append((_RETURN, 0, 0, _ALLOW))
    lines += [(_JUMP_EQUAL, 1, 0, socket), (_RETURN, 0, 0, _ALLOW), (_LOAD, 0, 0, _FIRST_ARGUMENT)]
    for family in _FAMILIES:
        lines += [(_JUMP_EQUAL, 0, 1, family), (_RETURN, 0, 0, _ALLOW)]
    lines.append((_RETURN, 0, 0, _ERRNO | errno.EAFNOSUPPORT))
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def install_filter() -> None:
    """Filter the system calls of this process and all its future children.

    Raises:
        OSError: The kernel does not support seccomp filters.
    """
    lines = filter_program()

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("lines", ctypes.c_char_p))

    libc = ctypes.CDLL(None, use_errno=True)
    program = Program(len(lines) // 8, lines)
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "the kernel does not accept a seccomp filter")
