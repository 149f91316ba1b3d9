"""The thread that stops guests: it starts whatever the machine is like, and nothing ends it."""

from __future__ import annotations

import math
import threading

import pytest

from coilbox import EngineError
from coilbox.session.watchdog import Alarm, Watchdog

WAIT = 60.0
"""Seconds after which a test gives up."""


def test_a_thread_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is refused, and the next one tries again: no guest runs without its deadline."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    watchdog = Watchdog()
    stopped = threading.Event()
    alarm = Alarm(0.01, math.inf, stopped.set, None)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(2):
            with pytest.raises(EngineError, match=r"cannot be started .*ulimit -u"):
                watchdog.arm(alarm)
            watchdog.disarm(alarm)
    watchdog.arm(alarm)
    assert stopped.wait(WAIT)
    watchdog.disarm(alarm)
    assert alarm.fired


def test_a_guest_that_cannot_be_told_keeps_no_other_from_being_stopped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told, stopped = threading.Event(), threading.Event()
    tries: list[int] = []

    def fail() -> None:
        tries.append(1)
        if len(tries) == 5:
            told.set()
        raise EngineError("mprotect failed")

    watchdog = Watchdog()
    alarms = [Alarm(0.01, math.inf, stop, None) for stop in (fail, stopped.set)]
    for alarm in alarms:
        watchdog.arm(alarm)
    assert stopped.wait(WAIT)
    assert told.wait(WAIT), "it is tried again and again"
    for alarm in alarms:
        watchdog.disarm(alarm)
    assert [record.message for record in caplog.records] == ["a guest could not be told to stop"]
