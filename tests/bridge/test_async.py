"""Awaited calls: they overlap, end with the sandbox, and leave nothing behind."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from coilbox.bridge.pending import MAX_PENDING
from coilbox.bridge.pool_share import MAX_THREADS
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
    tasks = [asyncio.create_task(p.nap(60.0)) for _ in range({MAX_PENDING + 10})]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    kinds = {{type(task.exception()).__name__ for task in done}}
    for task in pending:
        task.cancel()
    return kinds, len(done)
asyncio.run(main())
"""
    assert guest(code) == ({"CallLimitExceeded"}, 10)
    assert guest("p.nap_sync(0.0)") == 0.0


def test_more_calls_than_a_batch_has_and_large_ones(guest: Guest, probe: Any) -> None:
    code = """
async def main():
    sizes = [n * 1000 if n % 5 else 10 for n in range(200)]
    found = await asyncio.gather(*[p.data_async(bytes([n % 256]) * size) for n, size in enumerate(sizes)])
    return [len(item) for item in found] == sizes, [item[0] for item in found[1:]] == list(range(1, 200))
asyncio.run(main())
"""
    assert guest(code) == (True, True)
    assert len(guest("asyncio.run(p.blob_async(3_000_000))")) == 3_000_000


def test_calls_that_are_not_awaited_are_made(guest: Guest, probe: Any, wait_for: Any) -> None:
    # Not asyncio.run, which cancels what nobody awaited.
    code = """
loop = asyncio.new_event_loop()
async def main(*sizes):
    global tasks
    tasks = [asyncio.create_task(p.bounded_async(bytes(size), 1)) for size in sizes]
    await asyncio.sleep(0)
    if len(sizes) == 1: raise SystemExit
"""
    guest(f"{code}\nloop.run_until_complete(main(1, 2, 3))")
    wait_for(lambda: sorted(probe.calls) == [1, 2, 3])
    # The loop does not come to wait, and the program ends.
    guest("try: loop.run_until_complete(main(4))\nexcept SystemExit: pass")
    wait_for(lambda: 4 in probe.calls)


def test_a_call_comes_after_those_that_were_begun_before(guest: Guest, probe: Any) -> None:
    code = """
async def main():
    counter = p.counter(10)
    tasks = [asyncio.create_task(counter.add_slowly(1)) for _ in range(3)]
    await asyncio.sleep(0)
    counter.close()
    try: counter.add(1)
    except Exception as error: return [await task for task in tasks], type(error).__name__
asyncio.run(main())
"""
    assert guest(code) == ([11, 12, 13], "StaleHandle")


def test_refused_calls_raise_where_they_are_awaited(guest: Guest, probe: Any) -> None:
    code = """
import coilbox
async def kind(call):
    try: return await call
    except Exception as error: return type(error).__name__
async def main():
    calls = [p.add_async(1, 2), p.refused_async(1), p.counted_async(), p.counted_async(),
             p.counted_async(), p.bounded_async(bytes(2000), 1), p.single_async(0.05), p.single_async(0.05),
             *[p.rated_async() for _ in range(4)], p.add_async(3, 4)]
    return await asyncio.gather(*map(kind, calls))
asyncio.run(main())
"""
    limited: list[Any] = [None, None, "CallLimitExceeded", "ArgumentsTooLarge", None]
    limited += ["ConcurrencyLimitExceeded", 1, 1, 1, "RateLimitExceeded", 7]
    assert guest(code) == [3, "PermissionError", *limited]
    assert guest("p.add(1, 1)") == 2
    assert 1 not in probe.calls


def test_begun_calls_are_counted(guest: Any) -> None:
    guest("async def main(n): await asyncio.gather(*[p.add_async(n, 1) for n in range(n)])")
    small, large = (guest.box.run(f"asyncio.run(main({n}))").check().usage for n in (10, 300))
    assert (small.host_calls, large.host_calls) == (10, 300)
    assert large.host_call_argument_bytes > small.host_call_argument_bytes + 290 * 3


def test_callbacks_of_calls_may_begin_calls(guest: Guest) -> None:
    code = """
tasks = []
def f(n, item):
    tasks.append(asyncio.create_task(p.nap(0.01)))
    return str(n)
async def main():
    found = await p.acall_async(f, 3)
    return found, await asyncio.gather(*tasks)
asyncio.run(main())
"""
    assert guest(code) == (["0", "1", "2"], [0.01] * 3)


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
