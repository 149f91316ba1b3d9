"""The bridge of a guest that has extensions: finds their functions and dispatches calls to them."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable

from coilbox.bridge.bound import Bound
from coilbox.bridge.bridge import CONTROL, OPERATION, there_is_no
from coilbox.bridge.calls import Awaited, Call
from coilbox.bridge.context import CallContext
from coilbox.bridge.control import NEXT, Control
from coilbox.bridge.encoding import Reply
from coilbox.bridge.exchange import CallExchange, Tracked
from coilbox.bridge.host_api import HostAPI
from coilbox.bridge.meter import CallMeter
from coilbox.bridge.work import Work
from coilbox.codec.frames import Buffer


class ExtensionBridge(CallExchange):
    """Host calls of a guest that has extensions.

    Args:
        host_api: what the guest can call.
        sandbox_id: names the sandbox in logs.
        serve: sends a request to the guest while it is in a host call, and returns its reply; on
            the thread that runs the guest.
        meter: counts the calls that the guest makes together.
    """

    def __init__(
        self, host_api: HostAPI, sandbox_id: str, serve: Callable[[bytes], bytes], meter: CallMeter
    ) -> None:
        super().__init__(host_api, sandbox_id, serve)
        this = weakref.proxy(self)  # what holds a bridge by its own parts is not freed at once
        self._control = Control(this, meter, lambda *call: this._pending_work(*call))
        self._bound: dict[int, tuple[Bound, int]] = {}
        self._contexts: dict[int, CallContext] = {}

    def close(self) -> None:
        """See :class:`Bridge`."""
        super().close()
        for context in self._contexts.values():
            context.state.clear()
        self._contexts.clear()
        self._bound.clear()

    def _call(self, number: int, data: Buffer) -> Reply:
        bound, position = self._bound.get(number) or self._bind(number)
        if bound.simple:
            _, args, kwargs = bound.plan.arguments(data, None, self.allowance)
            value = None
            try:
                value = bound.function(bound.context, *args, **kwargs)  # type: ignore[misc]
                return bound.plan.encode(value, self.allowance)
            except Exception as error:
                if inspect.isawaitable(value):
                    return Awaited(self, bound, value).run()
                return bound.failed(error)
        return Call(self, bound, position, data, 0).run()

    def _manage(self, number: int, data: Buffer) -> Reply:
        return self._control.perform(number, data)

    def _bind(self, number: int) -> tuple[Bound, int]:
        found = self.host_api.find(number)
        if found is None:
            raise there_is_no(number)
        position, plan, function = found
        context = self._contexts.get(position)
        if context is None:
            context = self._contexts[position] = CallContext(self, {})
        bound = self._bound[number] = (
            Bound(plan, function, context, self.host_api.grants, self.failures, self.allowance),
            position,
        )
        return bound

    def _pending_work(self, function: int, data: Buffer, number: int) -> Work:
        """Make the call that the guest begins as its ``number``.

        Raises:
            Refused: it may not be made.
            GuestProtocolError: no generated module sends this.
        """
        if function == CONTROL | NEXT:
            return self._control.next_work(data, number)
        operation = function - OPERATION
        bound, position = self._bound.get(operation) or self._bind(operation)
        return Call(self, bound, position, data, number)

    def _note_end(self, work: Tracked) -> None:
        if isinstance(work, Work) and work.number:
            self._control.pending.ended(work)
