"""Awaited calls: they overlap, end with the sandbox, and leave nothing behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from coilbox.bridge.control import MAX_BEGUN
from coilbox.bridge.jobs import MAX_THREADS
from coilbox.bridge.threads import loop_thread

pytestmark = pytest.mark.isolated

Guest = Callable[..., Any]

GATHER = """
async def main():
    return await asyncio.gather(*[{call} for n in range({count})])
asyncio.run(main())
"""


def test_calls_overlap(guest: Guest, probe: Any) -> None:
    assert guest(GATHER.format(call="p.nap(0.5)", count=100)) == [0.5] * 100
    assert probe.most_naps > 10


def test_plain_functions_overlap_on_threads(guest: Guest, probe: Any) -> None:
    assert guest(GATHER.format(call="p.doze_async(0.5)", count=32)) == [0.5] * 32
    assert 1 < probe.most_naps <= MAX_THREADS
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("coilbox-pool") <= MAX_THREADS


def test_errors_of_awaited_calls(guest: Guest) -> None:
    code = """
async def main():
    try:
        await p.fail_async('declared')
    except p.Missing as error:
        return error.key
asyncio.run(main())
"""
    assert guest(code) == "k"


def test_cancelling_in_the_guest_cancels_on_the_host(
    guest: Guest, probe: Any, wait_for: Any
) -> None:
    code = """
async def main():
    before = p.begun()
    task = asyncio.create_task(p.nap(60.0))
    while p.begun() == before:
        await asyncio.sleep(0.001)
    try:
        async with asyncio.timeout(0.01):
            await task
    except TimeoutError:
        return 'timed out'
asyncio.run(main())
"""
    assert guest(code) == "timed out"
    wait_for(lambda: probe.events == ["nap cancelled"])
    assert guest(code.replace("p.nap", "p.doze_async")) == "timed out"
    wait_for(lambda: probe.events == ["nap cancelled", "doze cancelled"])


@pytest.mark.parametrize("call", ["p.nap_sync(60.0)", "asyncio.run(p.nap(60.0))"])
def test_waits_end_with_the_run(guest: Any, probe: Any, wait_for: Any, call: str) -> None:
    for seconds in (0.1, 1, 10, 50):  # on a busy machine it may not come to nap in less
        result = guest.box.run(f"import asyncio, acme_probe as p\n{call}", timeout=seconds)
        assert type(result.error).__name__ == "TimeLimitExceeded"
        if probe.naps_begun:
            break
        guest.box.reset()
    wait_for(lambda: probe.events == ["nap cancelled"])


@pytest.mark.parametrize("call", ["p.nap_sync(60.0)", "asyncio.run(p.nap(60.0))", "time.sleep(60)"])
def test_waits_end_with_cancel(guest: Any, call: str) -> None:
    timer = threading.Timer(0.1, guest.box.cancel)
    timer.start()
    result = guest.box.run(call.replace("60", "1000"))
    timer.join()
    assert type(result.error).__name__ == "GuestCancelled"


def test_begun_calls_end_with_the_sandbox(guest: Any, probe: Any, wait_for: Any) -> None:
    code = """
async def main():
    tasks = [asyncio.create_task(p.nap(60.0)) for _ in range(20)]
    while p.begun() < 20:
        await asyncio.sleep(0.001)
    import os
    os._exit(0)
asyncio.run(main())
"""
    guest.box.run(code)
    bridge = guest.box._session.bridge
    guest.box.close()
    wait_for(lambda: not bridge.tasks)
    assert probe.events == ["nap cancelled"] * 20


def test_begun_calls_have_a_limit(guest: Guest) -> None:
    code = f"""
import coilbox
async def main():
    tasks = [asyncio.create_task(p.nap(60.0)) for _ in range({MAX_BEGUN + 10})]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    kinds = {{type(task.exception()).__name__ for task in done}}
    for task in pending:
        task.cancel()
    return kinds, len(done)
asyncio.run(main())
"""
    assert guest(code) == ({"CallLimitExceeded"}, 10)
    assert guest("p.nap_sync(0.0)") == 0.0


def test_no_thread_of_its_own(guest: Guest, sandbox: Any, extension: Any) -> None:
    guest(GATHER.format(call="p.doze_async(0.01)", count=MAX_THREADS))
    guest("p.nap_sync(0.0)")
    before = threading.active_count()
    for _ in range(5):
        box = sandbox(extensions=[extension])
        code = "import asyncio, acme_probe as p\n" + GATHER.format(call="p.nap(0.01)", count=50)
        box.run(code).check()
        box.run("p.hasty(0.0)").check()
        box.close()
    assert threading.active_count() <= before + 1
    assert loop_thread.is_started
