"""Calls of the host that go on while the guest does something else: what awaits them."""

import asyncio
from contextlib import suppress

import _coilbox


class Pending(asyncio.Future):
    """The result of a pending call."""

    _number = 0  # the call's, which C sets

    def cancel(self, msg=None):
        """Cancel the call, too."""
        if not super().cancel(msg=msg):
            return False
        _coilbox.cancel(self._number)
        return True


def pending():
    """Return the future of a call that becomes pending."""
    return Pending(loop=asyncio.get_running_loop())


async def read_more(stream):
    """Return the next item of a stream that has none at hand."""
    while True:
        future = stream._waiting
        if future is not None and not future.done() and _is_foreign(future):
            with suppress(RuntimeError):  # its loop is closed
                future.cancel()
            future = stream._waiting = None
        if future is None:
            future = stream._waiting = stream._begin()
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
