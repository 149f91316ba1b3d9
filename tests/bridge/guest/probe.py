"""The extension of ``probe.yaml``: one function of each kind, for tests to call."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from coilbox.bindings import load_spec
from coilbox.bindings.generate.host import host_module
from coilbox.bindings.host import Extension
from coilbox.bindings.spec import Spec

SPEC = Path(__file__).parent / "probe.yaml"


def load_host(spec: Spec) -> ModuleType:
    """The host's module that is generated for a spec."""
    name = f"{spec.name}_host"
    module = ModuleType(name)
    sys.modules[name] = module  # dataclasses look there for the types of fields
    exec(compile(host_module(spec), f"<{name}>", "exec"), module.__dict__)
    return module


class Rows:
    """A resource that counts."""

    def __init__(self) -> None:
        self.next = 0

    def take(self, context: Any, /, n: int) -> list[int]:
        self.next += n
        return list(range(self.next - n, self.next))

    def each(self, context: Any, /) -> Iterator[int]:
        yield from range(self.next, self.next + 10)

    async def fork(self, context: Any, /) -> Rows:
        other = Rows()
        other.next = self.next
        return other


class Probe:
    """The implementation."""

    def __init__(self, host: ModuleType) -> None:
        self._host = host
        self.seen: list[Any] = []
        self.waiting = self.most_waiting = 0

    def later(self, context: Any, /) -> int:
        return self.waiting

    def add(self, context: Any, /, a: int, b: int) -> int:
        return a + b

    async def add_later(self, context: Any, /, a: int, b: int, seconds: float) -> int:
        self.waiting += 1  # on the event loop's thread alone
        self.most_waiting = max(self.most_waiting, self.waiting)
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.seen.append("cancelled")
            raise
        finally:
            self.waiting -= 1
        return a + b

    def move(self, context: Any, /, point: Any, by: int, *, colour: Any) -> Any:
        self.seen.append((point, by, colour))
        return self._host.Point(
            x=point.x + by,
            y=point.y,
            label=point.label,
            tags=point.tags,
            next=point.next,
            colour=colour or point.colour,
        )

    def shape(self, context: Any, /, shape: Any) -> Any:
        return shape

    def echo(self, context: Any, /, data: bytes) -> bytes:
        return data

    def maybe(self, context: Any, /, data: bytes | None) -> bytes | None:
        return data

    def sized(self, context: Any, /, small: int, large: int, low: int) -> tuple[int, int, int]:
        return small, large, low

    def collect(self, context: Any, /, items: Any, table: Any) -> list[str]:
        return sorted([*(item.value for item in items), *(f"{k}{v}" for k, v in table.items())])

    def moment(
        self, context: Any, /, day: Any, at: Any, clock: Any, wait: Any, price: Any, id: Any
    ) -> Any:
        return day, at, clock, wait, price, id

    def fail(self, context: Any, /, how: str) -> None:
        self._raise(how)

    async def fail_later(self, context: Any, /, how: str) -> None:
        await asyncio.sleep(0)
        self._raise(how)

    def secret(self, context: Any, /) -> int:
        return 7

    def count(self, context: Any, /, n: int, size: int) -> Iterator[bytes]:
        try:
            for i in range(n):
                yield bytes(size) if size else b"%d" % i
        finally:
            self.seen.append("closed")

    async def count_later(self, context: Any, /, n: int, stop: bool) -> AsyncIterator[int]:
        for i in range(n):
            await asyncio.sleep(0)
            yield i
        if stop:
            raise self._host.Lost(key="stopped", where=None)

    def rows(self, context: Any, /) -> Rows:
        return Rows()

    def total(self, context: Any, /, numbers: Any) -> int:
        return sum(numbers)

    async def total_later(self, context: Any, /, numbers: Any) -> int:
        return sum([number async for number in numbers])

    def doubled(self, context: Any, /, numbers: Any) -> Iterator[int]:
        for number in numbers:
            yield 2 * number

    def apply(self, context: Any, /, function: Any, n: int) -> list[str]:
        return [function(i, self._host.Point(x=i)) for i in range(n)]

    async def apply_later(self, context: Any, /, function: Any, n: int) -> list[str]:
        calls = (function.acall(i, self._host.Point(x=i)) for i in range(n))
        return list(await asyncio.gather(*calls))

    def perhaps(self, context: Any, /, function: Any) -> bool:
        if function is not None:
            function()
        return function is not None

    def held(self, context: Any, /) -> list[int]:
        gc.collect()
        return [sum(isinstance(item, Rows) for item in gc.get_objects())]

    def _raise(self, how: str) -> None:
        if how == "lost":
            raise self._host.Lost(key="k", where=self._host.Point(x=1))
        if how == "wrong":
            raise KeyError("a secret of the host")


def make() -> tuple[Extension, Probe]:
    """The extension, and its implementation."""
    host = load_host(load_spec(SPEC))
    probe = Probe(host)
    return host.ProbeExtension(probe), probe
