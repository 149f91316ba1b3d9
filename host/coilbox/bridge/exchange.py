"""Work of a guest on other threads, and requests of these to the guest."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from coilbox.bridge.bridge import Bridge, cancelled
from coilbox.bridge.finishing import Finishing
from coilbox.bridge.guest_requests import GuestRequest
from coilbox.bridge.handles import Handles
from coilbox.bridge.host_api import HostAPI
from coilbox.bridge.pool_share import PoolShare
from coilbox.bridge.threads import loop_thread
from coilbox.bridge.waiting import Waiting
from coilbox.errors import EngineError, GuestProtocolError, UsageError

_TRY: Final = 0.01  # seconds


class Tracked(Protocol):
    """Work that other threads may end.

    Attributes:
        ended: whether it has ended.
    """

    ended: bool

    def cancel(self) -> None:
        """Nobody wants it any more."""


class CallExchange(Bridge):
    """The part that host calls on all threads share: their state, waits, requests to the guest.

    Args:
        host_api: what the guest can call.
        sandbox_id: names the sandbox in logs.
        serve: sends a request to the guest while it is in a host call, and returns its reply; on
            the thread that runs the guest.

    Attributes:
        handles: what the guest has open.
        lock: for the state of calls.
        pool_share: its threads of the pool.
        tasks: its tasks on the event loop; for that thread only.
        finishing: what closes on the event loop.
        served: whether the guest got a request since this was last cleared.
    """

    def __init__(self, host_api: HostAPI, sandbox_id: str, serve: Callable[[bytes], bytes]) -> None:
        super().__init__(host_api, sandbox_id)
        self.handles = Handles()
        self.lock = threading.RLock()  # a signal handler may cancel the run that it interrupts
        self.pool_share = PoolShare()
        self.tasks: set[asyncio.Task[None]] = set()
        self.finishing = Finishing()
        self.served = False
        self._serve = serve
        self._waiting = Waiting()
        self._rings = False  # a ring is on its way
        self._running: set[Tracked] = set()
        self._has_tracked = False
        self._requests: dict[int, GuestRequest] = {}  # in the order in which they came
        self._later: dict[int, GuestRequest] = {}

    def interrupt(self) -> None:
        """See :class:`Bridge`."""
        # Whoever stops a guest does so until it has stopped. He need not wait for its own thread,
        # which a signal handler may hold up under the lock.
        if self.stopped or not self.lock.acquire(timeout=_TRY):
            return
        try:
            self.stopped = True
            running = list(self._running)
            requests = [*self._requests.values(), *self._later.values()]
            self._requests.clear()
            self._later.clear()
        finally:
            self.lock.release()
        for work in running:
            work.cancel()
        for request in requests:
            request.fail(cancelled())
        self._waiting.ring()

    def close(self) -> None:
        """See :class:`Bridge`."""
        while not self.stopped:
            self.interrupt()
        self.pool_share.close()
        self.handles.close_all()
        if self._has_tracked and loop_thread.is_started:
            self.finishing.add(self._settle())
        self.finishing.wait()
        super().close()

    async def _settle(self) -> None:
        await asyncio.gather(*self.tasks, return_exceptions=True)

    # -- work on other threads -------------------------------------------------------------------

    def track(self, works: Sequence[Tracked]) -> None:
        """Other threads work on these."""
        self._has_tracked = True
        with self.lock:
            if not self.stopped:
                self._running.update(works)
                return
        for work in works:
            work.cancel()

    def has_ended(self, work: Tracked, raised: BaseException | None) -> None:
        """Some work has ended, by an exception for the caller of the run if there is one."""
        with self.lock:
            self._running.discard(work)
            self._note_end(work)
        if raised is not None:
            self.break_off(raised)
        if not loop_thread.is_current:
            self._waiting.ring()
        elif not self._rings:
            # Calls that end in one turn of the event loop wake the guest's thread once.
            self._rings = True
            asyncio.get_running_loop().call_soon(self._ring)

    def _note_end(self, work: Tracked) -> None:
        """Some work has ended. Called under the lock."""

    def _ring(self) -> None:
        self._rings = False
        self._waiting.ring()

    def break_off(self, error: BaseException) -> None:
        """See :class:`Bridge`."""
        super().break_off(error)
        self._waiting.ring()

    def wait_for(self, work: Tracked, deadline: float | None = None) -> None:
        """Wait on the guest's thread until ``work`` has ended, or till the deadline."""
        if not work.ended:
            self.wait_until(lambda: work.ended, deadline)

    def wait_until(self, done: Callable[[], bool], deadline: float | None = None) -> None:
        """Wait on the guest's thread, and send the guest what other threads ask of it.

        Raises:
            GuestCancelled: the guest is being stopped.
        """
        self._waiting.until(lambda: self.heed() or done(), deadline)

    def heed(self) -> bool:
        """Send the guest what other threads ask of it; False, to stand in a condition.

        Raises:
            GuestCancelled: the guest is being stopped.
            BaseException: what must come out of the run.
        """
        self.check()
        while self._requests:
            with self.lock:
                first = next(iter(self._requests), 0)
                request = self._requests.pop(first, None)
            if request is not None:
                self._send(request)
                self.served = True
        return False

    # -- requests to the guest -----------------------------------------------------------------

    @property
    def owes_answers(self) -> bool:
        """Whether the guest owes answers."""
        return bool(self._requests or self._later)

    def request(self, request: GuestRequest) -> Any:
        """Ask the guest and wait; the answer's payload.

        Raises:
            GuestError: the guest raised, or is stopped.
            UsageError: the caller is on the event loop, which must not wait.
        """
        if self.on_guest_thread:
            self._send(request)
            if not request.done:  # nothing of the guest can go on while this thread is here
                self._forget(request)
                self.break_off(GuestProtocolError("the guest put off what is waited for"))
            return request.result()
        if loop_thread.is_current:
            raise UsageError(
                "coroutines must await the guest: `await callback.acall(...)`, `async for`"
            )
        answered: queue.SimpleQueue[None] = queue.SimpleQueue()
        request.when_done(lambda: answered.put(None))
        self._post(request)
        try:
            answered.get()
        finally:
            self._forget(request)
        return request.result()

    async def request_async(self, request: GuestRequest) -> Any:
        """Ask the guest from a coroutine; the answer's payload.

        Raises:
            GuestError: the guest raised, or is stopped.
        """
        if self.on_guest_thread:
            return self.request(request)
        loop = asyncio.get_running_loop()
        answered = asyncio.Event()
        request.when_done(lambda: _wake(loop, answered))
        self._post(request)
        try:
            await answered.wait()
        finally:
            self._forget(request)
        return request.result()

    def answered(self, number: int, status: int, payload: Any) -> None:
        """The guest's late answer to a request; nothing happens if nobody waits for it."""
        request = self._later.pop(number, None)
        if request is not None:
            request.answered(status, payload, self.allowance)

    def _post(self, request: GuestRequest) -> None:
        with self.lock:
            if not self.stopped:
                self._requests[request.number] = request
                self._waiting.ring()
                return
        request.fail(cancelled())

    def _forget(self, request: GuestRequest) -> None:
        """Nobody waits for the answer any more, if there was none."""
        request.fail(cancelled())
        with self.lock:
            self._requests.pop(request.number, None)
            self._later.pop(request.number, None)

    def _send(self, request: GuestRequest) -> None:
        if request.done:  # nobody wants it any more
            return
        if self.broken is not None:
            raise self.broken
        try:
            answered = request.replied(self._serve(request.message()), self.allowance)
        except EngineError as error:  # the guest was not entered: it nests too deep
            request.fail(error)
        except BaseException as error:
            self.break_off(error)
            request.fail(error if isinstance(error, Exception) else cancelled())
            raise
        else:
            with self.lock:
                if not answered and not request.done:
                    self._later[request.number] = request


def _wake(loop: asyncio.AbstractEventLoop, answered: asyncio.Event) -> None:
    loop.call_soon_threadsafe(answered.set)
