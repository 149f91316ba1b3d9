"""asyncio without sockets: its event loop wakes itself through a pair of them."""

import selectors

import _coilbox

_POLL = 0.05  # seconds between looks at files while calls of the host are awaited


class _Selector(selectors.DefaultSelector):
    """Waits for calls of the host, if there are any under way, as well as for files."""

    def select(self, timeout=None):
        if not _coilbox.are_pending():
            return super().select(timeout)
        ready = super().select(0) if self.get_map() else []
        if ready:
            timeout = 0
        elif self.get_map() and (timeout is None or timeout > _POLL):
            timeout = _POLL
        _coilbox.wait(timeout if timeout is None else max(timeout, 0))
        return ready


def adapt():
    """Let event loops do without the pair, and wait for the host.

    The pair is for other threads and for signals to wake a sleeping loop; the guest has neither.
    """
    from asyncio.selector_events import BaseSelectorEventLoop

    make = BaseSelectorEventLoop.__init__

    def make_with_selector(self, selector=None):
        make(self, _Selector() if selector is None else selector)

    BaseSelectorEventLoop.__init__ = make_with_selector
    BaseSelectorEventLoop._make_self_pipe = _nothing
    BaseSelectorEventLoop._close_self_pipe = _nothing
    BaseSelectorEventLoop._write_to_self = _nothing


def _nothing(loop):
    """Stand in for what the sockets did."""
