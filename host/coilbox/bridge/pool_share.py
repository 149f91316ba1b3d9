"""A sandbox's share of the pool of threads."""

from __future__ import annotations

import threading

from coilbox.bridge.replies import log
from coilbox.bridge.threads import Job, pool

MAX_THREADS = 16
"""Threads of the pool that one sandbox has at once."""


class PoolShare:
    """Plain functions of one sandbox that run, or wait for a thread. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._waiting: dict[object, Job] = {}  # in the order in which they came
        self._running = 0

    def submit(self, key: object, job: Job) -> None:
        """Run ``job`` on a thread, as soon as the sandbox may have one."""
        with self._lock:
            if self._running >= MAX_THREADS:
                self._waiting[key] = job
                return
            self._running += 1
        pool.submit(lambda: self._run(job))

    def forget(self, key: object) -> None:
        """Forget a job that waits."""
        with self._lock:
            self._waiting.pop(key, None)

    def close(self) -> None:
        """Forget those that wait."""
        with self._lock:
            self._waiting.clear()

    def _run(self, job: Job) -> None:
        while True:
            try:
                job()
            except Exception:  # jobs catch what functions raise
                log.exception("a bug of coilbox in a thread of its pool")
            with self._lock:
                if not self._waiting:
                    self._running -= 1
                    return
                job = self._waiting.pop(next(iter(self._waiting)))
