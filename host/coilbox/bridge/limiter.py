"""The limits of one function in one sandbox."""

from __future__ import annotations

import threading
import time

from coilbox.bindings.ir import Limits
from coilbox.bridge.replies import Refused


class Limiter:
    """Lets calls in, or refuses them. Any thread may use it.

    Args:
        name: the function's, for messages.
        limits: its limits.

    Attributes:
        timeout: seconds that a call may take; None if any.
        max_bytes_out: bytes of a result, or of each item of a stream; None if any.
    """

    def __init__(self, name: str, limits: Limits) -> None:
        self._name = name
        self._limits = limits
        self._lock = threading.RLock()
        self._running = 0
        self._calls = 0
        rate = limits.rate
        self._capacity = float(limits.burst or rate.calls) if rate else 0.0
        self._tokens = self._capacity
        self._filled = time.monotonic()
        self.timeout = limits.timeout
        self.max_bytes_out = limits.max_bytes_out

    def enter(self, size: int) -> None:
        """Let a call with arguments of ``size`` bytes in.

        Raises:
            Refused: it would break a limit.
        """
        limits, name = self._limits, self._name
        if limits.max_bytes_in is not None and size > limits.max_bytes_in:
            raise Refused(
                "ArgumentsTooLarge",
                f"{name} takes arguments of {limits.max_bytes_in} bytes, these have {size}",
            )
        with self._lock:
            if limits.calls is not None and self._calls >= limits.calls:
                raise Refused("CallLimitExceeded", f"{name} may be called {limits.calls} times")
            if limits.concurrency is not None and self._running >= limits.concurrency:
                raise Refused(
                    "ConcurrencyLimitExceeded",
                    f"{limits.concurrency} calls of {name} may go on at the same time",
                )
            self._take_token()
            self._calls += 1
            self._running += 1

    def leave(self) -> None:
        """A call has ended."""
        with self._lock:
            self._running -= 1

    def check_reply(self, size: int) -> None:
        """Check the bytes of a reply, or of an item of a stream.

        Raises:
            Refused: there are too many.
        """
        limit = self.max_bytes_out
        if limit is not None and size > limit:
            raise Refused("ResultTooLarge", f"{self._name} may return {limit} bytes, not {size}")

    def timed_out(self) -> Refused:
        """The error for a call that takes too long."""
        return Refused("CallTimeout", f"{self._name} took longer than {self.timeout:g} seconds")

    def _take_token(self) -> None:
        rate = self._limits.rate
        if rate is None:
            return
        now = time.monotonic()
        gained = (now - self._filled) * rate.calls / rate.seconds
        self._tokens = min(self._capacity, self._tokens + gained)
        self._filled = now
        if self._tokens < 1:
            raise Refused(
                "RateLimitExceeded",
                f"{self._name} may be called {rate.calls} times in {rate.seconds:g} seconds",
            )
        self._tokens -= 1
