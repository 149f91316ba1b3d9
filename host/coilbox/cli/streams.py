"""The guest's streams on the terminal's: bytes in, bytes out, at once."""

from __future__ import annotations

import math
import os
import select
import time
from collections.abc import Callable
from types import TracebackType
from typing import BinaryIO, Self, cast

STDOUT, STDERR = 1, 2
# The guest may still run for a moment after its deadline; it must not see an end of input there.
_GRACE_SECONDS = 0.25


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


class Input:
    """A file as the guest's stdin: gives what is there, and stops waiting at the time limit.

    A context manager that closes what it opened.
    """

    def __init__(self, source: str | int, seconds: float = math.inf) -> None:
        """Open it.

        Args:
            source: a path, or a descriptor, which stays open.
            seconds: how long the guest may run, counted from now.

        Raises:
            OSError: the file cannot be opened.
        """
        if isinstance(source, int):
            self._descriptor, self._owned = source, False
        else:
            self._descriptor, self._owned = os.open(source, os.O_RDONLY | os.O_CLOEXEC), True
        self._deadline = time.monotonic() + seconds + _GRACE_SECONDS

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes as soon as there are any; empty at the end or the deadline."""
        if self._deadline != math.inf:
            left = max(self._deadline - time.monotonic(), 0)
            if not select.select([self._descriptor], [], [], left)[0]:
                return b""
        return os.read(self._descriptor, size)

    def as_file(self) -> BinaryIO:
        """Itself, under the type that ``Sandbox.run`` names: a read method is all it uses."""
        return cast(BinaryIO, self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._owned:
            os.close(self._descriptor)
