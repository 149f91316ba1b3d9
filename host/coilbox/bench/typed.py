"""Calls of an extension's functions, measured in the guest that makes them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from coilbox import Sandbox
from coilbox.bindings.derive import Functions
from coilbox.bindings.host import Extension

PAUSE = 0.01
"""Seconds that an awaited call takes."""
MANY = 50
"""Functions of the extension that is loaded."""

tools = Functions("bench_tools")


@dataclass(frozen=True)
class Record:
    """The record that crosses in both directions."""

    id: int
    name: str
    price: float
    active: bool
    data: bytes
    note: str | None


@tools.function
def add(a: int, b: int) -> int:
    """Return the sum."""
    return a + b


@tools.function
def echo(record: Record) -> Record:
    """Return the record."""
    return record


@tools.function
def data(data: bytes) -> bytes:
    """Return the bytes."""
    return data


@tools.function
async def pause(seconds: float) -> None:
    """Return after a while."""
    await asyncio.sleep(seconds)


@tools.function
def count(to: int) -> Iterator[int]:
    """Return the numbers below ``to``."""
    return iter(range(to))


_SETUP = """
import asyncio, time
import bench_tools as t
record = t.Record(id=17, name="a record", price=12.5, active=True, data=b"abc", note=None)
payload = bytes(1 << 20)

async def gather(count):
    await asyncio.gather(*[t.pause_async({pause}) for _ in range(count)])

def timed(work, count):
    start = time.perf_counter()
    work(count)
    return time.perf_counter() - start

def repeated(call):
    def work(count):
        for _ in range(count):
            call()
    return work

def read(count):
    for _ in t.count(count):
        pass
"""
_CALLS = {
    "add": "timed(repeated(lambda: t.add(20, 22)), {count}) / {count}",
    "record": "timed(repeated(lambda: t.echo(record)), {count}) / {count}",
    "bytes": "timed(repeated(lambda: t.data(payload)), {count}) / {count}",
    "awaited": "timed(lambda count: asyncio.run(gather(count)), {count})",
    "stream": "timed(read, {count})",
}


def measure(what: str, amount: int, options: dict[str, Any]) -> float:
    """Seconds of one call, of all awaited calls, of a whole stream, or of loading an extension.

    Args:
        what: ``add``, ``record``, ``bytes``, ``awaited``, ``stream`` or ``load``.
        amount: how many calls or items.
        options: of the sandbox.
    """
    if what == "load":
        return _load(options)
    with Sandbox(**options, extensions=[tools.extension()]) as sandbox:
        sandbox.run(_SETUP.format(pause=PAUSE)).check()
        return float(sandbox.run(_CALLS[what].format(count=amount)).check().value)


def _load(options: dict[str, Any]) -> float:
    extension = _many()
    with Sandbox(**options, extensions=[extension]):
        pass  # the first one compiles the module
    with Sandbox(**options, extensions=[extension]) as sandbox:
        sandbox.run("import time").check()
        code = "start = time.perf_counter()\nimport bench_many\ntime.perf_counter() - start"
        return float(sandbox.run(code).check().value)


def _many() -> Extension:
    many = Functions("bench_many")
    for number in range(MANY):

        def function(a: int, b: str, c: float = 1.5) -> int:
            return a

        function.__name__ = f"function_{number}"
        function.__doc__ = f"Return a, as number {number}."
        many.function(function)
    return many.extension()
