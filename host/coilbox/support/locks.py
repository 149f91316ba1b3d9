"""Locks that survive a fork: among the threads of a process, and among processes."""

from __future__ import annotations

import os
import threading
import weakref
from pathlib import Path
from types import TracebackType
from typing import Self

importing = threading.RLock()
"""Held while a module is imported that is imported late; a fork waits for it.

A module that another thread was importing when a process forked can never be imported in the
child: its lock is held by a thread that is not there.
"""
os.register_at_fork(
    before=importing.acquire,
    after_in_parent=importing.release,
    after_in_child=importing.release,
)


class ForkSafeLock:
    """A mutex that is free in a forked child, whichever thread of the parent held it.

    A child has only the thread that forked: what another one held would stay locked for ever. The
    thread that holds it may take it again, as a signal handler or a finalizer may want it, too.
    Whoever uses it must leave what it guards whole at every moment, as a child may see it so.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
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
        self._lock = threading.RLock()


class LockFile:
    """A file whose lock only one process holds, or several that share it. Use it in ``with``.

    A child that is forked meanwhile does not hold it, and does not keep others from it.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, making it if it is not there.

        Raises:
            OSError: it cannot be opened.
        """
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        _files.add(self)

    def take(self, shared: bool = False) -> bool:
        """Take the lock if it is free, now or before; whether it is held."""
        import fcntl

        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(self._handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        import fcntl

        _files.discard(self)
        if self._handle >= 0:
            # Not by closing alone: a child that is just being forked has the file open, too.
            fcntl.flock(self._handle, fcntl.LOCK_UN)
            self._forget()

    def _forget(self) -> None:
        handle, self._handle = self._handle, -1
        os.close(handle)


_locks: weakref.WeakSet[ForkSafeLock] = weakref.WeakSet()
_files: weakref.WeakSet[LockFile] = weakref.WeakSet()


def _after_fork() -> None:
    for lock in list(_locks):
        lock._renew()
    for file in list(_files):
        file._forget()
    _files.clear()


os.register_at_fork(after_in_child=_after_fork)
