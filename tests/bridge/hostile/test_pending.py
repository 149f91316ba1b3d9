"""Calls that are begun: how they are framed, counted, bounded and forgotten."""

from __future__ import annotations

import struct
import threading
from typing import Any

import pytest

from coilbox.bindings.host import Extension
from coilbox.bridge.handles import MAX_OPEN
from coilbox.bridge.pending import MAX_BATCH, MAX_PENDING, MAX_PENDING_BYTES
from coilbox.codec.scalars import pack
from coilbox.engines.protocol import StopGuest
from coilbox.errors import (
    GuestCancelled,
    GuestProtocolError,
    HostCallLimitExceeded,
    ValueLimitExceeded,
)
from coilbox.limits import Limits

from .guest import (
    ANSWER,
    BEGIN,
    CANCEL,
    CLOSE,
    CONTROL,
    MODULE,
    WAIT,
    Guest,
    Reply,
    frame,
)


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
