"""Answers to the host's requests, and calls at any depth."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from coilbox.bridge.bridge import MAX_DEPTH
from coilbox.bridge.guest_requests import INVOKE, ITEMS
from coilbox.codec import encode
from coilbox.codec.scalars import pack
from coilbox.errors import (
    GuestCancelled,
    GuestProtocolError,
)

from .guest import (
    ANSWER,
    CANCEL,
    Guest,
)

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
