"""Signal handlers that raise, or that use sandboxes: whatever they interrupt, nothing is left."""

from __future__ import annotations

import contextlib
import functools
import gc
import logging
import random
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from coilbox import (
    CoilboxError,
    GuestCancelled,
    Image,
    Limits,
    Result,
    Sandbox,
    Scratch,
    TimeLimitExceeded,
)
from coilbox.session.session import Session
from coilbox.session.watchdog import Alarm, Watchdog, watchdog

pytestmark = [
    pytest.mark.isolated,
    pytest.mark.filterwarnings(
        "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
    ),
    pytest.mark.skipif(
        threading.current_thread() is not threading.main_thread(),
        reason="signal handlers run on the main thread",
    ),
]
PROGRAMS = (
    "sum(range(2000))",
    "print('x' * 100)",
    "open('/s/file', 'w').write('x')",
    "from coilbox import host; host.same({'a': 1})",
    "import time; time.sleep(0.002)",
    "while True: pass",
)
OPTIONS: dict[str, Any] = {
    "functions": {"same": lambda value: value},
    "scratch": Scratch("/s"),
    "limits": Limits(wall_seconds=0.05),
}


@pytest.fixture
def on_alarm() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Sets what SIGALRM calls."""

    def set_handler(function: Callable[[], object]) -> None:
        signal.signal(signal.SIGALRM, lambda *args: function())

    before = signal.getsignal(signal.SIGALRM)
    yield set_handler
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


class Interrupter:
    """Cuts off what it calls, by an exception of a handler of SIGALRM."""

    def __init__(self) -> None:
        self._armed: list[None] = []
        signal.signal(signal.SIGALRM, self._interrupt)

    def _interrupt(self, *args: object) -> None:
        if self._armed:
            raise KeyboardInterrupt

    def call(self, function: Callable[[], object], seconds: float) -> None:
        """Call a function, and interrupt it once after some seconds, if it still goes on."""
        try:
            self._armed.append(None)
            signal.setitimer(signal.ITIMER_REAL, seconds)
            function()
        except KeyboardInterrupt:
            pass
        finally:
            self._armed.clear()
            signal.setitimer(signal.ITIMER_REAL, 0)


def sessions() -> int:
    gc.collect()
    return sum(isinstance(item, Session) for item in gc.get_objects())


def test_exceptions_at_any_moment(
    image: Image,
    engine: str,
    isolation: Any,
    sandbox: Any,
    on_alarm: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Of opening, running, host calls, being stopped, resetting and closing."""
    # pytest keeps what is logged, and with it the frames of the error that was logged.
    caplog.set_level(logging.CRITICAL + 1, logger="coilbox")
    sandbox(isolation=isolation).run("1").check()
    before = sessions()
    interrupter = Interrupter()
    chance = random.Random(5)
    rounds, longest = (150, 0.012) if isolation == "none" else (25, 0.04)

    def use(codes: list[str]) -> None:
        with Sandbox(image, engine=engine, isolation=isolation, **OPTIONS) as box:
            for code in codes:
                if box.run(code).exit_code == -1:
                    box.reset()

    for _ in range(rounds):
        codes = chance.sample(PROGRAMS, 3)
        interrupter.call(functools.partial(use, codes), chance.uniform(0.0001, longest))
    assert sessions() == before
    assert not watchdog.alarms
    assert signal.set_wakeup_fd(-1) == -1
    box = sandbox(limits=Limits(wall_seconds=0.2))
    assert isinstance(box.run("while True: pass").error, TimeLimitExceeded)


def test_a_sandbox_goes_on_after_an_exception(sandbox: Any, on_alarm: Any) -> None:
    """Nobody is using it; if its guest was cut off, reset() brings it back."""
    box = sandbox(functions={"one": lambda: 1})
    interrupter = Interrupter()
    chance = random.Random(7)

    def use() -> None:
        while True:
            box.run("from coilbox import host\nhost.one()")

    for _ in range(60):
        interrupter.call(use, chance.uniform(0.0001, 0.005))
        try:
            result = box.run("1 + 1")
        except CoilboxError:
            box.reset()
            result = box.run("1 + 1")
        assert result.check().value == 2
        assert not watchdog.alarms


def test_a_handler_runs_another_sandbox(sandbox: Any, on_alarm: Any) -> None:
    box, other = sandbox(), sandbox(limits=Limits(wall_seconds=0.05))
    stops: list[Result] = []

    def use() -> None:
        stops.append(other.run("while True: pass"))
        other.reset()

    other.run("1")
    on_alarm(use)
    chance = random.Random(9)
    for _ in range(10):
        seen = len(stops)
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.0001, 0.005))
        while len(stops) == seen:
            assert box.run("1 + 1").check().value == 2
    assert all(isinstance(result.error, TimeLimitExceeded) for result in stops)


def test_a_handler_cancels_what_it_interrupts(sandbox: Any, on_alarm: Any) -> None:
    box = sandbox(functions={"one": lambda: 1})
    on_alarm(box.cancel)
    chance = random.Random(11)
    for _ in range(20):
        box.run("1").check()
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.0001, 0.003))
        error = None
        with contextlib.suppress(CoilboxError):
            while error is None:
                error = box.run("from coilbox import host\nfor _ in range(9): host.one()").error
            assert isinstance(error, GuestCancelled)
        box.reset()


@pytest.mark.parametrize("moment", ["_wake", "_watch_signals", "_take_signals"])
def test_a_handler_within_arming(monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """The guest that it runs is stopped, and so is the one that it interrupted."""
    dog = Watchdog()
    stopped = [threading.Event(), threading.Event()]
    inner, outer = (Alarm(0.01, 60.0, event.set, None) for event in stopped)
    method = getattr(dog, moment)

    def handle(*args: Any) -> Any:
        monkeypatch.setattr(dog, moment, method)
        dog.arm(inner)
        return method(*args)

    monkeypatch.setattr(dog, moment, handle)
    dog.arm(outer)
    try:
        assert all(event.wait(60) for event in stopped)
    finally:
        dog.disarm(outer)
        dog.disarm(inner)
    assert not dog.alarms
