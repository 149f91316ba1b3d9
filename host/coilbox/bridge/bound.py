"""A function of an extension in one sandbox."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from coilbox.bridge.context import CallContext
from coilbox.bridge.limiter import Limiter
from coilbox.bridge.plans import OperationPlan
from coilbox.bridge.replies import Failures, Refused
from coilbox.codec import Allowance


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
        allowance: what may be done with the guest's values.
        simple: whether nothing but arguments and result need care.
    """

    __slots__ = (
        "allowance",
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
        allowance: Allowance,
    ) -> None:
        self.plan = plan
        self.allowance = allowance
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
                    return encode(error, self.allowance)
                except Exception as wrong:  # its fields are not of their types
                    return self.failures.reply(self.plan.name, wrong)
        return self.failures.reply(self.plan.name, error)
