"""A clock that stands still unless it is told, or asked."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END_NS = 253_402_300_799_999_999_000  # the last microsecond of 9999


def nanoseconds(moment: datetime) -> int:
    """Nanoseconds from 1970 to a moment."""
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


class VirtualClock:
    """Time as the host wants it. Safe to use from several threads.

    Args:
        start: what it shows first; one without a time zone is in UTC.
        tick: by how much every reading moves it, in seconds.
        jitter: up to how much more every reading moves it, in seconds, drawn from the seed.
        seed: what ``seed`` of the guest gives, and what the jitter is drawn from.
    """

    def __init__(
        self, start: datetime = EPOCH, *, tick: float = 0.0, jitter: float = 0.0, seed: int = 0
    ) -> None:
        self.seed = seed
        self._now = nanoseconds(start if start.tzinfo else start.replace(tzinfo=UTC))
        self._passed = 0
        self._tick = round(tick * 1e9)
        self._jitter = round(jitter * 1e9)
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def time_ns(self) -> int:
        """Nanoseconds since 1970; a reading."""
        with self._lock:
            self._read()
            return self._now

    def monotonic_ns(self) -> int:
        """Nanoseconds that have passed; a reading."""
        with self._lock:
            self._read()
            return self._passed

    def now(self) -> datetime:
        """The date and time, in UTC; a reading."""
        return EPOCH + timedelta(microseconds=self.time_ns() // 1000)

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Args:
            seconds: how much, from 0.

        Raises:
            ValueError: it is negative, not a number, or would end after the year 9999.
        """
        span = seconds * 1e9
        if not 0 <= span < float("inf"):
            raise ValueError(f"time cannot pass by {seconds!r} seconds")
        with self._lock:
            if not self._pass(round(span)):
                raise ValueError(f"the clock would end after {seconds!r} seconds")

    def set(self, moment: datetime) -> None:
        """Show another date and time, later or earlier; ``monotonic_ns`` does not change.

        Args:
            moment: the date and time; UTC if it has no time zone.
        """
        with self._lock:
            self._now = nanoseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))

    def _read(self) -> None:
        # At its end the clock stands still: a reading never fails.
        more = self._random.randint(0, self._jitter) if self._jitter else 0
        self._pass(self._tick + more)

    def _pass(self, span: int) -> bool:
        if self._now + span > _END_NS:
            return False
        self._now += span
        self._passed += span
        return True
