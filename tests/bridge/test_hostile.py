"""What a guest with corrupted memory can do to the host's side: any bytes, to any function.

The bridge is called as an engine calls it, without a guest; whatever comes, it replies with bytes
or stops the guest with the errors that are meant for that, and leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import struct
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coilbox import Image, UsageError
from coilbox.bindings.host import Extension
from coilbox.bridge import HostAPI, make_bridge
from coilbox.bridge.bridge import MAX_DEPTH
from coilbox.bridge.extensions import ExtensionBridge
from coilbox.bridge.guest_requests import INVOKE, ITEMS
from coilbox.bridge.handles import MAX_OPEN
from coilbox.bridge.meter import CallMeter
from coilbox.bridge.pending import MAX_BATCH, MAX_PENDING, MAX_PENDING_BYTES
from coilbox.bridge.threads import loop_thread
from coilbox.codec import TypeRegistry, encode
from coilbox.codec.scalars import pack
from coilbox.engines.protocol import StopGuest
from coilbox.errors import (
    GuestCancelled,
    GuestProtocolError,
    HostCallLimitExceeded,
    LimitExceeded,
    ValueLimitExceeded,
)
from coilbox.limits import DEFAULT_LIMITS, Limits
from coilbox.sandbox import compile_module

OPERATION, CONTROL = 1 << 24, 2 << 24
MODULE, WAIT, BEGIN, CANCEL, NEXT, CLOSE, ANSWER = range(7)
LEFT_OUT = msgpack.ExtType(17, b"")

Reply = tuple[int, Any]


class Guest:
    """Calls the bridge as a guest does; ``answers`` is what it replies to requests."""

    def __init__(
        self, host_api: HostAPI, extension: Extension, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        bridge = make_bridge(host_api, "hostile", self._serve, CallMeter(limits))
        assert isinstance(bridge, ExtensionBridge)
        self.bridge = bridge
        self.bridge.enter(None)
        self.answers: Callable[[list[Any]], bytes] = lambda request: pack([0, None])
        self.requests: list[list[Any]] = []
        self.last = 0
        self._numbers = {item.name: item.index for item in extension.spec.operations}

    def raw(self, function: int, data: bytes) -> Reply:
        reply = self.bridge.perform(function, data)
        parts = reply if isinstance(reply, bytes) else b"".join(reply)
        status, *rest = msgpack.unpackb(parts, strict_map_key=False)
        return status, rest[0] if len(rest) == 1 else rest

    def call(self, name: str, *args: Any) -> Reply:
        return self.raw(self.number(name), pack(list(args)))

    def control(self, number: int, *args: Any) -> Reply:
        return self.raw(CONTROL | number, pack(list(args)))

    def begin_raw(self, data: bytes) -> dict[int, Reply]:
        """Begin the calls in ``data``; the replies of those that were refused."""
        return _replies(self.raw(CONTROL | BEGIN, data))

    def begin_all(self, *calls: tuple[int, bytes]) -> dict[int, Reply]:
        """Begin calls with one message; the replies of those that were refused."""
        self.last += len(calls)
        return self.begin_raw(b"".join(frame(*call) for call in calls))

    def begin(self, name: str, *args: Any) -> int:
        """Begin a call; its number."""
        assert self.begin_all((self.number(name), pack(list(args)))) == {}
        return self.last

    def refusal(self, name: str, *args: Any) -> Any:
        """Begin a call; the error that refuses it, or None."""
        found = self.begin_all((self.number(name), pack(list(args))))
        return found[self.last][1]["type"] if found else None

    def begin_next(self, handle: int, most: int) -> dict[int, Reply]:
        return self.begin_all((CONTROL | NEXT, pack([handle, most])))

    def wait(self, seconds: float | None) -> dict[int, Reply]:
        """Wait; the replies of calls that have ended."""
        return _replies(self.control(WAIT, seconds))

    def number(self, name: str) -> int:
        return OPERATION | self._numbers[name]

    def _serve(self, message: bytes) -> bytes:
        self.requests.append(msgpack.unpackb(message))
        return self.answers(self.requests[-1])


def frame(function: int, data: bytes) -> bytes:
    """One call of a message that begins some."""
    return struct.pack("<II", function, len(data)) + data


def _replies(reply: Reply) -> dict[int, Reply]:
    status, data = reply
    assert status == 0, data
    found: dict[int, Reply] = {}
    while data:
        number, size = struct.unpack_from("<QI", data)
        assert number not in found
        kind, *rest = msgpack.unpackb(data[12 : 12 + size], strict_map_key=False)
        found[number] = kind, rest[0] if len(rest) == 1 else rest
        data = data[12 + size :]
    return found


@pytest.fixture(scope="module")
def host_api_of(image: Image) -> Callable[[Extension], HostAPI]:
    compiler = functools.partial(compile_module, image, "wasmtime")
    functions = {"plain": lambda *args: None}
    return lambda extension: HostAPI(
        functions, TypeRegistry(), [extension], ["probe.use"], image.digest, compiler
    )


@pytest.fixture
def hostile(host_api_of: Any, extension: Extension) -> Iterator[Guest]:
    guest = Guest(host_api_of(extension), extension)
    yield guest
    guest.bridge.close()
    assert len(guest.bridge.handles) == 0
    assert not guest.bridge.tasks


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
    with pytest.raises(GuestProtocolError, match="same places"):
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


@pytest.mark.parametrize("cut", [1, 7, 8, 9])
def test_calls_without_their_end(hostile: Guest, probe: Any, cut: int) -> None:
    whole = frame(hostile.number("data"), pack([b"x"]))
    for data in (whole[:-cut], whole + whole[:-cut], frame(hostile.number("data"), b"")[:4]):
        with pytest.raises(GuestProtocolError):
            hostile.begin_raw(data)
    too_long = struct.pack("<II", hostile.number("data"), 0xFFFFFFFF) + pack([b"x"])
    with pytest.raises(GuestProtocolError, match="without their end"):
        hostile.begin_raw(too_long)


def test_too_many_calls_at_once(hostile: Guest) -> None:
    one = frame(hostile.number("add"), pack([1, 2]))
    assert hostile.begin_raw(one * MAX_BATCH) == {}
    with pytest.raises(GuestProtocolError, match=f"more than {MAX_BATCH} calls"):
        hostile.begin_raw(one * MAX_BATCH + b"\0")


def test_only_calls_and_items_of_streams_can_be_begun(hostile: Guest) -> None:
    for number in (MODULE, WAIT, BEGIN, CANCEL, CLOSE, ANSWER):
        for data in (pack([1]), pack([1, 1]), pack([1, 0, b""]), b""):
            with pytest.raises(GuestProtocolError):
                hostile.begin_raw(frame(CONTROL | number, data))


def test_calls_are_numbered_and_taken_once(hostile: Guest) -> None:
    add, nap, counter = (hostile.number(name) for name in ("add", "nap", "Counter.add"))
    refused = hostile.begin_all(
        (add, pack([1, 2])), (counter, pack([99, 1])), (nap, pack([0.0])), (nap, pack([60.0]))
    )
    assert [(number, reply[1]["type"]) for number, reply in refused.items()] == [(2, "StaleHandle")]
    ended: dict[int, Reply] = {}
    while len(ended) < 2:
        more = hostile.wait(None)
        assert not ended.keys() & more.keys()
        ended |= more
    assert ended == {1: (0, 3), 3: (0, 0.0)}
    for number in (1, 2, 3, 4, 4, 5, 0, -1):  # ended, refused, going on, cancelled, none
        assert hostile.control(CANCEL, number) == (0, None)
    assert hostile.wait(0) == {}
    assert hostile.control(WAIT, None)[1]["type"] == "RuntimeError"


def test_calls_before_one_that_is_malformed_are_begun(hostile: Guest, probe: Any) -> None:
    good, bad = frame(hostile.number("data"), pack([b"x"])), b"\0"
    with pytest.raises(GuestProtocolError):
        hostile.begin_raw(good * 3 + bad)
    ended: dict[int, Reply] = {}
    while len(ended) < 3:
        ended |= hostile.wait(10.0)
    assert ended == dict.fromkeys((1, 2, 3), (0, b"x"))


def test_limits_count_each_pending_call(host_api_of: Any, extension: Extension, probe: Any) -> None:
    guest = Guest(host_api_of(extension), extension, Limits(host_calls=5, value_bytes=1000))
    data = guest.number("data"), pack([bytes(900)])
    assert guest.begin_all(data, data, data) == {}  # each is below the limit of values
    meter = guest.bridge._control.pending._meter
    assert meter.calls == 3
    with pytest.raises(StopGuest) as stopped:
        guest.begin_all((guest.number("data"), pack([bytes(1001)])))
    assert isinstance(stopped.value.reason, ValueLimitExceeded)
    with pytest.raises(StopGuest) as stopped:
        guest.begin_all(data, data, data)
    assert isinstance(stopped.value.reason, HostCallLimitExceeded)
    assert stopped.value.reason.used == 6
    guest.bridge.close()


def test_a_flood_of_begun_calls(hostile: Guest, probe: Any, wait_for: Any) -> None:
    nap = hostile.number("nap"), pack([60.0])
    refused = [hostile.begin_all(*[nap] * 128) for _ in range(MAX_PENDING // 128)]
    assert not any(refused)
    assert len(hostile.begin_all(*[nap] * 128)) == 128
    assert hostile.refusal("nap", 60.0) == "CallLimitExceeded"
    assert len(hostile.bridge._control.pending) == MAX_PENDING, "nothing is kept of the others"
    hostile.bridge.close()
    wait_for(lambda: not hostile.bridge.tasks)
    assert len(probe.events) <= MAX_PENDING


def test_a_flood_of_begun_calls_with_much_data(hostile: Guest) -> None:
    data = bytes(1 << 20)
    kinds = [hostile.refusal("data", data) for _ in range(MAX_PENDING_BYTES >> 20)]
    # Replies that nobody takes count, too.
    assert kinds[-1] == "CallLimitExceeded" or hostile.refusal("data", data) is not None
    made = kinds.count(None)
    ended: dict[int, Reply] = {}
    while len(ended) < made:
        more = hostile.wait(None)
        assert len(more) == 1, "a message has few large replies"
        ended |= more
    assert set(ended.values()) == {(0, data)}
    assert hostile.refusal("data", data) is None


def test_results_that_nobody_takes(
    hostile: Guest, monkeypatch: pytest.MonkeyPatch, wait_for: Any
) -> None:
    monkeypatch.setattr("coilbox.bridge.pending.MAX_HELD_BYTES", 1 << 20)
    for _ in range(40):
        hostile.begin("blob", 100_000)
    pending = hostile.bridge._control.pending
    wait_for(lambda: len(pending._ended) == 40)
    found: dict[int, Reply] = {}
    while len(found) < 40:
        found |= hostile.wait(None)
    whole = [value for status, value in found.values() if status == 0]
    assert 5 <= len(whole) <= 10
    errors = {value["type"] for status, value in found.values() if status == 1}
    assert errors == {"CallLimitExceeded"}
    # One result may be larger, if there is no other.
    call = hostile.begin("blob", 2 << 20)
    assert hostile.wait(None) == {call: (0, bytes(2 << 20))}
    assert pending._bytes == 0


def test_a_flood_of_calls_that_are_begun_and_cancelled(hostile: Guest, wait_for: Any) -> None:
    """Whatever is cancelled is forgotten, in all the places where it waits."""
    hostile.answers = lambda request: pack([0, True])
    for name, args in (("doze", (60.0,)), ("nap", (60.0,)), ("acall", (1, 1)), ("call", (1, 1))):
        for _ in range(300):
            call = hostile.begin(name, *args)
            hostile.control(WAIT, 0)
            hostile.control(CANCEL, call)
    bridge = hostile.bridge
    pending = bridge._control.pending
    held = (
        bridge.pool_share._waiting,
        pending._calls,
        pending._ended,
        bridge._later,
        bridge._requests,
    )
    wait_for(lambda: not any(len(waiting) for waiting in held))
    assert pending._bytes == 0
    assert len(bridge._running) == 0
    wait_for(lambda: not bridge.tasks)


def test_a_flood_of_plain_functions_on_threads(hostile: Guest, probe: Any) -> None:
    before = threading.active_count()
    for _ in range(500):
        hostile.begin("doze", 60.0)
    assert threading.active_count() <= before + 20
    assert hostile.call("add", 1, 2) == (0, 3)


@pytest.mark.parametrize("name", ["numbers", "anumbers"])
def test_a_flood_of_streams(hostile: Guest, name: str) -> None:
    found = [hostile.call(name, 100) for _ in range(MAX_OPEN + 50)]
    assert [status for status, _ in found].count(0) == MAX_OPEN
    assert found[-1][1]["type"] == "CallLimitExceeded"
    assert not any(hostile.begin_next(handle, 1) for _, handle in found[:100])
    # A stream that is being read cannot be read at the same time, nor harmed by its end.
    for _, handle in found[:100]:
        assert hostile.begin_next(handle, 1) == {}
        hostile.control(CLOSE, handle)


def test_handles_of_calls_that_nobody_takes(hostile: Guest, probe: Any, wait_for: Any) -> None:
    numbers = [hostile.begin("counter") for _ in range(20)]
    wait_for(lambda: len(hostile.bridge._control.pending._ended) == 20)
    assert len(probe.open) == 20
    for number in numbers:
        hostile.control(CANCEL, number)
    wait_for(lambda: len(hostile.bridge.handles) == 0)


def test_calls_after_the_end(hostile: Guest, probe: Any) -> None:
    _, handle = hostile.call("counter")
    hostile.bridge.close()
    for attempt in (
        lambda: hostile.call("add", 1, 2),
        lambda: hostile.call("nap", 0.0),
        lambda: hostile.begin("nap", 0.0),
        lambda: hostile.begin("doze", 0.0),
        lambda: hostile.call("Counter.add", handle, 1),
        lambda: hostile.control(WAIT, None),
        lambda: hostile.call("counter"),
    ):
        with pytest.raises(GuestCancelled):
            attempt()
    hostile.bridge.close()
    hostile.bridge.interrupt()
    assert len(hostile.bridge.handles) == 0


# -- answers to requests -------------------------------------------------------------------------

ERROR: dict[str, Any] = {
    "type": "ValueError",
    "message": "m",
    "notes": [],
    "cause": None,
    "context": None,
    "frames": [],
    "children": [],
    "traceback": "",
}


@pytest.mark.parametrize("name", ["call", "acall"])
@pytest.mark.parametrize(
    "answer",
    [
        *(b"", b"\xc1", pack(5), pack([]), pack([0]), pack([2, b"x"]), pack([1, 5])),
        *(pack([1, {"type": 5}]), pack([0, "text"]), pack([0, 5]), pack([0, False])),
        *(pack([0, b""]), pack([0, pack(5)]), pack([0, b"\xc1"]), pack([0, pack(["a"])])),
    ],
)
def test_answers_that_are_none(hostile: Guest, name: str, answer: bytes) -> None:
    hostile.answers = lambda request: answer
    with pytest.raises(GuestProtocolError):
        hostile.call(name, 1, 1)


def test_a_callback_that_raises(hostile: Guest) -> None:
    hostile.answers = lambda request: encode([1, ERROR])
    for name in ("call", "acall"):
        assert hostile.call(name, 1, 1)[1]["type"] == "HostInternalError"
    assert [request[1] for request in hostile.requests] == [INVOKE, INVOKE]


@pytest.mark.parametrize("name", ["total", "atotal"])
@pytest.mark.parametrize(
    "answer",
    [
        *([], [True], [1, b"\x90"], [True, "x"], [True, b""], [True, pack(5)]),
        *([True, pack(["x"])], [False, pack([None])], 5, b"\x90"),
    ],
)
def test_items_that_are_none(hostile: Guest, name: str, answer: Any) -> None:
    hostile.answers = lambda request: pack([0, answer])
    with pytest.raises(GuestProtocolError):
        hostile.call(name, 1)


def test_a_stream_that_never_gives_an_item_can_be_stopped(hostile: Guest) -> None:
    hostile.answers = lambda request: pack([0, [False, pack([])]])
    timer = threading.Timer(0.2, hostile.bridge.interrupt)
    timer.start()
    with pytest.raises(GuestCancelled):
        hostile.call("atotal", 1)
    assert hostile.requests[0][1] == ITEMS


def test_late_answers(hostile: Guest) -> None:
    hostile.answers = lambda request: pack([0, True])
    hostile.begin("acall", 1, 1)
    assert hostile.wait(10.0) == {}, "the guest only got a request"
    request = hostile.requests[0][2]
    hostile.control(ANSWER, request + 1, 0, b"\xa1x")
    with pytest.raises(GuestProtocolError):
        hostile.control(ANSWER, request, 7, b"\xa1x")


def test_a_late_answer_ends_the_call(hostile: Guest) -> None:
    hostile.answers = lambda request: pack([0, True])
    call = hostile.begin("acall", 1, 1)
    hostile.wait(10.0)
    hostile.control(ANSWER, hostile.requests[0][2], 0, b"\xa1x")
    assert hostile.wait(None) == {call: (0, ["x"])}
    # A plain function on the guest's own thread cannot be put off.
    with pytest.raises(GuestProtocolError):
        hostile.call("call", 1, 1)


def test_host_calls_nest_to_a_limit(hostile: Guest) -> None:
    depths: list[int] = []

    def again(request: list[Any]) -> bytes:
        depths.append(hostile.bridge.depth)
        status, value = hostile.call("call", 1, 1)
        return pack([0, pack("deepest" if status == 1 else value[0])])

    hostile.answers = again
    assert hostile.call("call", 1, 1) == (0, ["deepest"])
    assert depths == list(range(1, MAX_DEPTH + 1))


def test_calls_are_begun_and_cancelled_at_any_depth(hostile: Guest) -> None:
    def again(request: list[Any]) -> bytes:
        status, value = hostile.call("call", 1, 1)
        if status == 0:
            return pack([0, pack(value[0])])
        # Both sides must count them, whatever becomes of them.
        assert hostile.control(CANCEL, hostile.begin("nap", 60.0)) == (0, None)
        assert hostile.begin("add", 1, 2) == 2
        return pack([0, pack("begun")])

    hostile.answers = again
    assert hostile.call("call", 1, 1) == (0, ["begun"])
    assert hostile.wait(None) == {2: (0, 3)}


def test_a_host_function_cannot_hide_that_the_guest_is_stopped(
    hostile: Guest, probe: Any, host_api_of: Any
) -> None:
    hostile.answers = lambda request: pack([0, pack(5)])

    def hides(context: Any, f: Any, n: int) -> list[str]:
        try:
            f(1, probe.module.Item(name="x"))
        except Exception:
            return ["went on"]
        return []

    probe.call = hides
    extension = probe.module.AcmeProbeExtension(probe)
    guest = Guest(host_api_of(extension), extension)
    guest.answers = hostile.answers
    with pytest.raises(GuestProtocolError):
        guest.call("call", 1, 1)
    guest.bridge.close()


# -- anything ------------------------------------------------------------------------------------

FORMS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.integers(-2, 40)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.builds(msgpack.ExtType, st.integers(0, 20), st.binary(max_size=20)),
    lambda inner: st.lists(inner, max_size=5)
    | st.dictionaries(st.text(max_size=3) | st.integers(0, 5), inner, max_size=3),
    max_leaves=10,
)
DATA = st.binary(max_size=200) | st.lists(FORMS, max_size=5).map(msgpack.packb)
HARMLESS = (GuestProtocolError, GuestCancelled, LimitExceeded, UsageError)


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_anything(
    host_api_of: Any, extension: Extension, probe: Any, caplog: Any, data: st.DataObject
) -> None:
    host_api = host_api_of(extension)
    risky = {
        "leave",
        "aleave",
        "rerun",
        "doze",
        "single",
        "hasty",
        "tree",
        "numbers",
        "until_cancelled",
    }
    operations = [item.index for item in extension.spec.operations if item.name not in risky]
    guest = Guest(host_api, extension)
    guest.answers = lambda request: data.draw(DATA | st.just(pack([0, True])))
    functions = st.one_of(
        st.sampled_from(operations).map(lambda index: OPERATION | index),
        st.integers(2, 7).map(lambda number: CONTROL | number),
        st.integers(0, 0xFFFFFFFF),
    )
    try:
        for _ in range(data.draw(st.integers(1, 8))):
            function = data.draw(functions)
            if function == CONTROL | WAIT:
                continue
            try:
                if data.draw(st.booleans()):
                    guest.raw(function, data.draw(DATA))
                else:
                    calls = st.builds(frame, functions, DATA)
                    guest.begin_raw(b"".join(data.draw(st.lists(calls, max_size=3))))
            except HARMLESS:
                break
    finally:
        guest.bridge.close()
    assert len(guest.bridge.handles) == 0
    assert not guest.bridge.tasks


def test_nothing_is_left(host_api_of: Any, extension: Extension, probe: Any) -> None:
    """Bridges and what they held are freed when they are closed."""
    host_api = host_api_of(extension)
    kept = []
    for _ in range(20):
        guest = Guest(host_api, extension)
        guest.call("counter")
        guest.call("anumbers", 10)
        guest.begin("nap", 60.0)
        guest.call("nap", 0.0)
        guest.bridge.close()
        kept.append(weakref.ref(guest.bridge))
        del guest
    drained = threading.Event()
    loop_thread.submit(drained.set)
    assert drained.wait(60)
    gc.collect()
    assert [ref for ref in kept if ref() is not None] == []
    assert probe.open == []
