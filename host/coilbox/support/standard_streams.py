"""Descriptors 0 to 2 are standard streams: nothing else may get their numbers.

Daemons close them. The next file that is opened then becomes a standard stream: output of the
guest, or an error message, would go into a socket or a file of coilbox's own.
"""

from __future__ import annotations

import os
import sys
import threading

_lock = threading.Lock()


def hold() -> None:
    """Open the null device at those of descriptors 0 to 2 that are closed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            _open(number)


def _open(number: int) -> None:
    with _lock:
        fd = os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)
        if fd == number:  # else another thread has just taken it
            os.set_inheritable(fd, True)
        else:
            os.close(fd)


def hold_for_python() -> None:
    """The same, with files for Python in place of its standard streams that are None."""
    hold()
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "r" if number == 0 else "w"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
