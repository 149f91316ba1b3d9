"""Control messages: modules, begun calls, streams, answers."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from coilbox.bridge.forms import Buffer, Reply, length_of, malformed, unpack
from coilbox.bridge.handles import stale
from coilbox.bridge.replies import Refused
from coilbox.bridge.streams import Next, OpenStream
from coilbox.codec.scalars import pack
from coilbox.errors import UnsupportedValueError

if TYPE_CHECKING:
    from coilbox.bridge.extensions import ExtensionBridge
    from coilbox.bridge.work import Work

MAX_BEGUN: Final = 4096
"""Begun calls of a sandbox whose replies were not fetched."""
MAX_BEGUN_BYTES: Final = 64 << 20
"""Bytes of the arguments and replies of these, when one more is begun."""
MAX_HELD_BYTES: Final = 256 << 20
"""Bytes of them at any time: a reply above it becomes an error, unless it is the only one."""

_NOTHING = pack([0, None])
_LONGEST_WAIT = 1e6  # seconds; what is longer has no end


class Control:
    """Control messages of one guest; knows its begun calls.

    Attributes:
        served: whether the guest was asked for something since this was last cleared.
    """

    def __init__(self, bridge: ExtensionBridge) -> None:
        self.served = False
        self._bridge = bridge
        self._begun: dict[int, Work] = {}
        self._ended: dict[int, None] = {}  # in the order in which they ended
        self._bytes = 0
        self._lock = threading.Lock()
        self._messages: tuple[tuple[int, Callable[..., Reply]], ...] = (
            (1, self._module),
            (1, self._wait),
            (1, self._fetch),
            (1, self._cancel),
            (2, self._next),
            (1, self._close),
            (3, self._answer),
        )

    def perform(self, number: int, data: Buffer, begun: bool) -> Reply:
        """Handle a message.

        Raises:
            Refused: it gets an error for a reply.
            GuestProtocolError: it is none.
        """
        if number >= len(self._messages):
            raise malformed(f"a control message of number {number}")
        count, handle = self._messages[number]
        try:
            items = unpack(data)
        except UnsupportedValueError as error:
            raise malformed(str(error)) from None
        if type(items) is not list or len(items) != count:
            raise malformed(f"control message {number} without its arguments")
        return handle(*items, begun) if handle == self._next else handle(*items)

    # -- begun calls -----------------------------------------------------------------------------

    def make_room(self, size: int) -> None:
        """Check that one more call with so many bytes may be begun.

        Raises:
            Refused: it may not.
        """
        if len(self._begun) >= MAX_BEGUN or self._bytes + size > MAX_BEGUN_BYTES:
            raise Refused(
                "CallLimitExceeded",
                f"{MAX_BEGUN} calls may be awaited at the same time, with {MAX_BEGUN_BYTES} bytes",
            )

    def begin(self, work: Work) -> Reply:
        """Begin a call; the reply with its number."""
        with self._lock:
            self._begun[work.number] = work
            self._bytes += work.size
        work.start()
        return pack([2, work.number])

    def ended(self, work: Work) -> None:
        """Some work has ended."""
        with self._lock:
            if work.number not in self._begun:
                return
            size = length_of(work.reply)
            held = self._bytes - work.size
            if held and held + size > MAX_HELD_BYTES:
                work.reply = _too_much().reply()
                size = length_of(work.reply)
            work.size += size
            self._bytes += size
            self._ended[work.number] = None

    def _forget(self, number: int) -> Work | None:
        with self._lock:
            self._ended.pop(number, None)
            work = self._begun.pop(number, None)
            if work is not None:
                self._bytes -= work.size
        return work

    # -- messages --------------------------------------------------------------------------------

    def _module(self, name: Any) -> Reply:
        reply = self._bridge.offer.module(name)
        if reply is None:
            raise Refused("ImportError", f"the host offers no module {name!r:.80}")
        return reply

    def _wait(self, seconds: Any) -> Reply:
        deadline = None
        if seconds is not None:
            if type(seconds) not in (int, float) or math.isnan(seconds):
                raise malformed("a wait of no number of seconds")
            deadline = time.monotonic() + min(max(seconds, 0), _LONGEST_WAIT)
        elif not self._can_end():
            raise Refused("RuntimeError", "nothing was begun that could end this wait")
        self.served = False
        self._bridge.wait_until(lambda: bool(self._ended) or self.served, deadline)
        with self._lock:
            numbers = list(self._ended)
            self._ended.clear()
        return pack([0, numbers])

    def _can_end(self) -> bool:
        return (
            bool(self._ended)
            or self._bridge.is_asked
            or any(not work.ended for work in self._begun.values())
        )

    def _fetch(self, number: Any) -> Reply:
        work = self._begun.get(_integer(number))
        if work is None:
            raise Refused("StaleHandle", f"there is no call {number}")
        if not work.ended:
            raise Refused("RuntimeError", f"the call {number} has not ended")
        self._forget(number)
        return work.reply

    def _cancel(self, number: Any) -> Reply:
        work = self._forget(_integer(number))
        if work is not None:
            work.cancel()
        return _NOTHING

    def _next(self, number: Any, most: Any, begun: bool) -> Reply:
        if _integer(most) < 1:
            raise malformed("a stream asked for no items")
        stream = self._bridge.handles.get(_integer(number))
        if not isinstance(stream, OpenStream):
            raise stale(number)
        if not begun:
            return Next(stream, most, False).run()
        self.make_room(0)
        return self.begin(Next(stream, most, True))

    def _close(self, number: Any) -> Reply:
        self._bridge.handles.close(_integer(number))
        return _NOTHING

    def _answer(self, number: Any, status: Any, payload: Any) -> Reply:
        self._bridge.answered(_integer(number), _integer(status), payload)
        return _NOTHING


def _too_much() -> Refused:
    return Refused(
        "CallLimitExceeded", f"results that were not taken have more than {MAX_HELD_BYTES} bytes"
    )


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise malformed("a number that is no integer")
    return value
