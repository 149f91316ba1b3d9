"""Calls of the host that go on while the guest does something else: their futures, and waiting."""

import asyncio
from contextlib import suppress

import _coilbox

_WAIT, _CANCEL = 1, 3  # control messages

_pending = {}  # number of a call: its future


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
    while True:
        future = stream._waiting
        if future is not None and not future.done() and _is_foreign(future):
            with suppress(RuntimeError):  # its loop is closed
                future.cancel()
            future = stream._waiting = None
        if future is None:
            number = stream._begin()
            if number is not None:
                future = stream._waiting = Pending(number, stream._fetch, (number,))
        if future is not None:
            try:
                # A reader that is cancelled loses no items: the next one waits for the same.
                await asyncio.shield(future)
            finally:
                if future.done() and stream._waiting is future:
                    stream._waiting = None
        taken = stream._take()  # nothing if another reader was faster
        if taken is not None:
            return taken[0]


def _is_foreign(future):
    return future.get_loop() is not asyncio.get_running_loop()


def are_pending():
    """Whether waiting for the host makes sense."""
    return bool(_pending)


def wait(seconds):
    """Wait for calls to end, or for the host to call; None is without end."""
    for number in _coilbox.control(_WAIT, [seconds]):
        call = _pending.pop(number, None)
        if call is not None:
            call.finish()
