"""Streams of the host's that the guest reads, some items at a time."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from coilbox.bridge.checks import wrong
from coilbox.bridge.encoding import Reply, array_head
from coilbox.bridge.replies import Refused, log
from coilbox.bridge.work import Later, Work

if TYPE_CHECKING:
    from coilbox.bridge.bound import Bound
    from coilbox.bridge.exchange import CallExchange

_MOST = 4096  # items of one reply
_BYTES = 1 << 18  # after so many bytes a reply has no further items
_QUICK = 0.001  # seconds for a plain stream's reply, if it shall not have fewer items next time

_FINISHED, _GOES_ON = b"\x92\x00\x92\xc3", b"\x92\x00\x92\xc2"


class Lender(Protocol):
    """The call that returned a stream, which keeps what it borrowed until the stream ends."""

    def abandon(self) -> None:
        """Nobody wants the stream any more."""

    def let_go(self) -> None:
        """Nothing that was borrowed is in use any more."""


class OpenStream:
    """A function's result as a stream of encoded items.

    Items of a plain iterator are made while the guest waits. Those of an asynchronous one are
    made on the event loop, never more than the guest has asked for and one.

    Args:
        bridge: the sandbox's.
        bound: the function that returned it.
        value: what that returned.
        call: the call.

    Attributes:
        bridge: the sandbox's.
        bound: the function that returned it.
        number: its handle.

    Raises:
        WrongValue: the function returned what cannot be iterated over.
    """

    def __init__(self, bridge: CallExchange, bound: Bound, value: Any, call: Lender) -> None:
        self.number = 0
        self.bridge = bridge
        self.bound = bound
        self._call = call
        self._encode = bound.plan.encode_item
        self._limiter = bound.limiter
        self._items: deque[bytes] = deque()
        self._bytes = 0
        self._finished = False
        self._error: bytes | None = None
        self._closed = False
        self._busy = False
        self._quick = 1  # items that a plain stream makes at once
        self._wanted = 0
        self._pump_task: asyncio.Task[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._credit: asyncio.Event | None = None
        self._plain: Iterator[Any] | None = None
        self._async: AsyncIterator[Any] | None = None
        if hasattr(value, "__aiter__"):
            self._async = value.__aiter__()
        elif hasattr(value, "__iter__") and not isinstance(value, (str, bytes, dict)):
            self._plain = iter(value)
        else:
            raise wrong(value, "an iterable or asynchronous iterable")

    @property
    def is_async(self) -> bool:
        """Whether its items are made on the event loop."""
        return self._async is not None

    def next(self, most: int) -> Reply:
        """The reply with the next items of a plain iterator.

        Raises:
            Refused: it is being read already.
        """
        self._begin()
        try:
            self._pull(min(most, _MOST))
            return self._reply(most)
        finally:
            self._rest()

    async def next_async(self, most: int) -> Reply:
        """The reply with the next items of an asynchronous one, on the event loop.

        Raises:
            Refused: it is being read already.
        """
        self._begin()
        try:
            return await self._take(min(most, _MOST))
        finally:
            self._rest()

    def close(self) -> None:
        """End the iterator."""
        with self.bridge.lock:
            if self._closed:
                return
            self._closed = True
            busy = self._busy
        self._call.abandon()
        if self._async is not None:
            self._call.let_go()  # what still goes on for a moment is none of the guest's
            self.bridge.finishing.add(self._close_async())
        elif not busy:
            self._close_plain()

    def _begin(self) -> None:
        with self.bridge.lock:
            if self._busy:
                raise Refused("RuntimeError", "the stream is being read already")
            self._busy = True

    def _rest(self) -> None:
        """``next`` is over."""
        with self.bridge.lock:
            self._busy = False
            closed = self._closed
        if closed and self._plain is not None:
            self._close_plain()

    def _add(self, value: Any) -> None:
        data = self._encode(value, self.bridge.allowance)
        if self._limiter is not None:
            self._limiter.check_reply(len(data))
        self._items.append(data)
        self._bytes += len(data)

    def _reply(self, most: int) -> Reply:
        """The items that were made so far; an error comes after the items before it."""
        items = self._items
        taken: list[bytes] = []
        size = 0
        while items and len(taken) < most and size < _BYTES:
            taken.append(items.popleft())
            size += len(taken[-1])
        self._bytes -= size
        if not taken and self._error is not None:
            self.bridge.handles.close(self.number)
            return self._error
        finished = self._finished and self._error is None and not items
        if finished:
            self.bridge.handles.close(self.number)
        head = _FINISHED if finished else _GOES_ON
        return b"".join((head, array_head(len(taken)), *taken))

    # -- plain iterators -------------------------------------------------------------------------

    def _pull(self, most: int) -> None:
        assert self._plain is not None
        if self._items or self._finished or self._error is not None:
            return
        started = time.monotonic()
        limit = min(most, self._quick)
        try:
            for value in self._plain:
                self._add(value)
                if len(self._items) >= limit or self._bytes >= _BYTES:
                    break
            else:
                self._finished = True
        except Exception as error:
            self._error = self.bound.failed(error)
        slow = time.monotonic() - started > _QUICK
        self._quick = 1 if slow else min(2 * limit, _MOST)

    def _close_plain(self) -> None:
        close = getattr(self._plain, "close", None)
        try:
            if close is not None:
                close()
        except Exception:
            log.exception("closing a stream of %s failed", self.bound.plan.name)
        self._call.let_go()

    # -- asynchronous iterators, on the event loop -----------------------------------------------

    async def _take(self, most: int) -> Reply:
        try:
            if self._pump_task is None:
                self._credit = asyncio.Event()
                self._pump_task = asyncio.get_running_loop().create_task(self._pump())
            assert self._credit is not None
            self._wanted = most
            self._credit.set()
            while not (self._items or self._finished or self._error is not None):
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
            return self._reply(most)
        finally:
            self._wanted = 0
            self._waiter = None

    async def _pump(self) -> None:
        assert self._async is not None
        assert self._credit is not None
        try:
            async for value in self._async:
                self._add(value)
                self._wake()
                while len(self._items) >= self._wanted or self._bytes >= _BYTES:
                    self._credit.clear()
                    await self._credit.wait()
        except Exception as error:
            self._error = self.bound.failed(error)
        except (KeyboardInterrupt, SystemExit) as error:
            self._error = b""
            self.bridge.break_off(error)
        finally:
            self._finished = True
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _close_async(self) -> None:
        if self._pump_task is not None:
            self._pump_task.cancel()
            await asyncio.gather(self._pump_task, return_exceptions=True)
        close = getattr(self._async, "aclose", None)
        if close is not None:
            await close()


class Next(Work):
    """The guest asks for items of a stream."""

    def __init__(self, stream: OpenStream, most: int, number: int) -> None:
        super().__init__(stream.bridge, number, 0)
        self.is_async = stream.is_async
        self._stream = stream
        self._most = most
        self._limiter = stream.bound.limiter
        self.timeout = self._limiter.timeout if self._limiter is not None else None

    def act(self) -> Reply | Later:
        """See :class:`Work`."""
        if self.is_async:
            return lambda: self._stream.next_async(self._most)
        return self._stream.next(self._most)

    def encoded(self, value: Reply) -> Reply:
        """See :class:`Work`."""
        return value

    def failed(self, error: Exception) -> bytes:
        """See :class:`Work`."""
        return self._stream.bound.failed(error)

    def timed_out(self) -> Refused:
        """See :class:`Work`."""
        assert self._limiter is not None
        return self._limiter.timed_out()
