"""The guest's time: the host's, a coarser one, or a time of its own."""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass

from coilbox.errors import UsageError
from coilbox.support.checks import checked_seconds
from coilbox.wasi import Clock, CoarseClock, OwnClock, SystemClock

_OWN_STEP = 0.001


@dataclass(frozen=True, slots=True)
class GuestClock:
    """How the guest's clocks go.

    Attributes:
        resolution: the step of all clocks, in seconds, up to 3600; None for the host's own. A
            coarse clock hides from the guest how long single operations take.
        start: the time when the sandbox starts, with a time zone. The guest then has a time of its
            own: each look at a clock moves it by ``resolution`` (1 ms if None), sleeping moves it
            by its duration without taking any, and nothing else does. None for the host's time.

    Raises:
        UsageError: ``resolution`` is not above 0, or ``start`` has no time zone or is not in
            the years 1970 to 2499.
    """

    resolution: float | None = None
    start: datetime.datetime | None = None

    def __post_init__(self) -> None:
        resolution, start = self.resolution, self.start
        if resolution is not None:
            checked_seconds(resolution, "GuestClock.resolution", 1e-9, 3600)
        if start is not None:
            if not isinstance(start, datetime.datetime):
                kind = type(start).__name__
                raise UsageError(f"GuestClock.start must be a datetime, not {kind}")
            if start.tzinfo is None:
                raise UsageError(f"GuestClock.start needs a time zone: {start}")
            if not 1970 <= start.year < 2500 or start.timestamp() < 0:
                raise UsageError(f"GuestClock.start must be from 1970 to 2499: {start}")

    def make(self) -> Clock:
        """A clock that starts now."""
        if self.start is not None:
            step = _nanoseconds(self.resolution or _OWN_STEP)
            return OwnClock(_nanoseconds_since_1970(self.start), step)
        if self.resolution is not None:
            return CoarseClock(_nanoseconds(self.resolution))
        return SystemClock()


def _nanoseconds(seconds: float) -> int:
    return max(math.floor(seconds * 1e9 + 0.5), 1)


def _nanoseconds_since_1970(moment: datetime.datetime) -> int:
    since = moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return since // datetime.timedelta(microseconds=1) * 1000
