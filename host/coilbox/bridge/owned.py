"""Resources: objects of the host's that the guest has handles of."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from coilbox.bindings.host import Extension
from coilbox.bridge.plans import OperationPlan
from coilbox.bridge.replies import Refused, log

if TYPE_CHECKING:
    from coilbox.bridge.exchange import CallExchange


class OpenResource:
    """An object that a function returned.

    Args:
        bridge: the sandbox's.
        extension: whose resource it is.
        plan: the function that returned it.
        position: the extension's position in the sandbox.
        value: the object.

    Attributes:
        number: its handle.

    Raises:
        ExtensionError: the object lacks a method.
    """

    __slots__ = ("_bridge", "_name", "_position", "_value", "number")

    def __init__(
        self,
        bridge: CallExchange,
        extension: Extension,
        plan: OperationPlan,
        position: int,
        value: object,
    ) -> None:
        assert plan.resource is not None
        self.number = 0
        self._bridge = bridge
        self._name = plan.resource.name
        self._position = position
        self._value = value
        if type(value) not in plan.checked_types:
            extension.check_resource(plan.resource, value)
            plan.checked_types.add(type(value))

    def method(self, plan: OperationPlan, position: int) -> Callable[..., Any]:
        """The object's method that implements an operation.

        Raises:
            Refused: it is the method of another resource.
        """
        resource = plan.operation.resource
        if resource is None or resource.name != self._name or position != self._position:
            raise Refused("StaleHandle", f"the handle is one of {self._name}")
        method: Callable[..., Any] = getattr(self._value, plan.function.name)
        return method

    def close(self) -> None:
        """Call the object's own ``close``, if it has one."""
        close = getattr(self._value, "close", None)
        if not callable(close):
            return
        try:
            closing = close()
            if inspect.isawaitable(closing):
                self._bridge.finishing.add(closing)
        except Exception:
            log.exception("closing a %s failed", self._name)
