"""The host's side of coilbox_clock."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from coilbox.bindings.host import Context
from coilbox.bindings.settings import Duration, settings
from coilbox.extensions.clock.coilbox_clock_host import CoilboxClockExtension, InvalidSleep
from coilbox.extensions.clock.virtual import EPOCH, VirtualClock


class _Clock:
    """Each sandbox has a clock of its own, or all have the one that was given."""

    def __init__(
        self, start: datetime, tick: float, jitter: float, seed: int, clock: VirtualClock | None
    ) -> None:
        self._settings = (start, tick, jitter, seed)
        self._shared = clock

    def now(self, context: Context, /) -> datetime:
        return self._clock(context).now()

    def time_ns(self, context: Context, /) -> int:
        return self._clock(context).time_ns()

    def monotonic_ns(self, context: Context, /) -> int:
        return self._clock(context).monotonic_ns()

    def sleep(self, context: Context, /, seconds: float) -> None:
        try:
            self._clock(context).advance(seconds)
        except ValueError:
            raise InvalidSleep(seconds=seconds) from None

    def seed(self, context: Context, /) -> int:
        return self._clock(context).seed

    def _clock(self, context: Context) -> VirtualClock:
        if self._shared is not None:
            return self._shared
        clock = context.state.get("clock")
        if clock is None:
            start, tick, jitter, seed = self._settings
            clock = VirtualClock(start, tick=tick, jitter=jitter, seed=seed)
            clock = context.state.setdefault("clock", clock)
        assert isinstance(clock, VirtualClock)
        return clock


def _moment(value: object) -> object:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


@settings("clock")
def extension(
    *,
    start: Annotated[datetime, BeforeValidator(_moment)] = EPOCH,
    tick: Annotated[Duration, Field(lt=1e6)] = 0.0,
    jitter: Annotated[Duration, Field(lt=1e6)] = 0.0,
    seed: Annotated[int, Field(ge=0, lt=1 << 64)] = 0,
    clock: VirtualClock | None = None,
) -> CoilboxClockExtension:
    """Make the extension ``clock``: time that the host sets.

    Args:
        start: what each sandbox's clock shows first; one without a time zone is in UTC.
        tick: by how much every reading moves it, in seconds.
        jitter: up to how much more every reading moves it, in seconds, drawn from the seed.
        seed: what the guest's ``seed`` gives, and what the jitter is drawn from.
        clock: one clock for all sandboxes, instead of one each; the settings above are its own.

    Raises:
        ExtensionError: a setting is wrong.
    """
    made = CoilboxClockExtension(_Clock(start, tick, jitter, seed, clock))
    guest = Path(__file__).parent / "guest" / "coilbox_time.py"
    made.ship("coilbox_time", guest.read_text(encoding="utf-8"))
    return made
