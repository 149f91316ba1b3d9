"""A host call as it is counted: the same for guests in this process and in workers."""

from __future__ import annotations

from typing import Final, Protocol

from coilbox.bridge.bridge import BEGIN, CONTROL
from coilbox.bridge.encoding import Reply, length_of
from coilbox.codec.frames import Buffer

BATCH_BYTES: Final = 1 << 14
"""Bytes that a message of several calls may have besides the arguments of one call."""


class Performer(Protocol):
    """Makes host calls; ``Bridge`` does."""

    def perform(self, function: int, data: Buffer, /) -> Reply:
        """Make one; see ``Bridge``."""


class CallCounter(Protocol):
    """Counts host calls; ``CallMeter`` does."""

    def called(self, size: int, calls: int = 1, /) -> None:
        """See ``CallMeter``."""

    def batch(self, size: int, spare: int, /) -> None:
        """See ``CallMeter``."""

    def replied(self, size: int, /) -> None:
        """See ``CallMeter``."""


class Caller(Protocol):
    """The one whose guest makes host calls."""

    @property
    def bridge(self) -> Performer:
        """Makes them."""

    @property
    def meter(self) -> CallCounter:
        """Counts them."""


def perform_counted(caller: Caller, function: int, data: Buffer) -> Reply:
    """Make a host call, counted before it is read, and its reply before anybody takes it.

    Args:
        caller: whose guest makes it.
        function: its number.
        data: the encoded arguments.

    Raises:
        StopGuest: a limit is met.
        BaseException: what ``Bridge.perform`` raises.
    """
    if function == BEGIN:
        caller.meter.batch(len(data), BATCH_BYTES)
    else:
        caller.meter.called(len(data), 0 if function & CONTROL else 1)
    reply = caller.bridge.perform(function, data)
    caller.meter.replied(length_of(reply))
    return reply
