"""What a guest waits for: its life from the first thread that works on it to its reply."""

from __future__ import annotations

import asyncio
import itertools
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from coilbox.bridge.forms import Reply
from coilbox.bridge.replies import Refused
from coilbox.bridge.threads import Job, loop_thread, pool

if TYPE_CHECKING:
    from coilbox.bridge.extensions import ExtensionBridge

_numbers = itertools.count(1)


Later = Callable[[], Awaitable[Reply]]
"""Makes what is awaited for a reply, on the event loop."""


class Work(ABC):
    """A call of a function, or of a stream for its next items.

    It ends once: with a reply, with an exception for the caller of the run, by its time limit,
    or because nobody wants it any more. What comes later is thrown away.

    Args:
        bridge: the sandbox's.
        begun: whether the guest does not wait for it now.
        size: bytes that it holds until it has ended.

    Attributes:
        number: the number that the guest has for it; 0 if it waits.
        ended: whether it has ended.
        reply: the reply, once it has ended.
        size: bytes that it holds.
    """

    timeout: float | None = None

    def __init__(self, bridge: ExtensionBridge, begun: bool, size: int) -> None:
        self.bridge = bridge
        self.number = next(_numbers) if begun else 0
        self.ended = False
        self.reply: Reply = b""
        self.size = size
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._on_loop = False
        self._on_thread = False
        self._abandoned = False

    # -- what subclasses do ----------------------------------------------------------------------

    @abstractmethod
    def is_async(self) -> bool:
        """Whether ``act`` only makes a coroutine, so that no thread needs to wait for it."""

    @abstractmethod
    def act(self) -> Reply | Later:
        """Do it, or begin to. May block, unless ``is_async()``."""

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
        if self.timeout is not None or self.is_async():
            self.start()
        else:
            self._act()
        self.bridge.wait_for(self)
        return self.reply

    def start(self) -> None:
        """Have other threads do it."""
        self.bridge.track(self)
        if self.timeout is not None:
            self._submit(self._start_timer)
        if self.is_async():
            self._submit(self._act)
        else:
            self.bridge.jobs.submit(self, self._act_on_thread)

    def cancel(self) -> None:
        """Nobody wants it any more. From any thread."""
        if not self._end(b"", given_up=True):
            self.discard()
        elif self._on_loop:
            loop_thread.submit(self._stop)

    # -- on whatever thread works on it ----------------------------------------------------------

    def _submit(self, job: Job) -> None:
        self._on_loop = True
        loop_thread.submit(job)

    def _act_on_thread(self) -> None:
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
                self.bridge.track(self)
                self._submit(lambda: self._drive(reply))

    def _drive(self, later: Later) -> None:
        if self.ended:
            return
        self._task = asyncio.get_running_loop().create_task(self._await(later))
        self.bridge.tasks.add(self._task)
        self._task.add_done_callback(self.bridge.tasks.discard)

    async def _await(self, later: Later) -> None:
        try:
            reply = await later()
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

    def _fail(self, error: Exception) -> None:
        if not self.ended:  # else it failed because of that, most likely
            self._end(self.failed(error))

    def _finish(self, reply: Reply) -> None:
        if not self._end(reply):
            self.discard()

    def _start_timer(self) -> None:
        if not self.ended and self.timeout is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self.timeout, self._time_out)

    def _time_out(self) -> None:
        if self._end(self.timed_out().reply(), given_up=True):
            self._stop()

    def _stop(self) -> None:
        """On the event loop: end what still goes on for what has ended."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

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
            self.bridge.jobs.forget(self)
            self.give_up()
        if self._abandoned:
            pool.abandon()
        else:
            self.release()
        self.bridge.has_ended(self, raised)
        return True
