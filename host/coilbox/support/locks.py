"""Locks of what all threads of a process share."""

from __future__ import annotations

import os
import threading
import weakref
from types import TracebackType


class ForkSafeLock:
    """A mutex that is free in a forked child, whichever thread of the parent held it.

    A child has only the thread that forked: what another one held would stay locked for ever.
    Whoever uses it must leave what it guards whole at every moment, as a child may see it so.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        _locks.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()

    def _renew(self) -> None:
        self._lock = threading.Lock()


_locks: weakref.WeakSet[ForkSafeLock] = weakref.WeakSet()


def _after_fork() -> None:
    for lock in _locks:
        lock._renew()


os.register_at_fork(after_in_child=_after_fork)
