"""Coroutines of the host that a guest's thread waits for, on the event loop of its caller."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any

from coilbox.errors import UsageError

_LOOK = 0.05  # seconds between looks whether the guest was stopped


def finished(
    awaitable: Any, loop: asyncio.AbstractEventLoop | None, checkpoint: Callable[[], None]
) -> Future[Any]:
    """The future of an awaitable, once it has run on an event loop of another thread.

    Args:
        awaitable: what is awaited.
        loop: the loop; None if there is none.
        checkpoint: raises if nobody waits any more; the awaitable is cancelled then.

    Raises:
        UsageError: there is no event loop.
        BaseException: what the checkpoint raises.
    """
    if loop is None:
        if asyncio.iscoroutine(awaitable):
            awaitable.close()
        raise UsageError("a host function or callback is asynchronous: use run_async or call_async")
    future = asyncio.run_coroutine_threadsafe(_awaited(awaitable), loop)
    try:
        while not wait([future], _LOOK).done:
            checkpoint()
    except BaseException:
        future.cancel()
        raise
    return future


async def _awaited(awaitable: Any) -> Any:
    return await awaitable
