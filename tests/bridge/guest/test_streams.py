"""Streams in both directions, and resources, from the guest."""

from __future__ import annotations

import pytest

from .conftest import Guest


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1000, 100_000])
def test_reading(guest: Guest, count: int) -> None:
    guest.run(f"assert list(probe.count({count})) == [b'%d' % i for i in range({count})]").check()
    code = f"""
        async def main():
            return [item async for item in probe.count_later({min(count, 3000)})]
        assert asyncio.run(main()) == list(range({min(count, 3000)}))
        async def plain():
            return len([item async for item in probe.count({count})])
        assert asyncio.run(plain()) == {count}
        assert list(probe.count_later(5)) == [0, 1, 2, 3, 4]
    """
    guest.run(code).check()


def test_memory_stays_flat(guest: Guest) -> None:
    before = guest.run("probe.add(1, 2)").usage.peak_memory_bytes
    code = "total = 0\nfor item in probe.count(400, 1_000_000): total += len(item)\ntotal"
    result = guest.run(code).check()
    assert result.value == 400_000_000
    assert result.usage.peak_memory_bytes - before < 32 << 20


def test_items_come_before_the_error_that_ends_them(guest: Guest) -> None:
    code = """
        seen = []
        try:
            for item in probe.count_later(20, stop=True):
                seen.append(item)
        except probe.Lost as error:
            seen.append(error.key)
        seen
    """
    assert guest.value(code) == [*range(20), "stopped"]
    assert guest.value("stream = probe.count_later(3)\nlist(stream) + list(stream)") == [0, 1, 2]


@pytest.mark.parametrize(
    "use",
    [
        "stream.close(); stream.close()",
        "with stream: next(stream)",
        "del stream; probe.add(1, 1)",
        "async def main():\n    async with stream: await anext(stream)\nasyncio.run(main())",
        "for item in stream: break\nstream.close()",
    ],
)
def test_closing(guest: Guest, use: str) -> None:
    guest.run(f"stream = probe.count(1_000_000)\nnext(stream)\n{use}").check()
    assert guest.probe.seen == ["closed"]


def test_after_close_there_are_no_items(guest: Guest) -> None:
    guest.run("stream = probe.count(100)\nnext(stream)\nstream.close()").check()
    assert guest.value("list(stream)") == []
    assert guest.value("import copy\nrepr(next(stream, None))") == "None"


def test_a_reader_that_is_cancelled_loses_no_items(guest: Guest) -> None:
    code = """
        async def main():
            stream, seen = probe.count_later(300), []
            while len(seen) < 300:
                try:
                    seen.append(await asyncio.wait_for(anext(stream), 0.0001))
                except TimeoutError:
                    pass
            return seen
        asyncio.run(main()) == list(range(300))
    """
    assert guest.value(code) is True


def test_two_readers(guest: Guest) -> None:
    code = """
        async def main():
            stream = probe.count_later(200)
            async def read():
                return [item async for item in stream]
            parts = await asyncio.gather(read(), read())
            return sorted(parts[0] + parts[1])
        asyncio.run(main()) == list(range(200))
    """
    assert guest.value(code) is True


def test_streams_to_the_host(guest: Guest) -> None:
    code = """
        async def items(n):
            for i in range(n):
                await asyncio.sleep(0)
                yield i
        async def main():
            return (await probe.total_later(items(1000)), await probe.total_later(range(1000)),
                    probe.total(items(10)))
        (probe.total(range(100_000)), probe.total([]), probe.total(i for i in (1, 2)),
         probe.total(items(100)), asyncio.run(main()), probe.total_later_sync(iter([4, 5])))
    """
    assert guest.value(code) == (4_999_950_000, 0, 3, 4950, (499_500, 499_500, 45), 9)


def test_streams_through_the_host(guest: Guest) -> None:
    assert guest.value("list(probe.doubled(range(5)))") == [0, 2, 4, 6, 8]
    code = "sum(probe.doubled(probe.doubled(range(10_000))))"
    assert guest.value(code) == 4 * sum(range(10_000))
    code = """
        async def main():
            return [item async for item in probe.doubled(probe.doubled(iter([1, 2])))]
        asyncio.run(main())
    """
    assert guest.value(code) == [4, 8]


def test_wrong_items_are_errors_of_the_guest(guest: Guest) -> None:
    assert "HostInternalError" in guest.error("probe.total([1, 'x'])")


def test_iterators_are_closed_with_the_call(guest: Guest) -> None:
    code = """
        closed = []
        def items():
            try:
                yield 1
                yield "x"
            finally:
                closed.append(True)
        try:
            probe.total(items())
        except coilbox.HostError:
            pass
        closed
    """
    assert guest.value(code) == [True]


def test_resources(guest: Guest) -> None:
    code = """
        with probe.rows() as rows:
            first = rows.take(), rows.take(3), list(rows.each())
            other = asyncio.run(rows.fork())
            async def main():
                async with await probe.rows_async() as third:
                    return await third.take_async(1)
            found = first, other.take(1), asyncio.run(main()), type(rows).__name__
        found
    """
    numbers = ([0, 1], [2, 3, 4], list(range(5, 15)))
    assert guest.value(code) == (numbers, [5], [0], "Rows")
    assert guest.error("rows.take()") == "coilbox.StaleHandle: the Rows is closed"
    assert guest.value("rows.close()\nother.close()\nprobe.held()") == [0]


def test_dropped_resources_are_closed_by_the_next_call(guest: Guest) -> None:
    code = """
        keep = [probe.rows() for _ in range(50)]
        before = probe.held()
        keep = None
        before, probe.held()
    """
    assert guest.value(code) == ([50], [0])


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("probe.Rows()", "TypeError: probe.Rows objects come from functions of the host only"),
        ("probe.Rows.take(5)", "TypeError: probe.Rows.take: self must be Rows, not int"),
        ("import copy\ncopy.copy(probe.rows())", "TypeError: cannot pickle"),
        ("type(probe.count(1))()", "TypeError: cannot create 'coilbox._bindings.Stream' instances"),
    ],
)
def test_handles_are_not_made_by_hand(guest: Guest, code: str, message: str) -> None:
    assert message in guest.error(code)
