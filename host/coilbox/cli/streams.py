"""The guest's streams on the terminal's: bytes in, bytes out, at once."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable
from io import FileIO
from typing import BinaryIO, cast

STDOUT, STDERR = 1, 2


def writer(descriptor: int) -> Callable[[bytes], None]:
    """A function that writes all of what it is given to a descriptor, without a buffer.

    The function raises BrokenPipeError if nobody reads any more, and waits if a reader that
    does not block is slow.
    """

    def write(data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(descriptor, rest) :]
            except BlockingIOError:
                select.select([], [descriptor], [])

    return write


def own_stdin() -> BinaryIO:
    """This process's stdin, without a buffer that would take more than the guest asks for."""
    return cast(BinaryIO, FileIO(sys.stdin.fileno(), closefd=False))
