"""Requests of host functions to the guest: they wait for the guest's thread, then for its answer.

A request is answered at once, or later: the guest's event loop then goes on with it, and the
guest sends the answer when it has it.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any, Final

from coilbox.bridge.encoding import malformed
from coilbox.codec import Allowance, decode
from coilbox.codec.nesting import shown
from coilbox.codec.scalars import pack
from coilbox.results import guest_exception

INVOKE: Final = 0
ITEMS: Final = 1

_REQUEST = 3
_numbers = itertools.count(1)
_lock = threading.RLock()  # for whoever ends a request first: held for a moment only


class GuestRequest:
    """One request.

    Args:
        what: ``INVOKE`` or ``ITEMS``.
        target: the guest's number of its callback or stream.
        argument: encoded arguments, or the most items.

    Attributes:
        number: the host's number of the request.
        done: whether there is an answer.
    """

    def __init__(self, what: int, target: int, argument: bytes | int) -> None:
        self.number = next(_numbers)
        self.done = False
        self._what = what
        self._target = target
        self._argument = argument
        self._payload: Any = None
        self._error: BaseException | None = None
        self._notify: Callable[[], None] | None = None

    def message(self) -> bytes:
        """The request as the guest gets it."""
        return pack([_REQUEST, self._what, self.number, self._target, self._argument])

    def replied(self, reply: bytes, allowance: Allowance) -> bool:
        """Take the guest's reply; whether it is the answer (False: the answer comes later)."""
        match decode(reply, allowance=allowance):
            case [0, True]:
                return False
            case [int(status), payload]:
                self.answered(status, payload, allowance)
                return True
        raise malformed("a reply to a request outside the ABI")

    def answered(self, status: int, payload: Any, allowance: Allowance) -> None:
        """Take the answer; nothing happens if nobody waits for it any more.

        Raises:
            GuestProtocolError: it is none.
        """
        if status == 1:
            self.fail(guest_exception(payload, allowance.checkpoint))
            return
        if status != 0:
            raise malformed(f"an answer of status {shown(status)}")
        if self._what == INVOKE and type(payload) is not bytes:
            raise malformed("an answer without its bytes")
        if self._what == ITEMS:
            match payload:
                case [bool(), bytes()]:
                    pass
                case _:
                    raise malformed("items of a stream without their bytes")
        self._finish(payload, None)

    def fail(self, error: BaseException) -> None:
        """There will be no answer."""
        self._finish(None, error)

    def result(self) -> Any:
        """The answer's payload.

        Raises:
            GuestError: the guest raised, or is stopped.
        """
        if self._error is not None:
            raise self._error
        return self._payload

    def when_done(self, notify: Callable[[], None]) -> None:
        """Have ``notify`` called when there is an answer, at once if there is."""
        with _lock:
            self._notify = notify
            done = self.done
        if done:
            notify()

    def _finish(self, payload: Any, error: BaseException | None) -> None:
        with _lock:
            if self.done:
                return
            self._payload, self._error = payload, error
            self.done = True
        if self._notify is not None:
            self._notify()
