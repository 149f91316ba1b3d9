"""Threads that the sandboxes of a process share: one event loop, and a pool for plain functions.

Both are started when they are first needed, are daemons (a function that hangs must not keep the
process from ending), and start anew in a forked child.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
from collections import deque
from collections.abc import Callable

Job = Callable[[], None]
_log = logging.getLogger("coilbox.bridge")

_POOL_THREADS = 64
_POOL_LINGER = 10.0  # seconds that a thread of the pool waits for another job


class LoopThread:
    """A thread with an event loop, on which asynchronous host functions run."""

    def __init__(self) -> None:
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._lock = threading.RLock()  # a finalizer may close a sandbox while we hold it
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ident: int | None = None
        self._jobs: deque[Job] = deque()
        self._scheduled = False

    @property
    def is_current(self) -> bool:
        """Whether the caller is on this thread."""
        return threading.get_ident() == self._ident

    @property
    def is_started(self) -> bool:
        """Whether the thread is there."""
        return self._loop is not None

    def submit(self, job: Job) -> None:
        """Call ``job`` on the thread, soon. Jobs keep their order.

        Raises:
            RuntimeError: the thread is not there and cannot be started.
        """
        with self._lock:
            loop = self._loop or self._start()
            self._jobs.append(job)
            # Waking the loop is a system call: one does for all jobs that wait.
            if self._scheduled:
                return
            self._scheduled = True
        loop.call_soon_threadsafe(self._run_jobs)

    def _start(self) -> asyncio.AbstractEventLoop:
        loop = self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._work, args=(loop,), name="coilbox-loop", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no room for one more
            self._loop = None
            loop.close()
            raise
        self._ident = thread.ident
        return loop

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        while True:
            try:
                loop.run_forever()
            except BaseException:  # SystemExit of a task of somebody's: not the end of the others
                _log.exception("an exception left the event loop of host functions")

    def _run_jobs(self) -> None:
        with self._lock:
            self._scheduled = False
        for _ in range(len(self._jobs)):
            self._jobs.popleft()()


class Pool:
    """Threads for plain functions whose callers do not wait, or not for ever."""

    def __init__(self) -> None:
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._lock = threading.RLock()
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._threads = 0
        self._idle = 0
        self._waiting = 0
        self._abandoned = 0

    def submit(self, job: Job) -> None:
        """Call ``job`` on a thread, as soon as one is free.

        Raises:
            RuntimeError: there is no thread, and none can be started.
        """
        with self._lock:
            self._waiting += 1
            start = self._waiting > self._idle and (self._threads - self._abandoned < _POOL_THREADS)
            self._threads += start
        self._jobs.put(job)
        if start:
            self._start()

    def _start(self) -> None:
        try:
            threading.Thread(target=self._work, name="coilbox-pool", daemon=True).start()
        except RuntimeError:  # no room for one more
            with self._lock:
                self._threads -= 1
                if self._threads > self._abandoned:
                    return  # the others do it
            raise

    def abandon(self) -> None:
        """Count one thread less: nobody waits for its job any more, which may never end."""
        with self._lock:
            self._abandoned += 1

    def regain(self) -> None:
        """Undo one ``abandon``: the job has ended after all."""
        with self._lock:
            self._abandoned -= 1

    def _work(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            try:
                job = self._jobs.get(timeout=_POOL_LINGER)
            except queue.Empty:
                job = None
            with self._lock:
                self._idle -= 1
                if job is None:
                    if self._waiting > self._idle:
                        continue  # a job has just come that counts on this thread
                    self._threads -= 1
                    return
                self._waiting -= 1
            job()
            del job  # an idle thread must not keep alive what it did last


loop_thread = LoopThread()
pool = Pool()
