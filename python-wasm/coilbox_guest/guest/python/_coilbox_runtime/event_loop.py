"""asyncio without sockets: its event loop wakes itself through a pair of them."""


def adapt():
    """Let event loops do without the pair.

    It exists for other threads and for signals to wake a sleeping loop; the guest has neither.
    """
    from asyncio.selector_events import BaseSelectorEventLoop

    BaseSelectorEventLoop._make_self_pipe = _nothing
    BaseSelectorEventLoop._close_self_pipe = _nothing
    BaseSelectorEventLoop._write_to_self = _nothing


def _nothing(loop):
    """Stand in for what the sockets did."""
