"""Work that a guest waits for: its life from the first thread that works on it to its reply."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from coilbox.bridge.encoding import Reply
from coilbox.bridge.replies import Refused
from coilbox.bridge.threads import loop_thread, pool

if TYPE_CHECKING:
    from coilbox.bridge.exchange import CallExchange

Later = Callable[[], Awaitable[Any]]
"""Makes what is awaited for a result, on the event loop."""


class Work(ABC):
    """A call of a function, or of a stream for its next items.

    It ends once: with a reply, with an exception for the caller of the run, by its time limit,
    or because nobody wants it any more. What comes later is thrown away.

    Args:
        bridge: the sandbox's.
        number: the guest's number for it; 0 if it waits.
        size: bytes that it holds until it has ended.

    Attributes:
        number: the guest's number for it; 0 if it waits.
        is_async: whether ``act`` only makes a coroutine, so that no thread needs to wait for it.
        ended: whether it has ended.
        reply: the reply, once it has ended.
        size: bytes that it holds.
    """

    timeout: float | None = None
    is_async = False

    def __init__(self, bridge: CallExchange, number: int, size: int) -> None:
        self.bridge = bridge
        self.number = number
        self.ended = False
        self.reply: Reply = b""
        self.size = size
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._on_loop = False  # whether the event loop has, or will have, to do with it
        self._on_thread = False
        self._abandoned = False
        self._awaiting = False

    # -- what subclasses do ----------------------------------------------------------------------

    @abstractmethod
    def act(self) -> Reply | Later:
        """Do it, or begin to. May block, unless ``is_async``."""

    @abstractmethod
    def encoded(self, value: Any) -> Reply:
        """The reply for a result that was awaited."""

    @abstractmethod
    def failed(self, error: Exception) -> bytes:
        """The reply for what ``act`` raised."""

    @abstractmethod
    def timed_out(self) -> Refused:
        """The error when ``timeout`` is over."""

    def release(self) -> None:  # noqa: B027 - not all have something to release
        """Called once, when it has ended and no thread is in ``act`` any more."""

    def give_up(self) -> None:  # noqa: B027
        """Called when it ends before ``act`` has: what ``act`` waits for should end, too."""

    def discard(self) -> None:  # noqa: B027
        """Called when ``act`` came to a reply too late."""

    # -- on the guest's thread -------------------------------------------------------------------

    def run(self) -> Reply:
        """Do it and wait."""
        if self.is_async:
            start(self.bridge, [self])
        elif self.timeout is None:
            self._act()
        else:
            self._run_on_thread(self.timeout)
        self.bridge.wait_for(self)
        return self.reply

    def _run_on_thread(self, timeout: float) -> None:
        """Have a thread do it. The time is kept by this one, which waits anyhow."""
        self.bridge.track([self])
        deadline = time.monotonic() + timeout
        self.bridge.pool_share.submit(self, self.act_on_thread)
        self.bridge.wait_for(self, deadline)
        if self._end_late() and self._on_loop:
            loop_thread.submit(self._stop)

    def cancel(self) -> None:
        """Nobody wants it any more. From any thread."""
        if not self._end(b"", given_up=True):
            self.discard()
        elif self._on_loop:
            loop_thread.submit(self._stop)

    # -- on whatever thread works on it ----------------------------------------------------------

    def leave_to_loop(self) -> bool:
        """Whether the event loop has anything to do for it: run it, or see to its time."""
        self._on_loop = self.is_async or self.timeout is not None
        return self._on_loop

    def act_on_loop(self) -> None:
        """Do what the event loop has to do, on it."""
        if self.ended:
            return
        if self.timeout is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self.timeout, self._time_out)
        if self.is_async:
            self._act()

    def act_on_thread(self) -> None:
        """Do it, on a thread of the pool."""
        with self.bridge.lock:
            if self.ended:
                return
            self._on_thread = True
        try:
            self._act()
        finally:
            with self.bridge.lock:
                self._on_thread = False
                abandoned = self._abandoned
            if abandoned:
                pool.regain()
                self.release()

    def _act(self) -> None:
        if self.ended:
            return
        try:
            reply = self.act()
        except Exception as error:
            self._fail(error)
        except BaseException as error:
            self._end(b"", error)
        else:
            if isinstance(reply, (bytes, tuple)):
                self._finish(reply)
            elif loop_thread.is_current:
                self._drive(reply)
            else:
                self.bridge.track([self])
                self._on_loop = True
                loop_thread.submit(lambda: self._drive(reply))

    def _drive(self, later: Later) -> None:
        if self.ended:
            return
        self._task = asyncio.get_running_loop().create_task(self._await(later))
        self.bridge.tasks.add(self._task)

    async def _await(self, later: Later) -> None:
        self._awaiting = True
        try:
            reply = self.encoded(await later())
        except asyncio.CancelledError:
            self._fail(RuntimeError("the function cancelled itself"))  # unless we did
        except Exception as error:
            self._fail(error)
        except BaseException as error:  # it must not end the event loop
            self._end(b"", error)
        else:
            self._finish(reply)
        if self._timer is not None:
            self._timer.cancel()
        self._forget_task()

    def _forget_task(self) -> None:
        assert self._task is not None
        self.bridge.tasks.discard(self._task)

    def _fail(self, error: Exception) -> None:
        if not self.ended:  # else it failed because of that, most likely
            self._end(self.failed(error))

    def _finish(self, reply: Reply) -> None:
        if not self._end(reply):
            self.discard()

    def _time_out(self) -> None:
        if self._end_late():
            self._stop()

    def _end_late(self) -> bool:
        """End it because its time is over; whether it had not ended yet."""
        return not self.ended and self._end(self.timed_out().reply(), given_up=True)

    def _stop(self) -> None:
        """On the event loop: end what still goes on for what has ended."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            if not self._awaiting:
                self._forget_task()  # it never comes to do it

    def _end(
        self, reply: Reply, raised: BaseException | None = None, *, given_up: bool = False
    ) -> bool:
        """Set the outcome; whether it is the first."""
        with self.bridge.lock:
            if self.ended:
                return False
            self.ended = True
            self.reply = reply
            self._abandoned = given_up and self._on_thread
        if given_up:
            self.bridge.pool_share.forget(self)
            self.give_up()
        if self._abandoned:
            pool.abandon()
        else:
            self.release()
        self.bridge.has_ended(self, raised)
        return True


def start(bridge: CallExchange, works: Sequence[Work]) -> None:
    """Have other threads do all of ``works``, which are the bridge's."""
    bridge.track(works)
    for_loop = [work for work in works if work.leave_to_loop()]
    if for_loop:
        loop_thread.submit(lambda: _act_on_loop(for_loop))
    for work in works:
        if not work.is_async:
            bridge.pool_share.submit(work, work.act_on_thread)


def _act_on_loop(works: Sequence[Work]) -> None:
    for work in works:
        work.act_on_loop()
