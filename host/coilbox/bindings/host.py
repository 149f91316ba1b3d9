"""The host's side of an extension: the context of calls, errors, registration.

Generated host modules (``acme_kv_host.py``) build on this module; neither pydantic nor PyYAML is
imported here or there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from coilbox.bindings.conformance import Problem, check_function, check_object
from coilbox.bindings.ir import Resource
from coilbox.bindings.lent import Callback, Stream
from coilbox.bindings.spec import Spec
from coilbox.errors import ExtensionError

__all__ = ["Callback", "Context", "DeclaredError", "Extension", "Stream", "spec_from_json"]

spec_from_json = Spec.from_json  # for generated modules, which import this module alone

F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
R = TypeVar("R")


class Context(Protocol):
    """The context of a host function's call: the first argument of each, by position."""

    @property
    def sandbox_id(self) -> str:
        """Names the sandbox in logs; no two of a process have the same."""

    @property
    def grants(self) -> frozenset[str]:
        """The capabilities that the sandbox was granted."""

    @property
    def deadline(self) -> float | None:
        """When the call must have ended, on ``time.monotonic()``; None if never."""

    @property
    def cancelled(self) -> bool:
        """Whether the result is no longer wanted: the sandbox is stopped, or time is up."""

    @property
    def state(self) -> dict[str, Any]:
        """The extension's own values for this sandbox; gone when it is closed."""


class DeclaredError(Exception):
    """The base of errors that a spec declares: raise them, the guest gets them with their fields.

    Attributes:
        message: what ``str()`` gives.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message  # KeyError as a second base would quote it

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args), self.__dict__


def _restored(cls: type[DeclaredError], args: tuple[Any, ...]) -> DeclaredError:
    """An error that pickle or copy fills: its class takes fields, and not the arguments."""
    error = cls.__new__(cls, *args)
    error.args = args
    return error


class Extension:
    """An extension that sandboxes can be given: a spec, its classes, and an implementation.

    Implement it with an object that has the functions as methods, or one by one::

        extension = AcmeKvExtension()

        @extension.implement_as(AcmeKv.get)
        def get(context: Context, key: str, *, default: bytes | None) -> bytes: ...

    Attributes:
        spec: the spec.
        classes: the classes of its types, by name.
        guest_modules: modules of plain Python that the guest may import beside the generated
            one: source texts by the modules' names. See :meth:`ship`.

    Args:
        spec: the spec.
        classes: the classes of its types, cases (``Reply.hit``) and errors, by name.
        implementation: an object with a method for each function; None if ``implement_as`` or
            ``implement`` is used.

    Raises:
        ExtensionError: a function of ``implementation`` is missing or does not fit the spec.
    """

    def __init__(
        self, spec: Spec, classes: Mapping[str, type], implementation: object | None = None
    ) -> None:
        self.spec = spec
        self.classes = dict(classes)
        self.guest_modules: dict[str, str] = {}
        self._functions: dict[str, Callable[..., Any]] = {}
        if implementation is not None:
            names = [function.name for function in spec.functions]
            problems = check_object(spec, self.classes, spec.functions, implementation)
            self._refuse(problems, f"{type(implementation).__qualname__}")
            self._functions = {name: getattr(implementation, name) for name in names}

    def implement_as(
        self, method: Callable[Concatenate[Any, P], R]
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Make a function the implementation of a method of the generated ``Protocol``.

        A decorator; type checkers compare the function with the method.

        Args:
            method: the method, such as ``AcmeKv.get``. The function may have another name.

        Raises:
            ExtensionError: from the decorator: the spec has no such function, or it does not fit.
        """

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            self._implement(method.__name__, function)
            return function

        return decorate

    def implement(self, function: F) -> F:
        """Make a function the implementation of the spec's function of the same name.

        Only loading checks it, as there need not be generated code: with that, prefer
        :meth:`implement_as`.

        Raises:
            ExtensionError: there is none of that name, or it does not fit.
        """
        self._implement(getattr(function, "__name__", ""), function)
        return function

    def _implement(self, name: str, function: Callable[..., Any]) -> None:
        declared = {item.name: item for item in self.spec.functions}
        if name not in declared:
            raise ExtensionError(
                f"{self.spec.name} declares no function {name!r}; it declares "
                f"{', '.join(declared) or 'none'}"
            )
        if name in self._functions:
            raise ExtensionError(f"{self.spec.name}.{name} is implemented twice")
        problems = check_function(self.spec, self.classes, declared[name], function)
        self._refuse(problems, getattr(function, "__qualname__", name))
        self._functions[name] = function

    def ship(self, name: str, source: str) -> None:
        """Give the guest a module of plain Python beside the generated one.

        Args:
            name: what the guest imports it by; no module of the guest's Python.
            source: its source text, of the guest's version of Python.

        Raises:
            ExtensionError: the name cannot be used, or is taken.
        """
        if not name.isidentifier() or name in (*sys.stdlib_module_names, "coilbox"):
            raise ExtensionError(f"{self.spec.name} cannot ship a module named {name!r}")
        if name == self.spec.name or name in self.guest_modules:
            raise ExtensionError(f"{self.spec.name} ships the module {name!r} twice")
        self.guest_modules[name] = source

    def functions(self) -> tuple[Callable[..., Any], ...]:
        """The implementations of the spec's functions, in their order.

        Raises:
            ExtensionError: some are missing.
        """
        missing = [item.name for item in self.spec.functions if item.name not in self._functions]
        if missing:
            raise ExtensionError(
                f"{self.spec.name} lacks an implementation of {', '.join(missing)}"
            )
        return tuple(self._functions[item.name] for item in self.spec.functions)

    def check_resource(self, resource: Resource, value: object) -> None:
        """Check that an object that a function returned has a resource's methods.

        Raises:
            ExtensionError: one is missing or does not fit.
        """
        problems = check_object(self.spec, self.classes, resource.methods, value)
        self._refuse(problems, f"{type(value).__qualname__} as {resource.name}")

    def __repr__(self) -> str:
        return f"<coilbox.Extension {self.spec.name} {self.spec.version}>"

    def _refuse(self, problems: list[Problem], what: str) -> None:
        if problems:
            lines = [f"{what} does not implement {self.spec.name} {self.spec.version}:"]
            lines += [f"  {problem}" for problem in problems]
            raise ExtensionError("\n".join(lines))
