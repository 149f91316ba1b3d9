"""Time and randomness as the guest gets them; a profile may put others in their place."""

from __future__ import annotations

import os
import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Where the guest's time comes from. All values in nanoseconds."""

    resolution: int
    """The smallest step of the clocks."""

    def realtime(self) -> int:
        """Time since 1970, UTC."""

    def monotonic(self) -> int:
        """Time since some moment; never goes back."""

    def process_cpu(self) -> int:
        """CPU time of the guest."""

    def thread_cpu(self) -> int:
        """CPU time of the guest's thread."""

    def wait(self, duration: int, stop: threading.Event | None) -> bool:
        """Let the duration pass, or less if ``stop`` is set; True if it was."""


class Entropy(Protocol):
    """Where the guest's random bytes come from."""

    def read(self, length: int) -> bytes:
        """That many bytes, at most 65536 at once."""


class SystemClock:
    """The host's clocks; the monotonic one starts near 0, so as not to tell the host's uptime."""

    __slots__ = ("_start", "resolution")

    def __init__(self) -> None:
        self.resolution = 1
        self._start = time.monotonic_ns() - 1_000_000_000

    # Static, so that a call costs no bound method of ours.
    realtime = staticmethod(time.time_ns)
    process_cpu = staticmethod(time.thread_time_ns)
    thread_cpu = staticmethod(time.thread_time_ns)

    def monotonic(self) -> int:
        """Nanoseconds since the sandbox's start, plus one second."""
        return time.monotonic_ns() - self._start

    def wait(self, duration: int, stop: threading.Event | None) -> bool:
        """Sleep."""
        seconds = min(duration / 1e9, threading.TIMEOUT_MAX)
        if stop is None:
            time.sleep(seconds)
            return False
        return stop.wait(seconds)


class SystemEntropy:
    """The host kernel's random generator."""

    __slots__ = ()
    read = staticmethod(os.urandom)
