"""Calls of the functions of extensions: one object for each."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from coilbox.bridge.borrowed import Callback, GuestStream
from coilbox.bridge.bound import Bound
from coilbox.bridge.context import CallContext
from coilbox.bridge.encoding import Reply, length_of
from coilbox.bridge.owned import OpenResource
from coilbox.bridge.replies import Refused
from coilbox.bridge.streams import OpenStream
from coilbox.bridge.work import Later, Work
from coilbox.codec import Allowance
from coilbox.codec.frames import Buffer
from coilbox.codec.scalars import pack
from coilbox.errors import UnsupportedValueError

if TYPE_CHECKING:
    from coilbox.bridge.exchange import CallExchange


class Call(Work):
    """One call of a function.

    Attributes:
        bound: the function.
        extension: the extension's position.
    """

    def __init__(
        self, bridge: CallExchange, bound: Bound, extension: int, data: Buffer, number: int
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
            handle, self._args, self._kwargs = bound.plan.arguments(
                data, self, self.bridge.allowance
            )
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
        self,
        number: int,
        values: Callable[[tuple[Any, ...], Allowance], bytes],
        read: Callable[[Any, Allowance], Any],
    ) -> Callback:
        """A callback among the arguments."""
        self._borrowed.append(Callback(self.bridge, number, values, read))
        return self._borrowed[-1]  # type: ignore[return-value]

    def stream(self, number: int, read: Callable[[Any, Allowance], Any]) -> GuestStream:
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
            return self._open(OpenStream(self.bridge, self.bound, value, self))
        if plan.resource is not None:
            extension = self.bridge.host_api.extension(self.extension)
            return self._open(OpenResource(self.bridge, extension, plan, self.extension, value))
        reply = plan.encode(value, self.bridge.allowance)
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
    """An awaitable that a function returned in place of a result."""

    is_async = True

    def __init__(self, bridge: CallExchange, bound: Bound, value: Awaitable[Any]) -> None:
        super().__init__(bridge, 0, 0)
        self._bound = bound
        self._value = value

    def act(self) -> Reply | Later:
        """See :class:`Work`."""
        return lambda: self._value

    def encoded(self, value: Any) -> Reply:
        """See :class:`Work`."""
        return self._bound.plan.encode(value, self.bridge.allowance)

    def failed(self, error: Exception) -> bytes:
        """See :class:`Work`."""
        return self._bound.failed(error)

    def timed_out(self) -> Refused:
        """Nothing: functions with a time limit are no simple ones."""
        raise AssertionError
