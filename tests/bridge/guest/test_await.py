"""Awaited calls: they overlap, are cancelled, and leave the event loop as asyncio has it."""

from __future__ import annotations

import time

from .conftest import Guest


def test_calls_overlap(guest: Guest) -> None:
    code = """
        async def main():
            return await asyncio.gather(*(probe.add_later(i, 1, seconds=0.2) for i in range(200)))
        asyncio.run(main())
    """
    assert guest.value(code) == list(range(1, 201))
    assert guest.probe.most_waiting > 10


def test_task_groups_timeouts_and_loops_one_after_the_other(guest: Guest) -> None:
    code = """
        async def grouped():
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(probe.add_later(i, 1)) for i in range(5)]
            return [task.result() for task in tasks]

        async def begun():
            before = probe.later()
            task = asyncio.create_task(probe.add_later(1, 1, seconds=600))
            while probe.later() == before:
                await asyncio.sleep(0.001)
            return task

        async def timed():
            task = await begun()
            try:
                async with asyncio.timeout(0.01):
                    await task
            except TimeoutError:
                pass
            while probe.later():
                await asyncio.sleep(0.001)
            try:
                await asyncio.wait_for(await begun(), 0.01)
            except TimeoutError:
                return await asyncio.wait_for(probe.add_later(2, 2), 60)

        async def sleeping():
            await asyncio.sleep(0.01)
            call = asyncio.create_task(probe.add_later(1, 2, seconds=0.05))
            await asyncio.sleep(0.01)
            await asyncio.sleep(0)
            return await call

        asyncio.run(grouped()), asyncio.run(timed()), asyncio.run(sleeping())
    """
    assert guest.value(code) == ([1, 2, 3, 4, 5], 4, 3)
    for _ in range(6000):
        if len(guest.probe.seen) == 2:
            break
        time.sleep(0.01)
    assert guest.probe.seen == ["cancelled", "cancelled"]


def test_a_cancelled_call_is_cancelled_on_the_host(guest: Guest) -> None:
    code = """
        async def main():
            task = asyncio.create_task(probe.add_later(1, 1, seconds=600))
            while not probe.later():
                await asyncio.sleep(0.001)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                return "cancelled"
        asyncio.run(main())
    """
    assert guest.value(code) == "cancelled"
    for _ in range(6000):
        if guest.probe.seen:
            break
        time.sleep(0.01)
    assert guest.probe.seen == ["cancelled"]


def test_calls_that_a_loop_left_behind(guest: Guest) -> None:
    code = """
        loop = asyncio.new_event_loop()
        async def leave():
            asyncio.get_running_loop().create_task(probe.add_later(1, 1, seconds=0.05))
            await asyncio.sleep(0)
        loop.run_until_complete(leave())
        loop.close()
        async def main():
            return await probe.add_later(2, 2, seconds=0.2)
        asyncio.run(main())
    """
    assert guest.value(code) == 4


def test_without_a_loop_there_is_an_error_and_no_call(guest: Guest) -> None:
    code = """
        coroutine = probe.add_later(1, 1, seconds=60)
        coroutine.send(None)
    """
    assert guest.error(code) == "RuntimeError: no running event loop"


def test_many_waiters_of_one_task(guest: Guest) -> None:
    code = """
        async def main():
            task = asyncio.create_task(probe.add_later(1, 1, seconds=0.01))
            async def wait(): return await task
            return await asyncio.gather(asyncio.shield(task), wait(), wait())
        asyncio.run(main())
    """
    assert guest.value(code) == [2, 2, 2]


def test_the_loop_runs_other_tasks_meanwhile(guest: Guest) -> None:
    code = """
        async def main():
            ticks = 0
            async def tick():
                nonlocal ticks
                while True:
                    await asyncio.sleep(0)
                    ticks += 1
            ticker = asyncio.create_task(tick())
            call = asyncio.create_task(probe.add_later(1, 1, seconds=600))
            while not (probe.later() and ticks > 10):
                await asyncio.sleep(0)
            ticker.cancel()
            return call.done(), call.cancel()
        asyncio.run(main())
    """
    assert guest.value(code) == (False, True)


def test_plain_calls_inside_coroutines(guest: Guest) -> None:
    code = """
        async def main():
            async def both(i):
                return probe.add(i, 1) + await probe.add_later(i, 1) + probe.add_later_sync(i, 1)
            return await asyncio.gather(*map(both, range(3)))
        asyncio.run(main())
    """
    assert guest.value(code) == [3, 6, 9]
