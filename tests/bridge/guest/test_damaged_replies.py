"""Replies that are not what they should be: an exception in the guest, and nothing worse."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coilbox.bridge.bridge import BEGIN, CONTROL, Bridge

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


_NEXT, _WAIT = (CONTROL | 4), (CONTROL | 1)


class Damage:
    """Damages the replies of calls, and the messages that bring those of pending calls."""

    def __init__(self) -> None:
        self.change: Any = None
        self.change_message: Any = None

    def apply(self, function: int, data: bytes) -> bytes:
        if function in (_WAIT, BEGIN):
            if self.change is not None:
                data = self._in_message(data)
            return data if self.change_message is None else bytes(self.change_message(data))
        called = function >> 24 == 1 or function == _NEXT
        return bytes(self.change(data)) if called and self.change is not None else data

    def _in_message(self, data: bytes) -> bytes:
        status, replies = msgpack.unpackb(data)
        changed = b""
        while status == 0 and replies:
            number, size = struct.unpack_from("<QI", replies)
            reply = self.change(replies[12 : 12 + size])
            changed += struct.pack("<QI", number, len(reply)) + reply
            replies = replies[12 + size :]
        return bytes(msgpack.packb([0, changed])) if changed else data


@pytest.fixture(scope="module")
def damage() -> Iterator[Damage]:
    made = Damage()
    perform = Bridge.perform

    def damaged(bridge: Bridge, function: int, data: Any) -> Any:
        reply = perform(bridge, function, data)
        return made.apply(function, reply if isinstance(reply, bytes) else b"".join(reply))

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
    assert result.error is None
    assert result.value in _EXPECTED
    assert shared.value("probe.add(1, 2)") == 3


@pytest.mark.parametrize(
    "reply",
    [
        *(b"", b"\x92", b"\x92\x00", b"\x92\x00\xc0", b"\x92\x00\x01\x01", b"\x00", b"\x91\x00"),
        *(b"\x92\x01\x81\xa4type\xa1x", b"\x92\x01\x82\xa4type\x01\xa7message\xa1x"),
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
    assert error.startswith("ValueError: malformed value from the host")
    assert guest.value("probe.echo(b'x' * 100_000) == b'x' * 100_000") is True


@pytest.mark.parametrize("call", ["add_later(1, 2)", "count_later(3).__anext__()"])
@pytest.mark.parametrize("reply", [b"", b"\x92\x02\x01", b"\x92\x00\x91", b"\xc1"], ids=bytes.hex)
def test_malformed_replies_of_begun_calls(
    guest: Guest, damage: Damage, reply: bytes, call: str
) -> None:
    guest.run("async def main(): return await eval(code)").check()
    guest.run(f"code = 'probe.{call}'").check()
    if call.startswith("count"):
        guest.run("stream = probe.count_later(3)\ncode = 'anext(stream)'").check()
    damage.change = lambda _: reply
    try:
        error = guest.error("asyncio.run(main())")
    finally:
        damage.change = None
    assert error.startswith("ValueError: malformed value from the host")
    assert guest.value("asyncio.run(probe.add_later(1, 2))") == 3


@pytest.mark.parametrize(
    "message",
    [
        *(
            b"",
            b"\x92\x00\xc0",
            b"\x92\x00\x01",
            b"\x92\x02\xc4\x00",
            b"\x92\x00\xc4\x0b" + bytes(11),
        ),
        b"\x92\x00\xc4\x0d" + bytes(8) + b"\x02\x00\x00\x00\xc0",
        b"\x92\x00\xc4\x0c" + bytes(8) + b"\xff" * 4,
    ],
    ids=bytes.hex,
)
def test_malformed_messages_of_replies(guest: Guest, damage: Damage, message: bytes) -> None:
    damage.change_message = lambda _: message
    try:
        error = guest.error("asyncio.run(probe.add_later(1, 2))")
    finally:
        damage.change_message = None
    assert error.startswith("ValueError: malformed value from the host")
    assert guest.value("probe.add(1, 2)") == 3


def test_replies_of_calls_that_nobody_awaits(guest: Guest, damage: Damage) -> None:
    strange = struct.pack("<QI", 1 << 63, 3) + b"\x92\x00\xc0"

    def add(data: bytes) -> bytes:
        status, replies = msgpack.unpackb(data)
        return bytes(msgpack.packb([status, strange + replies + strange]))

    damage.change_message = add
    try:
        assert guest.value("asyncio.run(probe.add_later(1, 2))") == 3
    finally:
        damage.change_message = None
