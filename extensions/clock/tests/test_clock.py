"""The extension clock: by itself, and in sandboxes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from coilbox import ExtensionError
from coilbox.bindings.testing import DirectCalls
from coilbox.extensions.clock import VirtualClock, extension
from coilbox.extensions.clock.coilbox_clock_host import InvalidSleep

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


def calls(**settings: Any) -> DirectCalls:
    return DirectCalls(extension(**settings))


def test_time_stands_still() -> None:
    clock = calls(start="2026-01-31T12:00:00Z")
    assert clock.now() == clock.now() == START
    assert clock.time_ns() == int(START.timestamp()) * 10**9
    assert clock.monotonic_ns() == 0


def test_sleep_advances() -> None:
    clock = calls(start=START)
    clock.sleep(1.5)
    clock.sleep(0.0)
    assert clock.now() == START + timedelta(seconds=1.5)
    assert clock.monotonic_ns() == 1_500_000_000


@pytest.mark.parametrize("seconds", [-1.0, -1e-300, float("nan"), float("inf"), 1e300])
def test_what_cannot_be_slept(seconds: float) -> None:
    clock = calls()
    with pytest.raises(InvalidSleep, match="cannot sleep for"):
        clock.sleep(seconds)
    assert clock.time_ns() == 0


def test_every_reading_ticks() -> None:
    clock = calls(tick="1ms")
    assert [clock.monotonic_ns() for _ in range(3)] == [1_000_000, 2_000_000, 3_000_000]


def test_jitter_is_drawn_from_the_seed() -> None:
    def readings(seed: int) -> list[int]:
        clock = calls(jitter=1, seed=seed)
        return [clock.monotonic_ns() for _ in range(20)]

    assert readings(1) == readings(1) != readings(2)
    assert readings(1) == sorted(readings(1))


def test_each_sandbox_has_a_clock_unless_one_is_shared() -> None:
    made = extension()
    own, other = DirectCalls(made), DirectCalls(made)
    own.sleep(1.0)
    assert other.time_ns() == 0
    clock = VirtualClock(START, seed=5)
    made = extension(clock=clock)
    first, second = DirectCalls(made), DirectCalls(made)
    first.sleep(1.0)
    assert second.now() == clock.now() == START + timedelta(seconds=1)
    assert second.seed() == 5


def test_the_host_sets_it() -> None:
    clock = VirtualClock(START)
    clock.advance(2)
    clock.set(START - timedelta(days=1))
    assert clock.now() == START - timedelta(days=1)
    assert clock.monotonic_ns() == 2_000_000_000
    with pytest.raises(ValueError, match="cannot pass by -1"):
        clock.advance(-1)


def test_it_ends_with_the_year_9999() -> None:
    clock = VirtualClock(datetime(9999, 12, 31, 23, 59, 59), tick=10)
    assert clock.now().year == 9999
    with pytest.raises(ValueError, match="would end"):
        clock.advance(10)


def test_settings_are_checked() -> None:
    with pytest.raises(ExtensionError) as caught:
        extension(start="soon", tick=-1, seed=1 << 64, speed=2)  # type: ignore[call-arg,arg-type]
    lines = str(caught.value).splitlines()
    assert lines[0] == "the settings of the extension 'clock' are wrong:"
    assert {line.split(":")[0].strip() for line in lines[1:]} == {"start", "tick", "seed", "speed"}
    assert "  speed: there is no such setting" in lines
