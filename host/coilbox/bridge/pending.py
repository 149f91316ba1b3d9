"""Pending calls: the guest does not wait for them, and learns of their replies when it waits."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from coilbox.bridge.bridge import CONTROL
from coilbox.bridge.encoding import Reply, length_of, malformed, pack_result
from coilbox.bridge.replies import Refused
from coilbox.bridge.work import start
from coilbox.codec.frames import Buffer

if TYPE_CHECKING:
    from coilbox.bridge.exchange import CallExchange
    from coilbox.bridge.meter import CallMeter
    from coilbox.bridge.work import Work

MAX_PENDING: Final = 4096
"""Pending calls of a sandbox whose replies were not taken."""
MAX_PENDING_BYTES: Final = 64 << 20
"""Bytes of the arguments and replies of these, when one more is made."""
MAX_HELD_BYTES: Final = 256 << 20
"""Bytes of them at any time: a reply above it becomes an error, unless it is the only one."""
MAX_BATCH: Final = 256
"""Calls of one message; sound guests send fewer."""

_CALL = struct.Struct("<II")  # number of the function, bytes of the arguments
_REPLY = struct.Struct("<QI")  # number of the call, bytes of the reply
_TAKEN = 1 << 16  # after so many bytes a message has no further replies


class PendingCalls:
    """The pending calls of one guest, which both sides number from 1.

    ``ended`` is called under the lock of the bridge; the others on the guest's thread.
    """

    def __init__(
        self,
        bridge: CallExchange,
        meter: CallMeter,
        make: Callable[[int, Buffer, int], Work],
    ) -> None:
        self._bridge = bridge
        self._meter = meter
        self._make_work = make
        self._last = 0
        self._calls: dict[int, Work] = {}
        self._ended: dict[int, None] = {}  # in the order in which they ended
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def has_ended(self) -> bool:
        """Whether a reply waits to be taken."""
        return bool(self._ended)

    def begin(self, data: Buffer) -> Reply:
        """Begin the calls of a message; the reply with those that may not be made.

        Raises:
            GuestProtocolError: no generated module sends these bytes.
            StopGuest: the guest may not make so many calls.
        """
        pending: list[Work] = []
        refused: list[bytes] = []
        try:
            for function, arguments in _split(data):
                self._last += 1
                try:
                    pending.append(self._make(function, arguments))
                except Refused as error:
                    reply = error.reply()
                    refused += _REPLY.pack(self._last, len(reply)), reply
        finally:
            start(self._bridge, pending)
        return pack_result(b"".join(refused))

    def _make(self, function: int, arguments: Buffer) -> Work:
        size = len(arguments)
        self._meter.batched(size, 0 if function & CONTROL else 1)
        if len(self._calls) >= MAX_PENDING or self._bytes + size > MAX_PENDING_BYTES:
            raise Refused(
                "CallLimitExceeded",
                f"{MAX_PENDING} calls may be awaited at the same time, "
                f"with {MAX_PENDING_BYTES} bytes",
            )
        work = self._make_work(function, arguments, self._last)
        with self._bridge.lock:
            self._calls[work.number] = work
            self._bytes += work.size
        return work

    def ended(self, work: Work) -> None:
        """Some work has ended."""
        if work.number not in self._calls:
            return
        size = length_of(work.reply)
        held = self._bytes - work.size
        if held and held + size > MAX_HELD_BYTES:
            work.reply = _too_much().reply()
            size = length_of(work.reply)
        work.size += size
        self._bytes += size
        self._ended[work.number] = None

    def take(self) -> Reply:
        """The reply with the replies of calls that have ended; those that do not fit come later."""
        parts: list[bytes] = []
        tail = b""
        taken: list[int] = []
        size = 0
        with self._bridge.lock:
            for number in self._ended:
                taken.append(number)
                work = self._calls.pop(number)
                self._bytes -= work.size
                length = length_of(work.reply)
                size += _REPLY.size + length
                parts.append(_REPLY.pack(number, length))
                if isinstance(work.reply, bytes):
                    parts.append(work.reply)
                else:  # long
                    parts.append(work.reply[0])
                    tail = work.reply[1]
                if size >= _TAKEN or tail:
                    break
            for number in taken:
                del self._ended[number]
        if tail:
            return b"".join((b"\x92\x00\xc6", size.to_bytes(4, "big"), *parts)), tail
        return pack_result(b"".join(parts))

    def cancel(self, number: int) -> None:
        """Forget a call; nothing happens if it is not one, or its reply was taken."""
        with self._bridge.lock:
            self._ended.pop(number, None)
            work = self._calls.pop(number, None)
            if work is not None:
                self._bytes -= work.size
        if work is not None:
            work.cancel()


def _split(data: Buffer) -> Iterator[tuple[int, Buffer]]:
    """The functions and arguments of a message."""
    place, end = 0, len(data)
    for _ in range(MAX_BATCH):
        if place == end:
            return
        if place + _CALL.size > end:
            raise malformed("calls without their end")
        function, size = _CALL.unpack_from(data, place)
        start, place = place + _CALL.size, place + _CALL.size + size
        if place > end:
            raise malformed("calls without their end")
        yield function, data[start:place]
    if place != end:
        raise malformed(f"more than {MAX_BATCH} calls at once")


def _too_much() -> Refused:
    return Refused(
        "CallLimitExceeded", f"results that were not taken have more than {MAX_HELD_BYTES} bytes"
    )
