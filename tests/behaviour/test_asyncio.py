"""Sandboxes in event loops: run_async and call_async, and what a cancelled task does to the guest."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from coilbox import (
    GuestCancelled,
    Limits,
    Sandbox,
    SandboxBusyError,
    SandboxStoppedError,
    TimeLimitExceeded,
    UsageError,
)

pytestmark = pytest.mark.isolated

LATE = 60.0
"""Seconds within which the guest has stopped; without a stop the programs run on for longer."""


def test_runs_and_calls(box: Sandbox) -> None:
    async def main() -> None:
        result = await box.run_async(
            "import sys\nprint(sys.argv[1], sys.stdin.read())\ndef f(a, b): return a * b\n6 * 7",
            ["x"],
            "y",
        )
        assert (result.value, result.stdout) == (42, "x y\n")
        assert (await box.call_async("__main__:f", 6, b=7)).value == 42
        assert (await box.run_async("1 / 0")).error is not None
        with pytest.raises(UsageError, match="module:function"):
            await box.call_async("f")
        with pytest.raises(UsageError, match="code must be"):
            await box.run_async(5)  # type: ignore[arg-type]

    asyncio.run(main())


def test_the_loop_goes_on_meanwhile(sandbox: Any) -> None:
    boxes = [sandbox() for _ in range(3)]

    async def main() -> None:
        begun = [asyncio.Event() for _ in boxes]
        loop = asyncio.get_running_loop()
        tasks = [
            asyncio.create_task(
                box.run_async(
                    "print(1, flush=True)\nwhile True: pass",
                    on_stdout=lambda data, e=event: loop.call_soon_threadsafe(e.set),
                )
            )
            for box, event in zip(boxes, begun, strict=True)
        ]
        for event in begun:
            await asyncio.wait_for(event.wait(), 30)
        with pytest.raises(SandboxBusyError):
            await boxes[0].run_async("1")
        for box in boxes:
            box.cancel()
        for result in await asyncio.gather(*tasks):
            assert isinstance(result.error, GuestCancelled)

    asyncio.run(main())


PROGRAMS = {
    "busy loop": "while True: pass",
    "catches everything": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "power": "x = 3 ** 300_000_000",
    "regular expression": "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')",
    "sorted": "x = list(range(3_000_000))\nwhile True: sorted(x, key=lambda v: -v % 977)",
    "zlib bomb": (
        "import zlib; b = zlib.compress(bytes(20_000_000))\nwhile True: zlib.decompress(b)"
    ),
    "copies": "b = bytearray(100_000_000)\nwhile True: b[1:] = b[:-1]",
    "sleep": "import time; time.sleep(1000)",
    "stdin": "input()",
}


@pytest.fixture
def silent_pipe() -> Any:
    """Something to read from that never says anything."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as file:
        yield file
    os.close(writing)


@pytest.mark.parametrize("name", PROGRAMS)
def test_cancelling_the_task_stops_the_guest(box: Sandbox, silent_pipe: Any, name: str) -> None:
    async def main() -> float:
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(
            box.run_async(
                f"print(1, flush=True)\n{PROGRAMS[name]}",
                stdin=silent_pipe,
                on_stdout=lambda data: loop.call_soon_threadsafe(begun.set),
            )
        )
        await asyncio.wait_for(begun.wait(), 30)
        await asyncio.sleep(0.1)
        at = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        return time.monotonic() - at

    assert asyncio.run(main()) < LATE
    with pytest.raises(SandboxStoppedError, match="cancelled"):
        box.run("1")
    box.reset()
    assert box.run("6 * 7").check().value == 42


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_deadline_stops_the_same(box: Sandbox, silent_pipe: Any, name: str) -> None:
    result = box.run(PROGRAMS[name], stdin=silent_pipe, timeout=0.5)
    assert isinstance(result.error, TimeLimitExceeded)
    assert result.error.used < 0.5 + LATE
    box.reset()
    assert box.run("6 * 7").check().value == 42


def test_asyncio_timeout(box: Sandbox) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await box.run_async("while True: pass")

    asyncio.run(main())
    box.reset()
    assert box.run("1").check().value == 1


def test_cancelled_again_while_it_stops(sandbox: Any) -> None:
    """The task ends only when the thread has left the guest, or a reset would be refused."""
    waiting, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        waiting.set()
        go_on.wait(30)

    box = sandbox(functions={"wait": wait})

    async def main() -> None:
        task = asyncio.create_task(box.run_async("from coilbox import host; host.wait()"))
        await asyncio.to_thread(waiting.wait, 30)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0.05)
            assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        box.reset()
        assert (await box.run_async("7")).value == 7

    asyncio.run(main())


def test_cancelled_before_a_thread_was_free(box: Sandbox) -> None:
    """What has not begun is not run, and needs no reset."""
    blocker = threading.Event()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        blocked = loop.run_in_executor(None, blocker.wait, 30)
        task = asyncio.create_task(box.run_async("x = 1"))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        blocker.set()
        await blocked
        assert (await box.run_async("'x' in dir()")).value is False

    asyncio.run(main())


def test_what_the_host_raises_comes_out(sandbox: Any) -> None:
    seen = contextvars.ContextVar[str]("seen")

    def fail(data: bytes) -> None:
        raise LookupError(seen.get())

    box = sandbox(limits=Limits(wall_seconds=20))

    async def main() -> None:
        seen.set("the context is the task's")
        with pytest.raises(LookupError, match="the context is the task's"):
            await box.run_async("print(1)", on_stdout=fail)

    run: Coroutine[Any, Any, None] = main()
    asyncio.run(run)
    box.reset()
    assert box.run("1").check().value == 1
