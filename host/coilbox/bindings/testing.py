"""For tests of extensions: a context, and calls of the host's functions without a sandbox.

::

    calls = DirectCalls(extension)
    assert calls.greet("Ada") == "Hello, Ada!"

Values are not checked and limits not enforced: that is what tests in a sandbox are for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from coilbox.bindings.host import Context, Extension
from coilbox.bindings.ir import Function
from coilbox.bindings.literals import default_value

__all__ = ["CallContext", "DirectCalls"]


@dataclass
class CallContext:
    """A :class:`coilbox.bindings.host.Context` whose attributes a test sets as it likes."""

    sandbox_id: str = "test"
    grants: frozenset[str] = frozenset()
    deadline: float | None = None
    cancelled: bool = False
    state: dict[str, Any] = field(default_factory=dict)


class DirectCalls:
    """The functions of an extension as attributes, called as the guest's module has them.

    Defaults are those of the spec; what is awaitable in the implementation is in the result, too.

    Args:
        extension: the extension.
        context: what the functions get; a new :class:`CallContext` if left out.

    Raises:
        ExtensionError: functions are missing.
    """

    def __init__(self, extension: Extension, context: Context | None = None) -> None:
        self.context: Any = CallContext() if context is None else context
        self._extension = extension
        self._functions = {
            function.name: (function, implementation)
            for function, implementation in zip(
                extension.spec.functions, extension.functions(), strict=True
            )
        }

    def __getattr__(self, name: str) -> Callable[..., Any]:
        found = self.__dict__.get("_functions", {}).get(name)
        if found is None:
            raise AttributeError(f"the extension has no function {name!r}")
        function, implementation = found

        def call(*args: Any, **kwargs: Any) -> Any:
            positional, named = self._bound(function, args, kwargs)
            return implementation(self.context, *positional, **named)

        return call

    def _bound(
        self, function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        by_position = [param for param in function.params if not param.keyword]
        if len(args) > len(by_position):
            raise TypeError(f"{function.name}() takes {len(by_position)} positional arguments")
        given = dict(zip((param.name for param in by_position), args, strict=False))
        unknown = [name for name in kwargs if name in given or name not in _names(function)]
        if unknown:
            raise TypeError(f"{function.name}() takes no further argument {unknown[0]!r}")
        given |= kwargs
        for param in function.params:
            if param.name not in given:
                if param.default is None:
                    raise TypeError(f"{function.name}() lacks the argument {param.name!r}")
                given[param.name] = default_value(
                    self._extension.spec, param, self._extension.classes
                )
        named = {param.name: given[param.name] for param in function.params if param.keyword}
        return [given[param.name] for param in by_position], named


def _names(function: Function) -> set[str]:
    return {param.name for param in function.params}
