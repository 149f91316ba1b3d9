"""Replies that are not what they should be: an exception in the guest, and nothing worse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coilbox.bridge.bridge import Bridge

from .conftest import Guest

SETTINGS = settings(
    max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)

_CALLS = """
import asyncio, datetime, decimal, uuid, probe
point = probe.Point(x=1, tags={"a": [1, 2]}, next=probe.Point(x=9))
many = probe.ShapeMany([probe.ShapeEmpty(), probe.ShapeCircle(radius=1.0)])
now = datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.UTC)
moment = (now.date(), now, now.time(), now - now, decimal.Decimal(1), uuid.UUID(int=5))
calls = [
    lambda: probe.add(1, 2**80),
    lambda: probe.move(point),
    lambda: probe.shape(many),
    lambda: probe.moment(*moment),
    lambda: probe.sized(1, 2, 3),
    lambda: probe.collect({probe.Colour.RED}, {1: ("a", True)}),
    lambda: probe.echo(b"x" * 100),
    lambda: probe.fail("lost"),
    lambda: list(probe.count(3)),
    lambda: probe.rows().take(1),
    lambda: asyncio.run(probe.add_later(1, 2)),
    lambda: asyncio.run(collect()),
]
async def collect():
    return [item async for item in probe.count_later(3)]
def attempt(number):
    try:
        return repr(calls[number]()) and "value"
    except Exception as error:
        return type(error).__name__
"""
_EXPECTED = {
    *("value", "ValueError", "TypeError", "OverflowError", "UnicodeDecodeError", "KeyError"),
    *("InvalidOperation", "ZoneInfoNotFoundError", "AttributeError", "StaleHandle", "Lost"),
    *("HostError", "HostInternalError", "RuntimeError"),
}


class Damage:
    """What is done to the replies of calls."""

    def __init__(self) -> None:
        self.change: Any = None

    def apply(self, reply: Any) -> Any:
        data = reply if isinstance(reply, bytes) else b"".join(reply)
        return data if self.change is None else self.change(data)


@pytest.fixture(scope="module")
def damage() -> Iterator[Damage]:
    made = Damage()
    perform = Bridge.perform

    def damaged(bridge: Bridge, function: int, data: Any) -> Any:
        reply = perform(bridge, function, data)
        is_next = function & 0x7FFFFFFF == (2 << 24) + 4
        return made.apply(reply) if (function >> 24 & 0x7F) == 1 or is_next else reply

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bridge, "perform", damaged)
        yield made


@SETTINGS
@given(number=st.integers(0, 11), data=st.data())
def test_damaged_bytes(shared: Guest, damage: Damage, number: int, data: st.DataObject) -> None:
    flips = data.draw(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=3))
    cut = data.draw(st.one_of(st.none(), st.integers(0, 200)))

    def change(reply: bytes) -> bytes:
        whole = bytearray(reply)
        for place, byte in flips:
            whole[place % len(whole)] = byte
        return bytes(whole[:cut])

    shared.run(_CALLS).check()
    damage.change = change
    try:
        result = shared.sandbox.call("__main__:attempt", number)
    finally:
        damage.change = None
    if result.error is not None:  # a number of a call that there is not: the host stops the guest
        shared.sandbox.reset()
        return
    assert result.value in _EXPECTED
    assert shared.value("probe.add(1, 2)") == 3


@pytest.mark.parametrize(
    "reply",
    [
        *(b"", b"\x92", b"\x92\x00", b"\x92\x00\xc0", b"\x92\x00\x01\x01", b"\x00", b"\x91\x00"),
        *(b"\x92\x02\x01", b"\x92\x04\x01", b"\x92\xff\x01", b"\x92\x01\x01", b"\x92\x01\x80"),
        *(b"\x93\x03\x00\x90", b"\x93\x03\x04\x90", b"\x93\x03\x7f\x90", b"\x93\x03\x04\xdd"),
        *(b"\x92\x00\xdd\xff\xff\xff\xff", b"\x92\x00" + b"\x91" * 100_000, b"\xc1" * 5000),
        b"\x92\x00\xc6\xff\xff\xff\xff" + bytes(70_000),
        b"\x92\x00\xc6\x00\x01\x11\x70" + bytes(69_999),
        b"\x92\x01\xc6\x00\x01\x11\x70" + bytes(70_000),
    ],
    ids=lambda reply: reply[:8].hex(),
)
@pytest.mark.parametrize(
    "call", ["move(probe.Point(x=1))", "echo(b'')", "shape(probe.ShapeEmpty())"]
)
def test_malformed_replies(guest: Guest, damage: Damage, reply: bytes, call: str) -> None:
    damage.change = lambda _: reply
    try:
        error = guest.error(f"probe.{call}")
    finally:
        damage.change = None
    assert error.startswith(("ValueError: malformed value from the host", "KeyError", "TypeError"))
    assert guest.value("probe.echo(b'x' * 100_000) == b'x' * 100_000") is True


@pytest.mark.parametrize("tail", [b"\x00", b"\x01\x01", b"\xc0", b"\xcf" + b"\xff" * 8])
def test_malformed_numbers_of_calls(guest: Guest, damage: Damage, tail: bytes) -> None:
    damage.change = lambda _: b"\x92\x02" + tail
    try:
        error = guest.error("asyncio.run(probe.add_later(1, 2))")
    finally:
        damage.change = None
    assert error.startswith("ValueError: malformed value from the host")
