"""Calls of the functions of extensions: one object for each function, one for each call."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from coilbox.bridge.borrowed import Callback, GuestStream
from coilbox.bridge.context import CallContext
from coilbox.bridge.encoding import Buffer, Reply, length_of
from coilbox.bridge.limiter import Limiter
from coilbox.bridge.owned import OpenResource
from coilbox.bridge.plans import OperationPlan
from coilbox.bridge.replies import Failures, Refused
from coilbox.bridge.streams import OpenStream
from coilbox.bridge.work import Later, Work
from coilbox.codec.scalars import pack
from coilbox.errors import UnsupportedValueError

if TYPE_CHECKING:
    from coilbox.bridge.extensions import ExtensionBridge


class Bound:
    """A function of an extension in one sandbox.

    Attributes:
        plan: what is known of it.
        function: its implementation; None for a method, which the resource has.
        is_async: whether that makes a coroutine.
        context: the context of calls that cannot end before they return.
        limiter: its limits; None if it has none.
        denied: the capability that the sandbox lacks, or None.
        failures: logs what goes wrong in it.
        simple: whether nothing but arguments and result need care.
    """

    __slots__ = (
        "context",
        "denied",
        "failures",
        "function",
        "is_async",
        "limiter",
        "plan",
        "simple",
    )

    def __init__(
        self,
        plan: OperationPlan,
        function: Callable[..., Any] | None,
        context: CallContext,
        grants: frozenset[str],
        failures: Failures,
    ) -> None:
        self.plan = plan
        self.failures = failures
        self.function = function
        self.is_async = inspect.iscoroutinefunction(function)
        self.context = context
        ir = plan.function
        self.denied = next((item for item in ir.requires if item not in grants), None)
        self.limiter = Limiter(plan.name, ir.limits) if plan.is_limited else None
        self.simple = (
            function is not None
            and not self.is_async
            and self.denied is None
            and not (plan.is_limited or plan.borrows or plan.resource or plan.stream)
        )

    def failed(self, error: Exception) -> bytes:
        """The reply for what the function raised."""
        if isinstance(error, Refused):
            return error.reply()
        for cls in type(error).__mro__:
            encode = self.plan.errors.get(cls)
            if encode is not None:
                try:
                    return encode(error)
                except Exception as wrong:  # its fields are not of their types
                    return self.failures.reply(self.plan.name, wrong)
        return self.failures.reply(self.plan.name, error)


class Call(Work):
    """One call of a function.

    Attributes:
        bound: the function.
        extension: the extension's position.
    """

    def __init__(
        self, bridge: ExtensionBridge, bound: Bound, extension: int, data: Buffer, number: int
    ) -> None:
        """Let the call in and decode its arguments.

        Raises:
            Refused: it may not be made.
            GuestProtocolError: no generated module sends these bytes.
        """
        super().__init__(bridge, number, len(data))
        self.bound = bound
        self.extension = extension
        self._borrowed: list[Callback | GuestStream] = []
        self._opened = 0
        self._streams = False
        if bound.denied is not None:
            raise Refused(
                "PermissionError",
                f"{bound.plan.name} needs the capability {bound.denied!r}, which this sandbox "
                "was not granted",
            )
        limiter = bound.limiter
        if limiter is not None:
            limiter.enter(len(data))
        try:
            self._take(data)
        except BaseException:
            self.release()
            raise

    def _take(self, data: Buffer) -> None:
        bound = self.bound
        try:
            handle, self._args, self._kwargs = bound.plan.arguments(data, self)
        except UnsupportedValueError as error:
            raise Refused("ValueError", str(error)) from None
        if bound.function is not None:
            self._function, self.is_async = bound.function, bound.is_async
        else:
            self._function = self._method(handle)
            self.is_async = inspect.iscoroutinefunction(self._function)
        self._context = bound.context
        self.timeout = bound.limiter.timeout if bound.limiter is not None else None
        is_stream = bound.plan.stream is not None  # whose items have the time limit, each
        if self.number or self.timeout is not None or is_stream:
            deadline = None
            if self.timeout is not None and not is_stream:
                deadline = time.monotonic() + self.timeout
            self._context = CallContext(self.bridge, bound.context.state, deadline)

    def _method(self, handle: int) -> Callable[..., Any]:
        resource = self.bridge.handles.get(handle)
        if not isinstance(resource, OpenResource):
            raise Refused("StaleHandle", f"the handle {handle} is no resource")
        return resource.method(self.bound.plan, self.extension)

    # -- what the guest lends --------------------------------------------------------------------

    def callback(
        self, number: int, values: Callable[[tuple[Any, ...]], bytes], read: Callable[[Any], Any]
    ) -> Callback:
        """A callback among the arguments."""
        self._borrowed.append(Callback(self.bridge, number, values, read))
        return self._borrowed[-1]  # type: ignore[return-value]

    def stream(self, number: int, read: Callable[[Any], Any]) -> GuestStream:
        """A stream among the arguments."""
        self._borrowed.append(GuestStream(self.bridge, number, read))
        return self._borrowed[-1]  # type: ignore[return-value]

    # -- the work --------------------------------------------------------------------------------

    def act(self) -> Reply | Later:
        """See :class:`Work`."""
        if self.is_async:
            return self._called
        value = self._called()
        if inspect.isawaitable(value):
            return lambda: value
        return self.encoded(value)

    def _called(self) -> Any:
        return self._function(self._context, *self._args, **self._kwargs)

    def failed(self, error: Exception) -> bytes:
        """See :class:`Work`."""
        return self.bound.failed(error)

    def abandon(self) -> None:
        """Let the function know that nobody wants the result, or the stream, any more."""
        if self._context is not self.bound.context:
            self._context.abandoned = True

    def timed_out(self) -> Refused:
        """See :class:`Work`."""
        self.abandon()
        assert self.bound.limiter is not None
        return self.bound.limiter.timed_out()

    def cancel(self) -> None:
        """See :class:`Work`."""
        self.abandon()
        super().cancel()

    def encoded(self, value: Any) -> Reply:
        """The reply for a result.

        Raises:
            Exception: the result is not of its type.
        """
        plan, limiter = self.bound.plan, self.bound.limiter
        if plan.stream is not None:
            self._streams = True  # what was borrowed, and a place of the limit, is in use still
            return self._open(OpenStream(self, value))
        if plan.resource is not None:
            extension = self.bridge.host_api.extension(self.extension)
            return self._open(OpenResource(self.bridge, extension, plan, self.extension, value))
        reply = plan.encode(value)
        if limiter is not None:
            limiter.check_reply(length_of(reply))
        return reply

    def _open(self, item: OpenStream | OpenResource) -> bytes:
        self._opened = item.number = self.bridge.handles.add(item)
        return pack([0, self._opened])

    def give_up(self) -> None:
        """See :class:`Work`."""
        for item in self._borrowed:
            item.end()

    def discard(self) -> None:
        """See :class:`Work`."""
        if self._opened:
            self.bridge.handles.close(self._opened)

    def release(self) -> None:
        """See :class:`Work`."""
        if not self._streams:
            self.let_go()

    def let_go(self) -> None:
        """Give back what the guest lent, and the place of the limit; the stream does if any."""
        self.give_up()
        if self.bound.limiter is not None:
            self.bound.limiter.leave()


class Awaited(Work):
    """What a function returned that turned out to be no result, but an awaitable."""

    is_async = True

    def __init__(self, bridge: ExtensionBridge, bound: Bound, value: Awaitable[Any]) -> None:
        super().__init__(bridge, 0, 0)
        self._bound = bound
        self._value = value

    def act(self) -> Reply | Later:
        """See :class:`Work`."""
        return lambda: self._value

    def encoded(self, value: Any) -> Reply:
        """See :class:`Work`."""
        return self._bound.plan.encode(value)

    def failed(self, error: Exception) -> bytes:
        """See :class:`Work`."""
        return self._bound.failed(error)

    def timed_out(self) -> Refused:
        """Nothing: functions with a time limit are no simple ones."""
        raise AssertionError
