"""cancel() from other threads, and misuse: closed, busy, stopped sandboxes."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from coilbox import (
    GuestCancelled,
    Result,
    Sandbox,
    SandboxBusyError,
    SandboxClosedError,
    SandboxStoppedError,
    UsageError,
)

pytestmark = pytest.mark.isolated


def started(box: Sandbox, code: str) -> tuple[threading.Thread, list[Result]]:
    """Run code on a thread; return once the guest says that it has begun."""
    results: list[Result] = []
    begun = threading.Event()

    def work() -> None:
        results.append(box.run(code, on_stdout=lambda data: begun.set()))

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(60)
    return thread, results


CANCELLABLE = {
    "busy loop": "while True: pass",
    "C call": "x = 3 ** 300_000_000",
    "regular expression": "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')",
    "sleep": "import time; time.sleep(1000)",
    "catches everything": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
}


@pytest.mark.parametrize("name", CANCELLABLE)
def test_cancel_from_another_thread(box: Sandbox, name: str) -> None:
    thread, results = started(box, "print('begun', flush=True)\n" + CANCELLABLE[name])
    time.sleep(0.05)
    box.cancel()
    thread.join(60)
    assert not thread.is_alive()
    assert isinstance(results[0].error, GuestCancelled)
    assert results[0].stdout == "begun\n"
    assert results[0].exit_code == -1
    with pytest.raises(SandboxStoppedError, match="reset"):
        box.run("1")
    box.reset()
    assert box.run("2").value == 2


def test_cancel_between_runs_stops_the_sandbox_too(box: Sandbox) -> None:
    box.run("1").check()
    box.cancel()
    with contextlib.suppress(SandboxStoppedError):
        assert isinstance(box.run("1").error, GuestCancelled)
    box.reset()
    assert box.run("1").value == 1


def test_cancel_many_times_from_many_threads(box: Sandbox) -> None:
    for _ in range(10):
        thread, results = started(box, "print('begun', flush=True)\nwhile True: pass")
        cancellers = [threading.Thread(target=box.cancel) for _ in range(8)]
        for canceller in cancellers:
            canceller.start()
        for canceller in cancellers:
            canceller.join()
        thread.join(60)
        assert isinstance(results[0].error, GuestCancelled)
        box.reset()


def test_cancel_races_with_the_end_of_runs(box: Sandbox) -> None:
    """A cancel that comes as the run ends stops the sandbox or nothing, and never the host."""
    stop = threading.Event()

    def nag() -> None:
        while not stop.is_set():
            box.cancel()
            time.sleep(0.0007)

    thread = threading.Thread(target=nag)
    thread.start()
    outcomes: set[str] = set()
    try:
        for n in range(300):
            try:
                result = box.run(f"sum(range({n}))")
                if result.error is None:
                    assert result.value == sum(range(n))
                outcomes.add(type(result.error).__name__)
            except SandboxStoppedError:
                outcomes.add("stopped")
            box.reset()
    finally:
        stop.set()
        thread.join()
    assert outcomes <= {"NoneType", "GuestCancelled", "stopped"}
    box.reset()
    assert box.run("1").value == 1


def test_cancel_after_close_does_nothing(box: Sandbox) -> None:
    box.close()
    box.cancel()


# -- misuse -------------------------------------------------------------------------------------

USES: dict[str, Callable[[Sandbox], object]] = {
    "run": lambda box: box.run("1"),
    "call": lambda box: box.call("math:gcd", 1, 2),
    "reset": lambda box: box.reset(),
}


@pytest.mark.parametrize("use", USES)
def test_a_closed_sandbox(box: Sandbox, use: str) -> None:
    box.close()
    box.close()
    with pytest.raises(SandboxClosedError, match="closed; make a new one"):
        USES[use](box)
    assert "closed" in repr(box)


@pytest.mark.parametrize("use", [*USES, "close"])
def test_a_busy_sandbox(box: Sandbox, use: str) -> None:
    thread, results = started(box, "print('begun', flush=True)\nwhile True: pass")
    try:
        with pytest.raises(SandboxBusyError, match="in use"):
            {**USES, "close": Sandbox.close}[use](box)
    finally:
        box.cancel()
        thread.join(60)
    assert isinstance(results[0].error, GuestCancelled)


def test_a_sandbox_used_by_many_threads_at_once(box: Sandbox) -> None:
    """One gets through at a time, the others are told; nothing crashes."""
    outcomes: list[object] = []

    def work() -> None:
        for _ in range(50):
            try:
                outcomes.append(box.run("1 + 1").value)
            except SandboxBusyError:
                outcomes.append("busy")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 400
    assert set(outcomes) <= {2, "busy"}
    assert 2 in outcomes


def test_a_sandbox_may_move_between_threads(box: Sandbox) -> None:
    box.run("n = 0").check()
    values: list[object] = []
    for _ in range(5):
        thread = threading.Thread(target=lambda: values.append(box.run("n += 1\nn").value))
        thread.start()
        thread.join()
    assert values == [1, 2, 3, 4, 5]


def test_with_closes(sandbox: Any) -> None:
    with sandbox() as box:
        assert box.run("1").value == 1
    with pytest.raises(SandboxClosedError):
        box.run("1")


def test_a_forgotten_sandbox_warns_and_is_freed(image: Any, engine: str) -> None:
    box = Sandbox(image, engine=engine)
    with pytest.warns(ResourceWarning, match="was not closed"):
        del box


def test_unknown_engine(image: Any) -> None:
    with pytest.raises(UsageError, match="there is no engine 'turbo'; there are: auto, wasmtime"):
        Sandbox(image, engine="turbo")


def test_repr(box: Sandbox, engine: str) -> None:
    assert engine in repr(box)
    assert "open" in repr(box)
