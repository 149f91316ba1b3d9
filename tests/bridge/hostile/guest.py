"""A guest by hand: it calls the bridge as an engine does for a guest whose memory is corrupted."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import msgpack  # type: ignore[import-untyped]

from coilbox.bindings.host import Extension
from coilbox.bridge import HostAPI, make_bridge
from coilbox.bridge.extensions import ExtensionBridge
from coilbox.bridge.meter import CallMeter
from coilbox.codec.scalars import pack
from coilbox.limits import DEFAULT_LIMITS, Limits

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
