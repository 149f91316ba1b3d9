"""Where the guest's thread waits for other threads of the host, and hears what they want."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable


class Waiting:
    """The bell at which the guest's thread waits. One thread waits, any thread rings."""

    __slots__ = ("_bell", "_listening")

    def __init__(self) -> None:
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._listening = 0

    def ring(self) -> None:
        """Have the waiting thread look again."""
        if self._listening:
            self._bell.put(None)

    def until(self, done: Callable[[], bool], deadline: float | None = None) -> bool:
        """Wait until ``done()``; whether it is.

        Whoever changes what ``done`` looks at rings afterwards. Waits may nest, as ``done`` may
        call the guest: each looks for itself again before it sleeps.

        Args:
            done: called once before, and after each ring.
            deadline: when to give up, on ``time.monotonic()``.
        """
        self._listening += 1
        try:
            while not done():
                try:
                    if deadline is None:
                        self._bell.get()
                    else:
                        self._bell.get(timeout=max(0.0, deadline - time.monotonic()))
                except queue.Empty:
                    return done()
            return True
        finally:
            self._listening -= 1
            if not self._listening:
                while not self._bell.empty():
                    self._bell.get()
