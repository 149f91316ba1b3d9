"""Time and randomness as the guest gets them; a profile may put others in their place."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from typing import Protocol

# What fits in the 64 bits of a timestamp, and in Python's own signed ones: the year 2262.
_TIME_MAX = (1 << 63) - 1


class Clock(Protocol):
    """Where the guest's time comes from. All values in nanoseconds."""

    resolution: int
    """The smallest step of the clocks."""
    cpu_zero: int
    """CPU time of the thread at which the guest's own is 0; a run that begins sets it."""

    def realtime(self) -> int:
        """Time since 1970, UTC."""

    def monotonic(self) -> int:
        """Time since some moment; never goes back."""

    def cpu(self) -> int:
        """CPU time of the guest, which has one thread."""

    def wait(self, duration: int, stop: threading.Event | None) -> bool:
        """Let the duration pass, or less if ``stop`` is set; True if it was."""


class Entropy(Protocol):
    """Where the guest's random bytes come from."""

    def read(self, length: int) -> bytes:
        """That many bytes, at most 65536 at once."""


class SystemClock:
    """The host's clocks; those without a date start near 0, so as not to tell what was before.

    Attributes:
        start: what the monotonic clock leaves out of the kernel's.
    """

    __slots__ = ("cpu_zero", "resolution", "start")

    def __init__(self) -> None:
        self.resolution = 1
        self.cpu_zero = 0
        self.start = time.monotonic_ns() - 1_000_000_000

    # Static, so that a call costs no bound method of ours.
    realtime = staticmethod(time.time_ns)

    def monotonic(self) -> int:
        """Nanoseconds since the sandbox's start, plus one second."""
        return time.monotonic_ns() - self.start

    def cpu(self) -> int:
        """CPU time of this thread, less what does not belong to the guest."""
        return max(time.thread_time_ns() - self.cpu_zero, 0)

    def wait(self, duration: int, stop: threading.Event | None) -> bool:
        """Sleep."""
        seconds = min(duration / 1e9, threading.TIMEOUT_MAX)
        if stop is None:
            time.sleep(seconds)
            return False
        return stop.wait(seconds)


class CoarseClock(SystemClock):
    """The host's clocks, cut to whole steps.

    Args:
        resolution: the step, in nanoseconds.
    """

    __slots__ = ()

    def __init__(self, resolution: int) -> None:
        super().__init__()
        self.resolution = resolution

    def realtime(self) -> int:
        """Time since 1970."""
        return self._cut(time.time_ns())

    def monotonic(self) -> int:
        """Nanoseconds since the sandbox's start, plus one second."""
        return self._cut(super().monotonic())

    def cpu(self) -> int:
        """CPU time of the guest."""
        return self._cut(super().cpu())

    def _cut(self, value: int) -> int:
        return value - value % self.resolution


class OwnClock:
    """A time that has nothing to do with the host's: looking at it moves it, and sleeping.

    So it is the same in each run of a program, and programs that wait for it to pass end.

    Args:
        start: when it starts, in nanoseconds since 1970.
        resolution: by how much a look moves it, in nanoseconds.
    """

    __slots__ = ("_passed", "_start", "cpu_zero", "resolution")

    def __init__(self, start: int, resolution: int) -> None:
        self.resolution = resolution
        self.cpu_zero = 0
        self._start = start
        self._passed = 0

    def realtime(self) -> int:
        """Time since 1970."""
        return min(self._start + self._move(self.resolution), _TIME_MAX)

    def monotonic(self) -> int:
        """Nanoseconds since the sandbox's start, plus one second."""
        return min(1_000_000_000 + self._move(self.resolution), _TIME_MAX)

    def cpu(self) -> int:
        """The same time: all of it is the guest's."""
        return self._move(self.resolution)

    def wait(self, duration: int, stop: threading.Event | None) -> bool:
        """Let the duration have passed."""
        self._move(duration)
        return stop is not None and stop.is_set()

    def _move(self, duration: int) -> int:
        self._passed = min(self._passed + duration, _TIME_MAX)
        return self._passed


class SeededEntropy:
    """Bytes that a seed determines: for runs that repeat, not for secrets.

    Args:
        seed: any number from 0.
    """

    __slots__ = ("_read", "_seed")

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._read = 0

    def read(self, length: int) -> bytes:
        """The next bytes."""
        self._read += 1
        name = f"coilbox guest {self._seed} {self._read}".encode()
        return hashlib.shake_128(name).digest(length)


class SystemEntropy:
    """The host kernel's random generator."""

    __slots__ = ()
    read = staticmethod(os.urandom)
