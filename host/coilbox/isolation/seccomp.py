"""The system calls that a locked worker may make, as a seccomp filter of our own.

A worker computes, and talks over the one socket that it has. Everything that opens, makes, names
or reaches anything else is missing from the list, so it is refused by the kernel whatever the
guest did to the worker's code: most calls kill the worker, a few that libraries try in passing
(such as looking for a file) only fail.
"""

from __future__ import annotations

import ctypes
import platform
import struct
import sys

from coilbox.isolation.kernel import libc, system_call

# Numbers of asm/unistd_64.h.
_ALLOWED = {
    "read": 0, "write": 1, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "munmap": 11,
    "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "pread64": 17,
    "select": 23,
    "sched_yield": 24, "mremap": 25, "madvise": 28, "nanosleep": 35, "getpid": 39, "sendto": 44,
    "recvfrom": 45, "sendmsg": 46, "recvmsg": 47, "exit": 60, "gettimeofday": 96,
    "getrusage": 98, "rt_sigtimedwait": 128, "sigaltstack": 131, "gettid": 186, "time": 201,
    "futex": 202, "sched_getaffinity": 204, "restart_syscall": 219, "clock_gettime": 228,
    "clock_getres": 229, "clock_nanosleep": 230, "exit_group": 231, "pselect6": 270, "ppoll": 271,
    "set_robust_list": 273, "getrandom": 318, "membarrier": 324, "rseq": 334,
}  # fmt: skip
# Allowed unless they would make memory executable: every piece of code was mapped before.
_WITHOUT_EXEC = {"mmap": 9, "mprotect": 10}
# What Python and libc try in passing and can do without.
_REFUSED = {
    "open": 2, "stat": 4, "lstat": 6, "ioctl": 16, "access": 21,
    "uname": 63, "fcntl": 72, "getcwd": 79, "readlink": 89, "getuid": 102, "getgid": 104,
    "geteuid": 107, "getegid": 108, "sysinfo": 99, "getdents64": 217,
    "openat": 257, "newfstatat": 262, "readlinkat": 267, "faccessat": 269, "prlimit64": 302,
    "statx": 332, "faccessat2": 439,
}  # fmt: skip
_CLONE3 = 435  # libc falls back to clone, which is not on the list

_MACHINE = 0xC000003E  # AUDIT_ARCH_X86_64
_X32 = 0x40000000
_PROT_EXEC = 4
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000  # linux/seccomp.h
_EPERM, _ENOSYS = 1, 38
# linux/bpf_common.h: load a word, compare, compare bits, return.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# struct seccomp_data: number, architecture, and the low half of the third argument.
_NUMBER, _ARCHITECTURE, _PROTECTION = 0, 4, 32
_SET_FILTER, _ALL_THREADS = 1, 1


def supported() -> str | None:
    """Why there is no filter for this machine; None if there is one."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"the list of system calls is for Linux on x86-64, not {platform.machine()}"
    return None


def program() -> bytes:
    """The filter in the kernel's classic BPF."""
    code: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, _MACHINE),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _KILL),
    ]

    def case(number: int, *then: tuple[int, int, int, int]) -> None:
        code.append((_EQUAL, 0, len(then), number))
        code.extend(then)

    for number in _ALLOWED.values():
        case(number, (_RETURN, 0, 0, _ALLOW))
    for number in _WITHOUT_EXEC.values():
        case(
            number,
            (_LOAD, 0, 0, _PROTECTION),
            (_ANY_BIT, 0, 1, _PROT_EXEC),
            (_RETURN, 0, 0, _KILL),
            (_RETURN, 0, 0, _ALLOW),
        )
    for number in _REFUSED.values():
        case(number, (_RETURN, 0, 0, _ERRNO | _EPERM))
    case(_CLONE3, (_RETURN, 0, 0, _ERRNO | _ENOSYS))
    code.append((_RETURN, 0, 0, _KILL))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


def install() -> None:
    """Lock this process, all its threads, for good. No-new-privileges must be set.

    Raises:
        OSError: the kernel refuses.
    """
    code = program()
    buffer = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog
    header = struct.pack("@HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    libc()  # loaded before nothing can be loaded any more
    system_call("seccomp", _SET_FILTER, _ALL_THREADS, ctypes.create_string_buffer(header))
