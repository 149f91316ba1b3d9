"""Coroutines that close what a sandbox had: they run on the event loop and are waited for."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable
from typing import Any

from coilbox.bridge.replies import log
from coilbox.bridge.threads import loop_thread

_PATIENCE = 5.0  # seconds that closing a sandbox waits for them


class Finishing:
    """The closing coroutines of one sandbox. Any thread may use it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0
        self._tasks: set[asyncio.Future[Any]] = set()

    def add(self, closing: Awaitable[Any]) -> None:
        """Run ``closing`` on the event loop; what it raises is logged."""
        with self._changed:
            self._count += 1
        loop_thread.submit(lambda: self._start(closing))

    def wait(self) -> None:
        """Wait until all have ended, for some seconds at most."""
        if loop_thread.is_current:
            return  # they need this very thread
        end = time.monotonic() + _PATIENCE
        with self._changed:
            while self._count:
                if not self._changed.wait(end - time.monotonic()):
                    log.warning("%d resources or streams take long to close", self._count)
                    return

    def _start(self, closing: Awaitable[Any]) -> None:
        task = asyncio.ensure_future(closing)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Future[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("closing a resource or stream failed", exc_info=task.exception())
        with self._changed:
            self._count -= 1
            self._changed.notify_all()
