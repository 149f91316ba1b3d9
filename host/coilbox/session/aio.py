"""Runs for event loops: on a thread of the loop's executor, stopped when their task is."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coilbox.results import Result
    from coilbox.session.requests import Request
    from coilbox.session.session import Session


async def conduct(session: Session, request: Request) -> Result:
    """Have the guest do what is requested, on another thread, and wait for it.

    If the waiting task is cancelled, the guest is stopped, and the task goes on with its
    cancellation when the thread has left the guest. A request that had not begun never will.
    """
    turn = _Turn()
    loop = asyncio.get_running_loop()
    context = contextvars.copy_context()

    def work() -> Result | None:
        if not turn.begin():
            return None
        session.bridge.loop = loop
        try:
            return context.run(session.perform, request)
        finally:
            session.bridge.loop = None

    future = loop.run_in_executor(None, work)
    try:
        result = await asyncio.shield(future)
    except asyncio.CancelledError:
        if not turn.give_up():
            session.cancel()
            await _ended(future)
        raise
    assert result is not None
    return result


class _Turn:
    """Whether a request has begun, or never shall: two threads agree on it."""

    __slots__ = ("_lock", "_taken")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False

    def _take(self) -> bool:
        with self._lock:
            taken, self._taken = self._taken, True
            return not taken

    begin = give_up = _take


async def _ended(future: asyncio.Future[Result | None]) -> None:
    """Wait for the thread, however often the task is cancelled meanwhile."""
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            continue
    if not future.cancelled():
        future.exception()  # taken note of: the cancellation is what the task ends with
