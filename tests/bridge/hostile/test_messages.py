"""Calls, arguments and control messages of any bytes."""

from __future__ import annotations

import contextlib
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest

from coilbox.codec.scalars import pack
from coilbox.errors import (
    GuestProtocolError,
    LimitExceeded,
)

from .guest import (
    ANSWER,
    CANCEL,
    CLOSE,
    CONTROL,
    LEFT_OUT,
    MODULE,
    NEXT,
    OPERATION,
    WAIT,
    Guest,
    frame,
)


def test_numbers_that_there_are_not(hostile: Guest) -> None:
    count = hostile.bridge.host_api.count
    for function in (
        *(OPERATION | count, OPERATION | 0xFFFFFF, 1 << 31, 1 << 31 | OPERATION),
        *(CONTROL | 7, CONTROL | 0xFFFFFF, 1, 0xFFFFFF),
        *(3 << 24, 0x7F << 24, 0xFFFFFFFF),
    ):
        with pytest.raises(GuestProtocolError):
            hostile.raw(function, pack([]))
        with pytest.raises(GuestProtocolError):
            hostile.begin_raw(frame(function, pack([])))


WRONG: dict[str, tuple[Any, ...]] = {
    "add": (
        *([], [1], [1, 2, 3], [1, "2"], [1, 2.0], [1, True], [1, None], [1, LEFT_OUT], {}, 5),
        *([1, msgpack.ExtType(99, b"x")], [1, msgpack.ExtType(17, b"x")]),
        [1, msgpack.ExtType(2, pack([1]))],
    ),
    "item": (
        *([["a", 1]], [["a", 1, 0, 0]], [["a", 256, 0]], [["a", -1, 0]], [["a", 1, 2]]),
        *([["a", 1, -1]], [["a", 1, "small"]], [[b"a", 1, 0]], [None], [{"name": "a"}]),
        [["a", LEFT_OUT, 0]],
    ),
    "answer": (
        *([[]], [[3]], [[-1]], [["hit"]], [[True]], [[0]], [[0, 5]], [[1, 1]], [[2, "a"]]),
        *([[2, "a", 65536]], [[2, "a", 1, 1]], [0]),
    ),
    "texts": ([[]], [{1: []}], [{"a": "b"}], [{"a": [1]}], [{"a": None}]),
    "nap": ([1], ["1"], [None]),
    "call": ([1], [-1, 1], ["f", 1], [1 << 63, 1], [1, "1"]),
    "total": ([None], [[1]], [-1]),
    "Counter.add": ([], ["1"], [None], [1.0], [True, 1]),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("pending", [False, True])
def test_arguments_of_other_types(hostile: Guest, probe: Any, name: str, pending: bool) -> None:
    for args in WRONG[name]:
        with pytest.raises(GuestProtocolError, match="malformed value"):
            if pending:
                hostile.begin_raw(frame(hostile.number(name), pack(args)))
            else:
                hostile.raw(hostile.number(name), pack(args))
    assert probe.calls == []
    assert hostile.call("add", 1, 2) == (0, 3)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"\xc1", b"\x92\x01", b"\x92\x01\x02\x03", b"\xdd\xff\xff\xff\xff" * 40),
        b"\x91" * 2000,
        b"\x92" + b"\x91" * 200 + b"\x01\x02",
        b"\x92\xc6\xff\xff\xff\xff" + b"x" * 2000,
        b"\x92\xc7\x09\x06" + pack([2020] * 9)[:9] + b"\x01",
        b"\x92\xdf\xff\xff\xff\xff" + b"\xc0" * 5000,
    ],
)
def test_broken_frames(hostile: Guest, data: bytes) -> None:
    for function in (hostile.number("add"), hostile.number("texts"), CONTROL | NEXT):
        with pytest.raises(GuestProtocolError):
            hostile.raw(function, data)
        with pytest.raises(GuestProtocolError):
            hostile.begin_raw(frame(function, data))


def test_data_that_would_take_much_memory(hostile: Guest) -> None:
    with pytest.raises((GuestProtocolError, LimitExceeded)):
        hostile.raw(
            hostile.number("texts"),
            b"\x91\xdd" + (3 << 20).to_bytes(4, "big") + b"\x90" * (3 << 20),
        )


def test_keys_of_equal_hash(hostile: Guest) -> None:
    modulus = (1 << 61) - 1
    keys = [msgpack.ExtType(1, (n * modulus).to_bytes(16, "little")) for n in range(5000)]
    items = b"".join(pack(key) + b"\x90" for key in keys)
    data = b"\x91\xde" + len(keys).to_bytes(2, "big") + items
    with pytest.raises(GuestProtocolError, match="take the same places"):
        hostile.raw(hostile.number("texts"), data)


HUGE, LOW = (msgpack.ExtType(1, sign * 9000) for sign in (b"\x01", b"\x80"))
"""Integers of more digits than Python makes a text of, and than a float holds."""


@pytest.mark.parametrize(
    ("number", "args"),
    [
        *((MODULE, (HUGE,)), (MODULE, ([HUGE],)), (WAIT, (LOW,))),
        *((CANCEL, (HUGE,)), (NEXT, (HUGE, 1)), (NEXT, (1, HUGE)), (CLOSE, (HUGE,))),
        *((ANSWER, (HUGE, 0, b"")), (ANSWER, (1, HUGE, b""))),
    ],
)
def test_huge_numbers_in_control_messages(
    hostile: Guest, number: int, args: tuple[Any, ...]
) -> None:
    with contextlib.suppress(GuestProtocolError):
        assert hostile.control(number, *args)[0] in (0, 1)


@pytest.mark.parametrize("name", WRONG)
def test_huge_numbers_as_arguments(hostile: Guest, name: str) -> None:
    for args in (
        [HUGE],
        [HUGE, HUGE],
        [[HUGE]],
        [["a", HUGE, 0]],
        [["a", 1, HUGE]],
        [[2, "a", HUGE]],
    ):
        with contextlib.suppress(GuestProtocolError):
            assert hostile.call(name, *args)[0] in (0, 1)


def test_a_huge_integer_beside_a_decimal(hostile: Guest) -> None:
    number = int.from_bytes(b"\x5a" * 10_000, "little")
    keys = (
        [HUGE, 1],
        [msgpack.ExtType(1, b"\x5a" * 10_000), msgpack.ExtType(10, b"%d" % hash(number))],
    )
    for pair in keys:
        data = b"\x91\x82" + b"".join(pack(key) + b"\x90" for key in pair)
        with pytest.raises(GuestProtocolError) as caught:
            hostile.raw(hostile.number("texts"), data)
    assert "a huge integer and a Decimal as keys" in str(caught.value)


def test_stale_and_foreign_handles(hostile: Guest, probe: Any) -> None:
    status, counter = hostile.call("counter")
    _, other = hostile.call("other")
    _, stream = hostile.call("numbers", 5)
    assert status == 0
    assert len({counter, other, stream}) == 3
    for handle in (0, -1, 99, 1 << 62, other, stream):
        assert hostile.call("Counter.add", handle, 1)[1]["type"] == "StaleHandle"
    for handle in (0, -1, 99, 1 << 62, other, counter):
        assert hostile.control(NEXT, handle, 5)[1]["type"] == "StaleHandle"
    for handle in (counter, other, stream, counter, 0, -1):
        assert hostile.control(CLOSE, handle) == (0, None)
    assert hostile.call("Counter.add", counter, 1)[1]["type"] == "StaleHandle"
    assert hostile.control(NEXT, stream, 5)[1]["type"] == "StaleHandle"
    assert hostile.call("counter")[1] > max(counter, other, stream), "numbers are not used again"


@pytest.mark.parametrize(
    ("number", "args"),
    [
        *((MODULE, ()), (MODULE, (1, 2)), (WAIT, ("x",)), (WAIT, (float("nan"),)), (WAIT, ())),
        *((CANCEL, ("1",)), (CANCEL, (None,)), (CANCEL, (1.0,)), (CANCEL, ([],))),
        *((NEXT, (1,)), (NEXT, (1, "5")), (CLOSE, (True,)), (ANSWER, (1, 0))),
        *((ANSWER, ("1", 0, b"")), (ANSWER, (1, "0", b""))),
    ],
)
def test_malformed_control_messages(hostile: Guest, number: int, args: tuple[Any, ...]) -> None:
    with pytest.raises(GuestProtocolError):
        hostile.control(number, *args)


def test_control_messages_about_nothing(hostile: Guest) -> None:
    for name in ("acme_none", "os", "", None, 5, b"acme_probe", "a" * 100_000):
        assert hostile.control(MODULE, name)[1]["type"] == "ImportError"
    assert hostile.control(WAIT, None)[1]["type"] == "RuntimeError"
    assert hostile.wait(0) == hostile.wait(-5.0) == hostile.begin_raw(b"") == {}
    for number in (0, -1, 5, 1 << 63):
        assert hostile.control(CANCEL, number) == (0, None)
        assert hostile.control(ANSWER, number, 0, b"\x01") == (0, None)


def test_a_stream_asked_for_no_or_very_many_items(hostile: Guest) -> None:
    _, stream = hostile.call("numbers", 1_000_000)
    for most in (0, -1):
        with pytest.raises(GuestProtocolError):
            hostile.control(NEXT, stream, most)
    for _ in range(20):
        finished, items = hostile.control(NEXT, stream, 1 << 62)[1]
        assert not finished
        assert len(items) <= 4096
