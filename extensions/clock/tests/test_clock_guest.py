"""The extension clock as guests use it, on every engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from coilbox.extensions.clock import VirtualClock, extension

GRANTS = ["clock.read", "clock.sleep"]
START = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_a_program_sees_the_same_times_in_every_run(sandbox: Any) -> None:
    program = """
import random
import coilbox_clock as clock

random.seed(clock.seed())
times = [clock.now()]
for _ in range(3):
    clock.sleep(random.random())
    times.append(clock.now())
(times, clock.monotonic_ns(), clock.time_ns())
"""
    made = extension(start=START, seed=7, tick=0.001, jitter=0.001)
    values = [
        sandbox(extensions=[made], grants=GRANTS).run(program).check().value for _ in range(2)
    ]
    assert values[0] == values[1]
    times, monotonic, total = values[0]
    assert START < times[0] < times[1] < times[2] < times[3]
    assert timedelta(0) < times[3] - START < timedelta(seconds=4)
    assert monotonic > 0
    assert total > START.timestamp() * 1e9


def test_the_host_sets_the_clock(sandbox: Any) -> None:
    clock = VirtualClock(START)
    box = sandbox(extensions=[extension(clock=clock)], grants=GRANTS)
    now = "import coilbox_clock; coilbox_clock.now()"
    assert box.run(now).check().value == START
    clock.set(START - timedelta(days=1))
    clock.advance(1)
    assert box.run(now).check().value == START - timedelta(days=1) + timedelta(seconds=1)
    box.run("coilbox_clock.sleep(0.5)").check()
    assert clock.now() == START - timedelta(days=1) + timedelta(seconds=1.5)


def test_time_by_its_usual_names(sandbox: Any) -> None:
    box = sandbox(extensions=[extension(start=START)], grants=GRANTS)
    value = (
        box.run("""
import time, coilbox_time

real = time.time
coilbox_time.install()
coilbox_time.install()
before = time.monotonic(), time.perf_counter_ns()
time.sleep(3600)
during = time.time(), time.time_ns(), time.monotonic(), time.perf_counter()
coilbox_time.uninstall()
(before, during, time.time is real)
""")
        .check()
        .value
    )
    later = START.timestamp() + 3600
    assert value == ((0.0, 0), (later, int(later) * 10**9, 3600.0, 3600.0), True)


def test_errors_are_those_of_time(sandbox: Any) -> None:
    box = sandbox(extensions=[extension()], grants=["clock.read"])
    assert (
        box.run("""
import coilbox_clock as clock

try:
    clock.sleep(1)
except PermissionError as error:
    found = str(error)
found
""")
        .check()
        .value
    )
    box = sandbox(extensions=[extension()], grants=GRANTS)
    assert (
        box.run("""
import coilbox_clock as clock

def refused(seconds):
    try:
        clock.sleep(seconds)
    except ValueError as error:
        return type(error).__name__, error.seconds == seconds or seconds != seconds
[refused(seconds) for seconds in (-1, float("inf"), float("nan"), 1e300)]
""")
        .check()
        .value
        == [("InvalidSleep", True)] * 4
    )
