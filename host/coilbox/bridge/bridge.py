"""The bridge of one guest: takes the bytes of host calls, gives the bytes of their replies."""

from __future__ import annotations

import asyncio
import inspect
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from coilbox.bridge.asking import Asked
from coilbox.bridge.calls import Awaited, Bound, Call
from coilbox.bridge.context import CallContext
from coilbox.bridge.control import Control
from coilbox.bridge.finishing import Finishing
from coilbox.bridge.forms import Buffer, Reply
from coilbox.bridge.handles import Handles
from coilbox.bridge.jobs import Jobs
from coilbox.bridge.offer import Offer
from coilbox.bridge.replies import Refused
from coilbox.bridge.threads import loop_thread
from coilbox.bridge.waiting import Waiting
from coilbox.bridge.work import Work
from coilbox.errors import EngineError, GuestCancelled, GuestProtocolError, UsageError

MAX_DEPTH: Final = 8
"""Host calls within host calls: those that a callback or a nested run makes."""

CONTROL: Final = 2 << 24
"""The kind of control messages, in a call's number."""

_OPERATIONS, _BEGIN = 1 << 24, 1 << 31
_NUMBER = _OPERATIONS - 1


class Bridge:
    """Host calls of one guest, from its start to its stop.

    ``perform`` is called on the thread that runs the guest, as is ``serve``, and both between
    ``enter`` and ``leave``; ``interrupt`` on any.

    Args:
        offer: what the sandbox offers.
        sandbox_id: names the sandbox in logs.
        serve: sends a request to the guest while it is in a host call, and returns its reply.

    Attributes:
        offer: what the sandbox offers.
        sandbox_id: names the sandbox in logs.
        deadline: when the run must have ended, on ``time.monotonic()``; None if never.
        stopped: whether the guest will not go on.
        depth: host calls within host calls that are made now.
        handles: what the guest has open.
        lock: for the state of calls.
        jobs: its threads of the pool.
        tasks: its tasks on the event loop; for that thread only.
        finishing: what closes on the event loop.
    """

    def __init__(
        self, offer: Offer, sandbox_id: str = "", serve: Callable[[bytes], bytes] | None = None
    ) -> None:
        self.offer = offer
        self.sandbox_id = sandbox_id
        self.deadline: float | None = None
        self.stopped = False
        self.depth = 0
        self.handles = Handles()
        self.lock = threading.Lock()
        self.jobs = Jobs()
        self.tasks: set[asyncio.Task[None]] = set()
        self.finishing = Finishing()
        self._serve = serve
        self._thread: int | None = None
        self._broken: BaseException | None = None
        self._waiting = Waiting()
        self._rings = False  # a ring is on its way
        self._running: set[Work] = set()
        self._control = Control(self)
        self._asked: deque[Asked] = deque()
        self._later: dict[int, Asked] = {}
        self._bound: dict[int, tuple[Bound, int]] = {}
        self._contexts: dict[int, CallContext] = {}

    # -- for the session -------------------------------------------------------------------------

    def enter(self, deadline: float | None) -> tuple[int | None, float | None]:
        """The calling thread runs the guest now, until a deadline; what ``leave`` takes."""
        before = self._thread, self.deadline
        self._thread = threading.get_ident()
        self.deadline = deadline
        return before

    def leave(self, before: tuple[int | None, float | None]) -> None:
        """The run has ended."""
        self._thread, self.deadline = before

    def perform(self, function: int, data: Buffer) -> Reply:
        """Make a host call.

        Args:
            function: its number, as ``host_call`` has it.
            data: the encoded arguments; not looked at any more when this returns.

        Returns:
            The encoded reply.

        Raises:
            GuestProtocolError: no guest that coilbox made calls so; stop it.
            BaseException: what else must stop the guest and come out of the run.
        """
        if self.depth >= MAX_DEPTH:
            return Refused("RecursionError", f"host calls nest deeper than {MAX_DEPTH}").reply()
        self.depth += 1
        try:
            reply = self._dispatch(function, data)
        except Refused as refused:
            reply = refused.reply()
        finally:
            self.depth -= 1
        if self._broken is not None:
            raise self._broken
        if self.stopped:
            raise _cancelled()
        return reply

    def interrupt(self) -> None:
        """The guest is being stopped: end its waits and calls. Calling it again does nothing."""
        with self.lock:
            if self.stopped:
                return
            self.stopped = True
            running = list(self._running)
            asked = [*self._asked, *self._later.values()]
            self._asked.clear()
            self._later.clear()
        for work in running:
            work.cancel()
        for item in asked:
            item.fail(_cancelled())
        self._waiting.ring()

    def close(self) -> None:
        """The guest is gone: end everything that it had."""
        self.interrupt()
        self.jobs.close()
        self.handles.close_all()
        if self._contexts or self._bound:
            if loop_thread.is_started:
                self.finishing.add(self._settle())
            self.finishing.wait()
        for context in self._contexts.values():
            context.state.clear()

    async def _settle(self) -> None:
        await asyncio.gather(*self.tasks, return_exceptions=True)

    # -- calls -----------------------------------------------------------------------------------

    def _dispatch(self, function: int, data: Buffer) -> Reply:
        begun = function >= _BEGIN
        kind = function & 0x7F000000
        if kind == _OPERATIONS:
            return self._call(function & _NUMBER, data, begun)
        if kind == 0:
            return self.offer.plain.call(function & _NUMBER, data)
        if kind == CONTROL:
            return self._control.perform(function & _NUMBER, data, begun)
        raise GuestProtocolError(f"the guest called function {function:#x}, which there is not")

    def _call(self, number: int, data: Buffer, begun: bool) -> Reply:
        bound, position = self._bound.get(number) or self._bind(number)
        if bound.simple and not begun:
            _, args, kwargs = bound.plan.arguments(data, None)
            value = None
            try:
                value = bound.function(bound.context, *args, **kwargs)  # type: ignore[misc]
                return bound.plan.encode(value)
            except Exception as error:
                if inspect.isawaitable(value):
                    return Awaited(self, bound, value).run()
                return bound.failed(error)
        if begun:
            self._control.make_room(len(data))
        call = Call(self, bound, position, data, begun)
        return self._control.begin(call) if begun else call.run()

    def _bind(self, number: int) -> tuple[Bound, int]:
        found = self.offer.find(number)
        if found is None:
            raise GuestProtocolError(f"the guest called operation {number}, which there is not")
        position, plan, function = found
        context = self._contexts.get(position)
        if context is None:
            context = self._contexts[position] = CallContext(self, {})
        bound = self._bound[number] = (
            Bound(plan, function, context, self.offer.grants),
            position,
        )
        return bound

    # -- for calls -------------------------------------------------------------------------------

    @property
    def on_guest_thread(self) -> bool:
        """Whether the caller is on the thread that runs the guest."""
        return threading.get_ident() == self._thread

    @property
    def may_nest(self) -> bool:
        """Whether the caller is a host function of this guest, on its thread."""
        return self.depth > 0 and self.on_guest_thread

    def track(self, work: Work) -> None:
        """Another thread works on this."""
        with self.lock:
            if not self.stopped:
                self._running.add(work)
                return
        work.cancel()

    def has_ended(self, work: Work, raised: BaseException | None) -> None:
        """Some work has ended, by an exception for the caller of the run if there is one."""
        with self.lock:
            self._running.discard(work)
        if raised is not None:
            self.break_off(raised)
        self._control.ended(work)
        if not loop_thread.is_current:
            self._waiting.ring()
        elif not self._rings:
            # Calls that end in one turn of the event loop wake the guest's thread once.
            self._rings = True
            asyncio.get_running_loop().call_soon(self._ring)

    def _ring(self) -> None:
        self._rings = False
        self._waiting.ring()

    def break_off(self, error: BaseException) -> None:
        """Have the guest stopped by ``error`` before it can go on."""
        if self._broken is None:
            self._broken = error
        self._waiting.ring()

    def wait_for(self, work: Work) -> None:
        """Wait on the guest's thread until ``work`` has ended."""
        if not work.ended:
            self.wait_until(lambda: work.ended)

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
        if self._broken is not None:
            raise self._broken
        if self.stopped:
            raise _cancelled()
        while self._asked:
            self._send(self._asked.popleft())
            self._control.served = True
        return False

    # -- asking the guest ------------------------------------------------------------------------

    @property
    def is_asked(self) -> bool:
        """Whether the guest owes answers."""
        return bool(self._asked or self._later)

    def ask(self, asked: Asked) -> Any:
        """Ask the guest and wait; the answer's payload.

        Raises:
            GuestError: the guest raised, or is stopped.
            UsageError: the caller is on the event loop, which must not wait.
        """
        if self.on_guest_thread:
            self._send(asked)
            if not asked.done:  # nothing of the guest can go on while this thread is here
                del self._later[asked.number]
                self.break_off(GuestProtocolError("the guest put off what is waited for"))
            return asked.result()
        if loop_thread.is_current:
            raise UsageError(
                "coroutines must await the guest: `await callback.acall(...)`, `async for`"
            )
        answered: queue.SimpleQueue[None] = queue.SimpleQueue()
        asked.when_done(lambda: answered.put(None))
        self._post(asked)
        answered.get()
        return asked.result()

    async def ask_async(self, asked: Asked) -> Any:
        """Ask the guest from a coroutine; the answer's payload.

        Raises:
            GuestError: the guest raised, or is stopped.
        """
        if self.on_guest_thread:
            return self.ask(asked)
        loop = asyncio.get_running_loop()
        answered = asyncio.Event()
        asked.when_done(lambda: _wake(loop, answered))
        self._post(asked)
        await answered.wait()
        return asked.result()

    def answered(self, number: int, status: int, payload: Any) -> None:
        """The guest's late answer to a request; nothing happens if nobody waits for it."""
        asked = self._later.pop(number, None)
        if asked is not None:
            asked.answered(status, payload)

    def _post(self, asked: Asked) -> None:
        with self.lock:
            if not self.stopped:
                self._asked.append(asked)
                self._waiting.ring()
                return
        asked.fail(_cancelled())

    def _send(self, asked: Asked) -> None:
        assert self._serve is not None
        if asked.done:  # nobody wants it any more
            return
        if self._broken is not None:
            raise self._broken
        try:
            answered = asked.replied(self._serve(asked.message()))
        except EngineError as error:  # the guest was not entered: it nests too deep
            asked.fail(error)
        except BaseException as error:
            self.break_off(error)
            asked.fail(error if isinstance(error, Exception) else _cancelled())
            raise
        else:
            if not answered:
                self._later[asked.number] = asked


def _cancelled() -> GuestCancelled:
    return GuestCancelled("the guest is being stopped")


def _wake(loop: asyncio.AbstractEventLoop, answered: asyncio.Event) -> None:
    loop.call_soon_threadsafe(answered.set)
