"""How a guest's WASI calls learn that it is being stopped."""

from __future__ import annotations

import threading


class StopSignal:
    """Set by another thread when the guest is being stopped; stays set.

    Most guests never wait for it, so its event is made by the one that does.
    """

    __slots__ = ("_event", "_stopped")

    def __init__(self) -> None:
        self._stopped = False
        self._event: threading.Event | None = None

    def set(self) -> None:
        """Tell it, also to the one that waits."""
        self._stopped = True
        event = self._event
        if event is not None:
            event.set()

    def is_set(self) -> bool:
        """Whether it was told."""
        return self._stopped

    def event(self) -> threading.Event:
        """A descriptor that the guest's thread can wait for."""
        if self._event is None:
            self._event = threading.Event()
            if self._stopped:  # before the event was there to be set
                self._event.set()
        return self._event
