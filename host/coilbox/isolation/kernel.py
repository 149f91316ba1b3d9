"""The system calls that Python's ``os`` does not have in the versions that coilbox supports."""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Any

# asm/unistd_64.h
_NUMBERS = {"pivot_root": 155, "capset": 126, "seccomp": 317}


@cache
def libc() -> Any:
    """The process's own C library."""
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    return library


def _arguments(values: tuple[Any, ...]) -> list[Any]:
    return [ctypes.c_long(value) if isinstance(value, int) else value for value in values]


def system_call(name: str, *arguments: Any) -> int:
    """Make a system call; integers, bytes and buffers are passed.

    Raises:
        OSError: it failed.
    """
    return _checked(libc().syscall(ctypes.c_long(_NUMBERS[name]), *_arguments(arguments)), name)


def call(name: str, *arguments: Any) -> int:
    """Call a function of the C library that gives -1 for an error.

    Raises:
        OSError: it failed.
    """
    return _checked(getattr(libc(), name)(*_arguments(arguments)), name)


def _checked(result: int, name: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result
