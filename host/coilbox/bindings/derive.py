"""Specs from annotations: the quick way, without YAML.

::

    from coilbox.bindings.derive import Functions

    tools = Functions("acme_tools", version="1.0.0")

    @tools.function(limits={"timeout": "2s"})
    def repeat(text: str, times: u8 = 2) -> str:
        \"\"\"Return the text, repeated.\"\"\"
        return text * times

    extension = tools.extension()
    print(tools.to_yaml())

The same checker sees what is derived, so whatever is accepted here could stand in YAML.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, overload

from coilbox.bindings.declare import Declarations, hints_of
from coilbox.bindings.host import DeclaredError, Extension
from coilbox.bindings.spec import Spec
from coilbox.errors import ExtensionError

__all__ = ["Functions", "host_function"]

F = TypeVar("F", bound=Callable[..., Any])
_Yaml = dict[str, Any]


class Functions:
    """Functions with annotations that together are an extension.

    Parameters and results may have the types of a spec, sized integers of
    ``coilbox.bindings.sized``, dataclasses (records), unions of dataclasses (variants), enums of
    texts, and streams as iterators. A first parameter named ``context`` gets the call's context
    and is not the guest's.

    Args:
        name: the name of the module that the guest imports.
        version: its version.
        doc: what it is for.
        capabilities: what may be required, and what it allows.
    """

    def __init__(
        self,
        name: str,
        *,
        version: str = "1.0.0",
        doc: str = "",
        capabilities: Mapping[str, str] | None = None,
    ) -> None:
        self._module = {"name": name, "version": version, **({"doc": doc} if doc else {})}
        self._capabilities = dict(capabilities or {})
        self._functions: dict[str, _Yaml] = {}
        self._implementations: list[Callable[..., Any]] = []
        self._declared = Declarations()
        self._spec: Spec | None = None

    @overload
    def function(self, function: F, /) -> F: ...

    @overload
    def function(
        self,
        function: None = None,
        /,
        *,
        requires: Sequence[str] = (),
        raises: Sequence[type[DeclaredError]] = (),
        limits: Mapping[str, Any] | None = None,
        awaited: bool = False,
    ) -> Callable[[F], F]: ...

    def function(
        self,
        function: Any = None,
        /,
        *,
        requires: Sequence[str] = (),
        raises: Sequence[type[DeclaredError]] = (),
        limits: Mapping[str, Any] | None = None,
        awaited: bool = False,
    ) -> Any:
        """Add a function; a decorator, with or without arguments.

        Args:
            function: the function, if the decorator has no arguments.
            requires: the capabilities that it needs.
            raises: the errors that it may raise: classes derived from ``DeclaredError`` whose
                fields are annotations of the class.
            limits: its limits, as in YAML: ``{"rate": "100/s"}``.
            awaited: whether its plain name in the guest is a coroutine function.

        Raises:
            ExtensionError: its annotations say too little, or what cannot cross.
        """

        def add(item: F) -> F:
            self._add(item, requires, raises, limits, awaited)
            return item

        return add if function is None else add(function)

    def spec(self) -> Spec:
        """The spec of all functions so far.

        Raises:
            SpecError: it breaks rules; the lines shown are those of :meth:`to_yaml`.
        """
        if self._spec is None:
            from coilbox.bindings.checker import parse

            self._spec = parse(self.to_yaml(), f"<derived {self._module['name']}>")
        return self._spec

    def extension(self) -> Extension:
        """The extension, ready for sandboxes.

        Raises:
            SpecError: see :meth:`spec`.
        """
        extension = Extension(self.spec(), self._declared.classes)
        for implementation in self._implementations:
            extension.implement(implementation)
        return extension

    def to_yaml(self) -> str:
        """The spec as YAML, to be kept and edited."""
        import yaml

        data: _Yaml = {"extension": 1, "module": self._module}
        parts = (
            ("capabilities", self._capabilities),
            ("types", self._declared.types),
            ("functions", self._functions),
        )
        data |= {key: part for key, part in parts if part}
        text = yaml.dump(data, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=100)
        return str(text)

    def _add(
        self,
        function: Callable[..., Any],
        requires: Sequence[str],
        raises: Sequence[type[DeclaredError]],
        limits: Mapping[str, Any] | None,
        awaited: bool,
    ) -> None:
        name = function.__name__
        if name in self._functions:
            raise ExtensionError(f"function {name!r} is added twice")
        signature = inspect.signature(function)
        parameters = list(signature.parameters.values())
        has_context = bool(parameters) and parameters[0].name.lstrip("_") == "context"
        hints = hints_of(function, name)
        written: _Yaml = {}
        if function.__doc__:
            written["doc"] = inspect.cleandoc(function.__doc__)
        params = {
            item.name: self._parameter(name, item, hints) for item in parameters[has_context:]
        }
        if params:
            written["params"] = params
        if "return" not in hints:
            raise ExtensionError(f"function {name!r} has no annotation for its result: add -> None")
        returns = self._declared.declare(hints["return"], f"the result of {name!r}")
        if returns != "None":
            written["returns"] = returns
        if raises:
            written["raises"] = [self._declared.declare_error(item) for item in raises]
        if requires:
            written["requires"] = list(requires)
        if limits:
            written["limits"] = dict(limits)
        if awaited:
            written["async"] = True
        self._functions[name] = written
        self._implementations.append(function if has_context else _without_context(function))
        self._spec = None

    def _parameter(self, owner: str, item: inspect.Parameter, hints: Mapping[str, Any]) -> Any:
        what = f"parameter {item.name!r} of {owner!r}"
        if item.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            raise ExtensionError(f"{what} takes any number of arguments; use a list or dict")
        if item.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise ExtensionError(f"{what} is positional only; guests may give it by name")
        if item.name not in hints:
            raise ExtensionError(f"{what} has no annotation")
        written: _Yaml = {"type": self._declared.declare(hints[item.name], what)}
        if item.default is not inspect.Parameter.empty:
            written["default"] = self._declared.default(item.default, what)
        if item.kind is inspect.Parameter.KEYWORD_ONLY:
            written["keyword"] = True
        return written["type"] if len(written) == 1 else written


def host_function(module: str, **options: Any) -> Callable[[Callable[..., Any]], Extension]:
    """Turn one function into an extension of its own: a decorator.

    Args:
        module: the name of the module that the guest imports.
        options: as for :meth:`Functions.function`.

    Raises:
        ExtensionError: its annotations say too little, or what cannot cross.
        SpecError: it breaks other rules of specs.
    """

    def make(function: Callable[..., Any]) -> Extension:
        functions = Functions(module)
        functions.function(**options)(function)
        return functions.extension()

    return make


def _without_context(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with a context in front, which it does not want."""
    call: Callable[..., Any]
    if inspect.iscoroutinefunction(function):

        async def call(_context: object, /, *args: Any, **kwargs: Any) -> Any:
            return await function(*args, **kwargs)
    else:

        def call(_context: object, /, *args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

    call.__name__ = function.__name__
    call.__qualname__ = function.__qualname__
    return call


def _dumper() -> type[Any]:
    """PyYAML's dumper, with quotes where YAML 1.2, too, would not read a text as one."""
    import yaml

    from coilbox.support.yaml_reader import reads_as_text

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)

    def represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        style = None
        if "\n" in text:
            style = "|"
        elif not reads_as_text(text):
            style = '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, represent)
    return Dumper
