"""The limits of functions, each with its own error."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

Guest = Callable[..., Any]


def error_of(guest: Guest, call: str) -> tuple[str, str]:
    code = f"import coilbox\nfound = None\ntry: {call}\nexcept coilbox.HostError as error: found = (type(error).__name__, str(error))\nfound"
    found: tuple[str, str] = guest(code)
    return found


def in_time(guest: Guest, code: str) -> Any:
    """The value of code that takes a moment of its 0.1 seconds, once the machine is not too busy."""
    for _ in range(100):
        result = guest.box.run(code)  # type: ignore[attr-defined]
        if "CallTimeout" not in str(result.error):
            break
    return result.check().value


def test_rate_and_burst(guest: Guest) -> None:
    code = "import coilbox\nmade = 0\ntry:\n    while made < 10: p.rated(); made += 1\nexcept coilbox.RateLimitExceeded: pass\nmade"
    assert guest(code) == 3
    assert error_of(guest, "p.rated()") == (
        "RateLimitExceeded",
        "acme_probe.rated may be called 1 times in 60 seconds",
    )


def test_the_rate_comes_back(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    assert guest("[p.rated() for _ in range(3)]") == [1, 1, 1]
    now = time.monotonic()
    monkeypatch.setattr("coilbox.bridge.limiter.time.monotonic", lambda: now + 61)
    assert guest("p.rated()") == 1
    assert error_of(guest, "p.rated()")[0] == "RateLimitExceeded"


def test_concurrency(guest: Guest) -> None:
    code = """
async def main():
    tasks = [asyncio.create_task(p.single_async(600.0)) for _ in range(3)]
    while sum(task.done() for task in tasks) < 2:
        await asyncio.sleep(0.001)
    for task in tasks: task.cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    return [type(item).__name__ for item in found]
asyncio.run(main())
"""
    found = guest(code)
    assert sorted(found) == ["CancelledError"] + ["ConcurrencyLimitExceeded"] * 2
    assert guest("p.single(0.0)") is None, "the place is free again"


def test_calls_in_total(guest: Guest, probe: Any) -> None:
    assert guest("p.counted(), p.counted()") == (None, None)
    assert error_of(guest, "p.counted()") == (
        "CallLimitExceeded",
        "acme_probe.counted may be called 2 times",
    )
    assert probe.calls == ["counted"] * 2


def test_bytes_in_and_out(guest: Guest, probe: Any) -> None:
    assert guest("len(p.bounded(bytes(1000), 2))") == 2000
    assert error_of(guest, "p.bounded(bytes(1100), 1)")[0] == "ArgumentsTooLarge"
    assert error_of(guest, "p.bounded(bytes(1000), 3)")[0] == "ResultTooLarge"
    assert probe.calls == [1000, 1000]


@pytest.mark.parametrize("call", ["p.hasty({})", "asyncio.run(p.hasty_async({}))"])
def test_timeout_of_plain_functions(guest: Guest, probe: Any, wait_for: Any, call: str) -> None:
    assert in_time(guest, call.format(0.0)) == "done"
    assert error_of(guest, call.format(300.0)) == (
        "CallTimeout",
        "acme_probe.hasty took longer than 0.1 seconds",
    )
    assert probe.contexts[-1].cancelled
    wait_for(lambda: "doze cancelled" in probe.events)
    assert in_time(guest, call.format(0.0)) == "done"


@pytest.mark.parametrize("call", ["p.ahasty({})", "asyncio.run(p.ahasty_async({}))"])
def test_timeout_of_asynchronous_functions(
    guest: Guest, probe: Any, wait_for: Any, call: str
) -> None:
    assert in_time(guest, call.format(0.0)) == "done"
    assert error_of(guest, call.format(300.0))[0] == "CallTimeout"
    wait_for(lambda: probe.naps == 0)
    assert set(probe.events) <= {"nap cancelled"}


def test_a_timeout_is_a_timeout_error(guest: Guest) -> None:
    assert guest("try: p.hasty(9.0)\nexcept TimeoutError: caught = True\ncaught")


def test_timeout_and_concurrency_of_streams(guest: Guest) -> None:
    assert guest("s = p.hasty_stream(0.0)\n[next(s), next(s)]") == [0, 1]
    assert error_of(guest, "next(p.hasty_stream(0.0))")[0] == "ConcurrencyLimitExceeded"
    assert guest("s.close()\nlen(list(p.hasty_stream(0.0)))") == 100
    code = "s = p.hasty_stream(30.0)\nnext(s)"
    assert guest(code) == 0
    assert error_of(guest, "next(s)")[0] == "CallTimeout"
