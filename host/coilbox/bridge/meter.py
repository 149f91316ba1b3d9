"""Measures what a guest uses: its host calls, its time, and all of it together."""

from __future__ import annotations

import time
from resource import RUSAGE_THREAD, getrusage

from coilbox.engines.protocol import StopGuest
from coilbox.errors import (
    HostCallBytesLimitExceeded,
    HostCallLimitExceeded,
    ValueLimitExceeded,
)
from coilbox.limits import Limits


class CallMeter:
    """Host calls of one run, from start to start.

    The bridge tells it of every call before it reads the arguments, and of every reply before it
    keeps or writes it, so that neither can take memory of the host beyond the limit.

    Attributes:
        limits: those of the sandbox.
        calls: calls so far.
        argument_bytes: encoded arguments so far.
        reply_bytes: encoded replies so far.
    """

    __slots__ = ("argument_bytes", "calls", "limits", "reply_bytes")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.start()

    def start(self) -> None:
        """Begin a run: everything is 0 again."""
        self.calls = self.argument_bytes = self.reply_bytes = 0

    def called(self, size: int, calls: int = 1) -> None:
        """The guest calls with arguments of ``size`` bytes; ``calls`` is 0 if it calls no function.

        Raises:
            StopGuest: it is one call or some bytes too many.
        """
        self.batched(size, calls)
        self._received(size)

    def batch(self, size: int, spare: int) -> None:
        """The guest begins some calls with one message of ``size`` bytes, which ``batched`` counts.

        It may have ``spare`` bytes more than a value.

        Raises:
            StopGuest: these are too many.
        """
        limit = self.limits.value_bytes
        if size > limit + spare:
            raise StopGuest(value_too_large(size, limit))
        self._received(size)

    def batched(self, size: int, calls: int = 1) -> None:
        """One of these calls has arguments of ``size`` bytes.

        Raises:
            StopGuest: it is one call or some bytes too many.
        """
        self.calls += calls
        limit = self.limits.host_calls
        if self.calls > limit:
            raise StopGuest(
                HostCallLimitExceeded(
                    f"the guest called the host more than {limit} times (Limits.host_calls)",
                    limit=limit,
                    used=self.calls,
                )
            )
        limit = self.limits.value_bytes
        if size > limit:
            raise StopGuest(value_too_large(size, limit))

    def _received(self, size: int) -> None:
        self.argument_bytes += size
        self._check_bytes()

    def replied(self, size: int) -> None:
        """The host replies with ``size`` bytes.

        Raises:
            StopGuest: these are too many.
        """
        self.reply_bytes += size
        self._check_bytes()

    def _check_bytes(self) -> None:
        used = self.argument_bytes + self.reply_bytes
        limit = self.limits.host_call_bytes
        if used > limit:
            raise StopGuest(
                HostCallBytesLimitExceeded(
                    f"arguments and replies of the guest's host calls came to {used} bytes, more "
                    f"than {limit} (Limits.host_call_bytes)",
                    limit=limit,
                    used=used,
                )
            )


def value_too_large(size: int, limit: int) -> ValueLimitExceeded:
    """The error for a value of ``size`` encoded bytes."""
    return ValueLimitExceeded(
        f"the guest sent a value of {size} bytes, more than {limit} (Limits.value_bytes)",
        limit=limit,
        used=size,
    )


class Reading:
    """The clocks and counters of the calling thread at one moment."""

    __slots__ = ("cpu", "faults", "wall")

    def __init__(self) -> None:
        self.wall = time.perf_counter()
        self.cpu = time.thread_time()
        # The sum of both kinds: with and without reading from a disk.
        self.faults = sum(getrusage(RUSAGE_THREAD)[6:8])
