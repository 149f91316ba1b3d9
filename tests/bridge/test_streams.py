"""Streams in both directions, and callbacks."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.isolated

Guest = Callable[..., Any]


@pytest.mark.parametrize("name", ["numbers", "anumbers"])
class TestFromTheHost:
    def test_all_items_in_order(self, guest: Guest, name: str) -> None:
        assert guest(f"list(p.{name}(0)), list(p.{name}(1))") == ([], [0])
        assert guest(f"list(p.{name}(20_000)) == list(range(20_000))")
        code = f"async def main(): return [x async for x in p.{name}(5_000)]\nasyncio.run(main()) == list(range(5_000))"
        assert guest(code)

    def test_only_what_is_wanted_is_made(self, guest: Guest, probe: Any, name: str) -> None:
        assert guest(f"s = p.{name}(10**9)\n[next(s) for _ in range(10)]") == list(range(10))
        assert probe.produced <= 10_000

    def test_closing_ends_the_iterator(
        self, guest: Guest, probe: Any, wait_for: Any, name: str
    ) -> None:
        guest(f"with p.{name}(10**9) as s: next(s)")
        wait_for(lambda: probe.events == [f"{name} closed"])
        assert guest("list(s)") == []

    def test_the_sandbox_ends_the_iterator(self, guest: Any, probe: Any, name: str) -> None:
        guest(f"s = p.{name}(10**9)\nnext(s)")
        guest.box.close()
        assert probe.events == [f"{name} closed"]

    def test_exhausted_ones_are_closed(
        self, guest: Any, probe: Any, wait_for: Any, name: str
    ) -> None:
        guest(f"for _ in range(3): list(p.{name}(100))")
        wait_for(lambda: probe.events == [f"{name} closed"] * 3)
        assert len(guest.box._session.bridge.handles) == 0


def test_large_items_come_in_small_portions(guest: Guest, probe: Any) -> None:
    assert guest("s = p.blobs(1000, 100_000)\nlen(next(s)), len(next(s))") == (100_000, 100_000)
    assert probe.produced < 20
    assert guest("sum(map(len, s))") == 998 * 100_000


def test_errors_come_after_the_items_before_them(guest: Guest) -> None:
    code = """
import coilbox
found = []
try:
    for x in p.bad_stream('{}'): found.append(x)
except {} as error: found.append(type(error).__name__)
found
"""
    assert guest(code.format("item", "coilbox.HostInternalError")) == [1, 2, "HostInternalError"]
    assert guest(code.format("other", "coilbox.HostInternalError")) == [1, 2, "HostInternalError"]
    assert guest(code.format("declared", "p.Missing")) == [1, 2, "Missing"]
    assert guest(code.format("none", "coilbox.HostInternalError")) == ["HostInternalError"]


GUEST_ASYNC = """
async def numbers(n):
    for i in range(n):
        if i % 100 == 0: await asyncio.sleep(0)
        yield i
"""


def test_streams_to_the_host(guest: Guest) -> None:
    assert guest("p.total(range(10_000)), p.total([]), p.total(x for x in (1, 2))") == (
        49_995_000,
        0,
        3,
    )
    assert guest("p.atotal(range(10_000))") == 49_995_000
    assert guest(
        "asyncio.run(p.atotal_async(range(1000))), asyncio.run(p.total_async([1, 2]))"
    ) == (
        499_500,
        3,
    )
    assert guest(GUEST_ASYNC + "asyncio.run(p.atotal_async(numbers(5000)))") == 12_497_500
    assert guest(GUEST_ASYNC + "asyncio.run(p.total_async(numbers(5000)))") == 12_497_500


def test_only_what_the_host_wants_is_asked_of_the_guest(guest: Guest) -> None:
    code = """
made = 0
def numbers():
    global made
    while True:
        made += 1
        yield made
p.first(numbers()), made < 10_000
"""
    assert guest(code) == (1, True)


@pytest.mark.parametrize("name", ["doubled", "adoubled"])
def test_streams_through_the_host(guest: Guest, name: str) -> None:
    assert guest(f"list(p.{name}(range(1000))) == [2 * x for x in range(1000)]")
    code = f"async def main(): return [x async for x in p.{name}(numbers(1000))]\nasyncio.run(main()) == [2 * x for x in range(1000)]"
    assert guest(GUEST_ASYNC + code)


@pytest.mark.parametrize("name", ["doubled", "adoubled"])
def test_streams_of_the_guest_that_need_its_event_loop(guest: Guest, name: str) -> None:
    """Whoever reads the result with ``await`` leaves the loop free for what the items wait for."""
    code = f"""
async def main():
    queue = asyncio.Queue()
    async def fill():
        for n in range(20):
            await asyncio.sleep(0)
            await queue.put(n)
        await queue.put(None)
    async def items():
        while (item := await queue.get()) is not None:
            yield item
    filling = asyncio.create_task(fill())
    found = [x async for x in p.{name}(items())]
    await filling
    return found
asyncio.run(main())
"""
    assert guest(code) == [2 * n for n in range(20)]


@pytest.mark.parametrize("name", ["doubled", "adoubled"])
def test_a_stream_of_the_guest_outlives_its_event_loop(guest: Guest, name: str) -> None:
    code = f"""
class Numbers:
    n = -1
    def __aiter__(self): return self
    async def __anext__(self):
        await asyncio.sleep(0)
        self.n += 1
        return self.n
s = p.{name}(Numbers())
async def main(): return await anext(s)
asyncio.run(main()), next(s), next(s), asyncio.run(main()), asyncio.run(main()), next(s)
"""
    assert guest(code) == (0, 2, 4, 6, 8, 10)


def test_large_items_are_asked_for_few_at_a_time(guest: Guest, probe: Any) -> None:
    code = """
made = 0
def items():
    global made
    for _ in range(100):
        made += 1
        yield p.Item(name='x' * 200_000)
p.first_item(items()), made
"""
    assert guest(code) == (200_000, 1)
    assert guest("p.lengths(p.Item(name='x' * n) for n in range(0, 100_000, 1000))") == 4_950_000


def test_a_plain_function_learns_that_its_stream_was_closed(
    guest: Guest, probe: Any, wait_for: Any
) -> None:
    code = """
async def main():
    stream = p.until_cancelled()
    first = await anext(stream)
    waiting = asyncio.create_task(anext(stream))
    await asyncio.sleep(0.05)
    stream.close()
    return first
asyncio.run(main())
"""
    assert guest(code) == 0
    wait_for(lambda: "learned" in probe.events)


def test_a_guests_stream_that_fails(guest: Guest) -> None:
    code = """
import coilbox
def bad():
    yield 1
    raise ValueError('of the guest')
try: {}
except coilbox.HostInternalError as error: found = 'internal'
except ValueError as error: found = str(error)
found
"""
    for call in ("p.total(bad())", "p.atotal(bad())", "asyncio.run(p.atotal_async(bad()))"):
        assert guest(code.format(call)) in ("internal", "of the guest")


def test_callbacks(guest: Guest, probe: Any) -> None:
    guest("def f(n, item): return f'{n} {item.name} {item.kind.value}'")
    expected = ["0 i small", "1 i small"]
    assert guest("p.call(f, 2)") == expected
    assert guest("p.acall(f, 2)") == expected
    assert guest("asyncio.run(p.call_async(f, 2)), asyncio.run(p.acall_async(f, 2))") == (
        expected,
        expected,
    )
    assert probe.events == []
    assert guest("p.call(lambda n, item: p.call(f, 1)[0], 1)") == ["0 i small"]


def test_callbacks_that_are_coroutine_functions(guest: Guest) -> None:
    guest("async def f(n, item):\n    await asyncio.sleep(0.01)\n    return f'{n} {item.name}'")
    assert guest("asyncio.run(p.acall_async(f, 3))") == ["0 i", "1 i", "2 i"]
    assert guest("asyncio.run(p.call_async(f, 1))") == ["0 i"]


def test_callbacks_end_with_the_call(guest: Guest) -> None:
    assert guest("p.keep(lambda: 1)\np.kept()") == (
        "the guest's callbacks and streams end with the call they came with"
    )
    assert guest("p.keep(None)\np.kept()") == "'NoneType' object is not callable"


def test_callbacks_of_a_wrong_type_are_the_guests_error(guest: Guest) -> None:
    code = "import coilbox\ntry: p.call(lambda n, item: 5, 1)\nexcept (TypeError, coilbox.HostError) as error: found = True\nfound"
    assert guest(code)
    assert guest("p.call(lambda n, item: 'x', 1)") == ["x"]


def test_callbacks_that_stop_the_guest(guest: Any) -> None:
    def forever() -> Any:
        return guest.box.run("def f(n, item):\n    while True: pass\np.call(f, 1)", timeout=0.2)

    assert type(forever().error).__name__ == "TimeLimitExceeded"
    guest.box.reset()
    guest("import acme_probe as p, asyncio")
    result = guest.box.run("def f(n, item):\n    while True: pass\np.acall(f, 1)", timeout=0.2)
    assert type(result.error).__name__ == "TimeLimitExceeded"
    guest.box.reset()
    assert guest("import acme_probe as p\np.add(1, 1)") == 2


def test_nesting_has_a_limit(guest: Guest) -> None:
    code = """
depth = 0
def f(n, item):
    global depth
    depth += 1
    return p.call(f, 1)[0]
try: p.call(f, 1)
except Exception as error: found = type(error).__name__
found, depth
"""
    found, depth = guest(code)
    assert found in ("HostInternalError", "RecursionError")
    assert depth == 8
    assert guest("p.add(1, 1)") == 2


def test_other_threads_wait_for_the_guests(guest: Guest, probe: Any, wait_for: Any) -> None:
    """It never waits here, so the end of the call ends what they wait for."""
    assert guest("p.thread_call(lambda n, item: str(n))") == "2"
    text = "the guest's callbacks and streams end with the call they came with"
    wait_for(lambda: probe.events == [text])
