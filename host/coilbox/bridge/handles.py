"""Handles: what of the host's a guest has open, by numbers that are never used again."""

from __future__ import annotations

import itertools
import threading
from typing import Protocol

from coilbox.bridge.replies import Refused
from coilbox.codec.nesting import shown

MAX_OPEN = 1024
"""Resources and streams that a sandbox may have open at once."""


class Open(Protocol):
    """The target of a handle."""

    def close(self) -> None:
        """End it. Called once."""


class Handles:
    """The open resources and streams of one sandbox. Any thread may use it."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._open: dict[int, Open] = {}
        self._lock = threading.RLock()
        self._closed = False

    def __len__(self) -> int:
        return len(self._open)

    def add(self, item: Open) -> int:
        """Give ``item`` a handle.

        Raises:
            Refused: too many are open; ``item`` was closed.
        """
        with self._lock:
            if not self._closed and len(self._open) < MAX_OPEN:
                number = next(self._numbers)
                self._open[number] = item
                return number
        item.close()
        raise Refused(
            "CallLimitExceeded", f"{MAX_OPEN} resources and streams may be open at the same time"
        )

    def get(self, number: int) -> Open:
        """The target of the handle.

        Raises:
            Refused: it is closed, or never was open.
        """
        item = self._open.get(number)
        if item is None:
            raise stale(number)
        return item

    def close(self, number: int) -> None:
        """Close a handle; nothing happens if it is not open."""
        with self._lock:
            item = self._open.pop(number, None)
        if item is not None:
            item.close()

    def close_all(self) -> None:
        """Close everything, the newest first; no handle can be opened any more."""
        with self._lock:
            self._closed = True
            items = list(self._open.values())
            self._open.clear()
        for item in reversed(items):
            item.close()


def stale(number: int) -> Refused:
    """The error for a handle that is not open."""
    return Refused("StaleHandle", f"the handle {shown(number)} is closed")
