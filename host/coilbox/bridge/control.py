"""Control messages: modules, waiting, pending calls, streams, answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from coilbox.bridge.encoding import Reply, malformed, unpack
from coilbox.bridge.handles import stale
from coilbox.bridge.pending import PendingCalls
from coilbox.bridge.replies import NOTHING, Refused
from coilbox.bridge.streams import Next, OpenStream
from coilbox.codec.frames import Buffer
from coilbox.codec.nesting import shown
from coilbox.errors import UnsupportedValueError

if TYPE_CHECKING:
    from coilbox.bridge.exchange import CallExchange
    from coilbox.bridge.meter import CallMeter
    from coilbox.bridge.work import Work

NEXT: Final = 4
"""The number of the one message that need not be waited for."""

_LONGEST_WAIT = 1e6  # seconds; what is longer has no end


class Control:
    """Control messages of one guest.

    Attributes:
        pending: its pending calls.

    Args:
        bridge: the sandbox's.
        meter: counts the calls that the guest makes together.
        make: makes the call of a function, with arguments, that the guest has given a number.
    """

    def __init__(
        self,
        bridge: CallExchange,
        meter: CallMeter,
        make: Callable[[int, Buffer, int], Work],
    ) -> None:
        self._bridge = bridge
        self.pending = PendingCalls(bridge, meter, make)
        self._messages: tuple[tuple[int | None, Callable[..., Reply]], ...] = (
            (1, self._module),
            (1, self._wait),
            (None, self.pending.begin),
            (1, self._cancel),
            (2, self._next),
            (1, self._close),
            (3, self._answer),
        )

    def perform(self, number: int, data: Buffer) -> Reply:
        """Handle a message.

        Raises:
            Refused: it gets an error for a reply.
            GuestProtocolError: it is none.
        """
        if number >= len(self._messages):
            raise malformed(f"a control message of number {number}")
        count, handle = self._messages[number]
        return handle(data) if count is None else handle(*self._arguments(number, data, count))

    def next_work(self, data: Buffer, number: int) -> Next:
        """A pending NEXT.

        Raises:
            Refused: it gets an error for a reply.
            GuestProtocolError: it is none.
        """
        handle, most = self._arguments(NEXT, data, 2)
        return self._next_of(handle, most, number)

    def _arguments(self, number: int, data: Buffer, count: int) -> list[Any]:
        try:
            items = unpack(data, self._bridge.allowance)
        except UnsupportedValueError as error:
            raise malformed(str(error)) from None
        if type(items) is not list or len(items) != count:
            raise malformed(f"control message {number} without its arguments")
        return items

    # -- messages --------------------------------------------------------------------------------

    def _module(self, name: Any) -> Reply:
        reply = self._bridge.host_api.module(name)
        if reply is None:
            raise Refused("ImportError", f"the host offers no module {shown(name)}")
        return reply

    def _wait(self, seconds: Any) -> Reply:
        deadline = None
        if seconds is not None:
            if type(seconds) not in (int, float) or seconds != seconds:
                raise malformed("a wait of no number of seconds")
            deadline = time.monotonic() + min(max(seconds, 0), _LONGEST_WAIT)
        elif not self._can_end():
            raise Refused("RuntimeError", "nothing is pending that could end this wait")
        bridge = self._bridge
        bridge.served = False
        bridge.wait_until(lambda: self.pending.has_ended or bridge.served, deadline)
        return self.pending.take()

    def _can_end(self) -> bool:
        return bool(self.pending) or self._bridge.owes_answers

    def _cancel(self, number: Any) -> Reply:
        self.pending.cancel(_integer(number))
        return NOTHING

    def _next(self, handle: Any, most: Any) -> Reply:
        return self._next_of(handle, most, 0).run()

    def _next_of(self, handle: Any, most: Any, number: int) -> Next:
        if _integer(most) < 1:
            raise malformed("a stream asked for no items")
        stream = self._bridge.handles.get(_integer(handle))
        if not isinstance(stream, OpenStream):
            raise stale(handle)
        return Next(stream, most, number)

    def _close(self, number: Any) -> Reply:
        self._bridge.handles.close(_integer(number))
        return NOTHING

    def _answer(self, number: Any, status: Any, payload: Any) -> Reply:
        self._bridge.answered(_integer(number), _integer(status), payload)
        return NOTHING


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise malformed("a number that is no integer")
    return value
