"""Calls of the host that go on while the guest does something else: their futures, and waiting."""

import asyncio
from contextlib import suppress

import _coilbox

_WAIT, _FETCH, _CANCEL = 1, 2, 3  # control messages

_pending = {}  # number of a call: its future
_waiting = None  # the event loop that waits for the host at this moment


class Pending(asyncio.Future):
    """The result of a call that the host has begun."""

    def __init__(self, number, fetch, arguments, exports=None):
        try:
            super().__init__(loop=asyncio.get_running_loop())
        except RuntimeError:
            _coilbox.control(_CANCEL, [number])
            raise
        self._number = number
        self._fetch = fetch
        self._arguments = arguments
        self._exports = exports  # held until the call has ended
        _pending[number] = self

    def cancel(self, msg=None):
        """Cancel the call, too."""
        if not super().cancel(msg=msg):
            return False
        if _pending.pop(self._number, None) is not None:
            _coilbox.control(_CANCEL, [self._number])
            _release(self._exports)
        return True

    def finish(self):
        """Take the result: the call has ended."""
        try:
            value = self._fetch(*self._arguments)
        except BaseException as error:
            # The frames up to here are of no interest to who awaits.
            with suppress(RuntimeError):  # the loop is closed
                self.set_exception(error.with_traceback(None))
        else:
            with suppress(RuntimeError):
                self.set_result(value)
        _release(self._exports)


def _release(exports):
    if exports is not None:
        from _coilbox_runtime.exports import release

        release(exports)


def pending(module, operation, number, exports):
    """Return the future of a call of an operation."""
    return Pending(number, module.fetch, (operation, number), exports)


async def read_more(stream):
    """Return the next item of a stream that has none at hand."""
    future = stream._waiting
    if future is None:
        number = stream._begin()
        if number is None:
            return stream._pop()
        future = stream._waiting = Pending(number, stream._fetch, (number,))
    # A reader that is cancelled loses no items: the next one waits for the same.
    await asyncio.shield(future)
    if stream._waiting is future:
        stream._waiting = None
    return stream._pop()


def are_pending():
    """Whether waiting for the host makes sense."""
    return bool(_pending)


def wait(seconds):
    """Wait for calls to end, or for the host to call; None is without end."""
    global _waiting
    before, _waiting = _waiting, asyncio.get_running_loop()
    try:
        ended = _coilbox.control(_WAIT, [seconds])
    finally:
        _waiting = before
    for number in ended:
        call = _pending.pop(number, None)
        if call is not None:
            call.finish()


def enter_request():
    """Return the loop that waits, if the host calls out of its wait; it does not until `leave`."""
    global _waiting
    loop, _waiting = _waiting, None
    return loop


def leave_request(loop):
    """Let the loop wait on."""
    global _waiting
    _waiting = loop
