"""Functions of the guest that the host calls."""

from __future__ import annotations

import dataclasses
import textwrap

from coilbox import Image, Sandbox

from .conftest import Guest
from .probe import make


def test_plain_callbacks(guest: Guest) -> None:
    code = """
        def name(i, point):
            assert type(point) is probe.Point and point.x == i
            return f"{i}{probe.add(i, 1)}"
        async def main():
            return await probe.apply_later(name, 3), probe.apply(name, 2)
        probe.apply(name, 3), asyncio.run(main()), probe.apply_later_sync(name, 1)
    """
    assert guest.value(code) == (["01", "12", "23"], (["01", "12", "23"], ["01", "12"]), ["01"])


def test_coroutine_functions(guest: Guest) -> None:
    code = """
        running = most = 0
        async def name(i, point):
            global running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.01)
            running -= 1
            return str(await probe.add_later(i, point.x))
        async def main():
            return await probe.apply_later(name, 4), probe.apply(name, 2)
        result = probe.apply(name, 3), asyncio.run(main()), probe.apply_later_sync(name, 2)
        result, most
    """
    values = (["0", "2", "4"], (["0", "2", "4", "6"], ["0", "2"]), ["0", "2"])
    assert guest.value(code) == (values, 4)


def test_event_loops_inside_callbacks(guest: Guest) -> None:
    code = """
        def name(i, point):
            return str(asyncio.run(probe.add_later(i, 1)))
        async def main():
            before = asyncio.current_task()
            result = probe.apply(name, 2)
            assert asyncio.current_task() is before
            await asyncio.sleep(0)
            return result
        probe.apply(name, 2), asyncio.run(main())
    """
    assert guest.value(code) == (["1", "2"], ["1", "2"])


def test_callbacks_that_raise(guest: Guest) -> None:
    code = """
        def bad(i, point):
            raise LookupError("of the guest")
        async def worse(i, point):
            await asyncio.sleep(0)
            raise StopIteration("of the guest")
        def leave(i, point):
            raise SystemExit(3)
        caught = []
        for function in (bad, worse, leave, lambda i, point: 5):
            for call in (probe.apply, lambda *args: asyncio.run(probe.apply_later(*args))):
                try:
                    call(function, 1)
                except coilbox.HostInternalError as error:
                    caught.append(error.call_id is not None)
        caught
    """
    assert guest.value(code) == [True] * 8


def test_callbacks_end_with_their_call(guest: Guest) -> None:
    code = """
        import gc, weakref
        class Name:
            def __call__(self, i, point): return "n"
        name = Name()
        gone = weakref.ref(name)
        assert probe.apply(name, 2) == ["n", "n"]
        assert asyncio.run(probe.apply_later(name, 2)) == ["n", "n"]
        try:
            probe.apply(name, "x")
        except TypeError:
            pass
        del name
        probe.add(1, 1)
        gc.collect()
        gone()
    """
    assert guest.value(code) is None


def test_optional_callbacks(guest: Guest) -> None:
    code = """
        called = []
        (probe.perhaps(), probe.perhaps(None), probe.perhaps(lambda: called.append(1)), called)
    """
    assert guest.value(code) == (False, False, True, [1])


def test_calls_nest_until_the_limit(guest: Guest) -> None:
    code = """
        depth = 0
        def deeper(i, point):
            global depth
            depth += 1
            return probe.apply(deeper, 1)[0]
        try:
            probe.apply(deeper, 1)
        except coilbox.HostError as error:
            name = type(error).__name__
        name, 2 < depth < 100
    """
    assert guest.value(code) == ("HostInternalError", True)


@dataclasses.dataclass
class Pair:
    left: str
    right: str


def test_the_host_calls_while_a_reply_is_written(image: Image, engine: str) -> None:
    code = """
        import dataclasses, probe
        from coilbox import declare
        @declare
        @dataclasses.dataclass
        class Pair:
            left: str
            right: str
            def __getattribute__(self, name):
                if name not in ("left", "right"):
                    return object.__getattribute__(self, name)
                return name + str(probe.apply(lambda i, point: "x" * 20_000 * i, 2))
        def give(): return [Pair("a", "b")] * 2
    """
    extension, _ = make()
    with Sandbox(image, engine=engine, extensions=[extension], types=[Pair]) as box:
        box.run(textwrap.dedent(code)).check()
        (pair, other) = box.call("__main__:give").check().value
    text = str(["", "x" * 20_000])
    assert pair == other == Pair("left" + text, "right" + text)
