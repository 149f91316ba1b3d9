"""The bridge of one guest: takes the bytes of host calls, gives the bytes of their replies."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from coilbox.bridge.encoding import Reply
from coilbox.bridge.replies import NOTHING, Failures, Refused
from coilbox.codec import NO_TYPES, Allowance, decode
from coilbox.codec.frames import Buffer
from coilbox.errors import Finish, GuestCancelled, GuestProtocolError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from concurrent.futures import Future

    from coilbox.bridge.host_api import HostAPI

MAX_DEPTH: Final = 8
"""Host calls within host calls: those that a callback or a nested run makes."""

CONTROL: Final = 2 << 24
"""The kind of control messages, in a call's number."""

OPERATION: Final = 1 << 24
"""The kind of operations of extensions, in a call's number."""

BEGIN: Final = CONTROL | 2
"""The control message with calls that the guest does not wait for."""

DISPLAY: Final = CONTROL | 64
"""The control message with what the guest displays."""

_KINDS = 0xFF << 24
_FLAT = (BEGIN, CONTROL | 3)  # and the cancelling of such calls: they can come to no further calls


class Bridge:
    """Host calls of one guest, from its start to its stop.

    This class knows the functions of ``coilbox.host`` alone. :class:`ExtensionBridge` knows
    extensions, too, and brings threads and an event loop: a sandbox without any imports none of it.

    ``perform`` is called on the thread that runs the guest, after ``enter``;
    ``interrupt`` on any.

    Args:
        host_api: what the sandbox offers.
        sandbox_id: names the sandbox in logs.

    Attributes:
        host_api: what the sandbox offers.
        sandbox_id: names the sandbox in logs.
        deadline: when the run must have ended, on ``time.monotonic()``; None if never.
        thread: the thread that runs the guest, by its identifier; None if none does.
        broken: what the guest is stopped by before it can go on, or None.
        stopped: whether the guest will not go on.
        depth: host calls within host calls that are made now.
        failures: logs what goes wrong in host functions.
        allowance: what may be done with the guest's values.
        finish: what a host function ended the run with, or None.
        loop: the event loop that awaits the run, or None.
        show: takes what the guest displays.
    """

    def __init__(self, host_api: HostAPI, sandbox_id: str) -> None:
        self.host_api = host_api
        self.sandbox_id = sandbox_id
        self.deadline: float | None = None
        self.stopped = False
        self.depth = 0
        self.failures = Failures()
        self.finish: Finish | None = None
        self.loop: AbstractEventLoop | None = None
        self.show: Callable[[object, object], None] = _show_nothing
        self.thread: int | None = None
        self.broken: BaseException | None = None
        self.allowance = Allowance(host_api.value_bytes, self.check)

    def enter(self, deadline: float | None) -> None:
        """The calling thread runs the guest now, until a deadline.

        Whoever enters puts ``thread`` and ``deadline`` back afterwards.
        """
        self.thread = threading.get_ident()
        self.deadline = deadline

    @property
    def on_guest_thread(self) -> bool:
        """Whether the caller is on the thread that runs the guest."""
        return threading.get_ident() == self.thread

    @property
    def may_nest(self) -> bool:
        """Whether the caller is a host function of this guest, on its thread."""
        return self.depth > 0 and self.on_guest_thread

    def perform(self, function: int, data: Buffer) -> Reply:
        """Make a host call.

        Args:
            function: its number, as ``host_call`` has it.
            data: the encoded arguments; not looked at any more when this returns.

        Returns:
            The encoded reply.

        Raises:
            GuestProtocolError: no guest that coilbox made calls so; stop it.
            BaseException: what else must stop the guest and come out of the run.
        """
        if self.depth >= MAX_DEPTH and function not in _FLAT:
            return Refused("RecursionError", f"host calls nest deeper than {MAX_DEPTH}").reply()
        self.depth += 1
        try:
            kind = function & _KINDS
            reply: Reply
            if kind == 0:
                reply = self._call_plain(function, data)
            elif kind == OPERATION:
                reply = self._call(function - OPERATION, data)
            elif function == DISPLAY:
                reply = self._display(data)
            elif kind == CONTROL:
                reply = self._manage(function - CONTROL, data)
            else:
                raise there_is_no(function)
        except Refused as refused:
            reply = refused.reply()
        finally:
            self.depth -= 1
        self.check()
        return reply

    def _call_plain(self, number: int, data: Buffer) -> Reply:
        """Call a function of ``coilbox.host``; after one that ended the run there are no more."""
        if self.finish is None:
            try:
                plain = self.host_api.plain
                return plain.call(number, data, self.failures, self.allowance, self.wait)
            except Finish as finish:
                self.finish = finish
        raise Refused("Finished", "")

    def _display(self, data: Buffer) -> Reply:
        match decode(data, NO_TYPES, self.allowance):
            case [shown, unasked]:
                self.show(shown, unasked)
                return NOTHING
        raise GuestProtocolError("the guest sent a malformed display")

    def wait(self, awaitable: Any) -> Future[Any]:
        """Wait until an awaitable is done, on the event loop that awaits the run.

        Raises:
            GuestCancelled: the guest was stopped meanwhile; the awaitable is cancelled.
            UsageError: no event loop awaits the run.
        """
        from coilbox.bridge.awaiting import finished  # asyncio takes long to import

        return finished(awaitable, self.loop, self.check)

    def check(self) -> None:
        """Whether the guest goes on.

        Raises:
            GuestCancelled: it is being stopped.
            BaseException: what must come out of the run.
        """
        if self.broken is not None:
            raise self.broken
        if self.stopped:
            raise cancelled()

    def break_off(self, error: BaseException) -> None:
        """Have the guest stopped by ``error`` before it can go on."""
        if self.broken is None:
            self.broken = error

    def interrupt(self) -> None:
        """The guest is being stopped: end its waits and calls. Calling it again does nothing."""
        self.stopped = True

    def close(self) -> None:
        """The guest is gone: end everything that it had."""
        self.interrupt()
        self.allowance.checkpoint = _closed  # else they hold each other

    def _call(self, number: int, data: Buffer) -> Reply:
        raise there_is_no(number)

    def _manage(self, number: int, data: Buffer) -> Reply:
        raise there_is_no(number)


def there_is_no(function: int) -> GuestProtocolError:
    """The error for the number of no function."""
    return GuestProtocolError(f"the guest called function {function:#x}, which there is not")


def _show_nothing(shown: object, unasked: object) -> None:
    """Stand in for a run: displays come in runs only."""


def _closed() -> None:
    raise cancelled()


def cancelled() -> GuestCancelled:
    """The error for what the guest waited for when it was stopped."""
    return GuestCancelled("the guest is being stopped")
