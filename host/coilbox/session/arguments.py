"""Arguments of sandboxes and runs, checked and copied."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, TypeVar

from coilbox.bridge import HostFunctions
from coilbox.errors import UsageError
from coilbox.support.checks import checked_seconds, checked_whole, shown

if TYPE_CHECKING:
    from coilbox.bindings.host import Extension

T = TypeVar("T")

_TAKEN = ("coilbox", "_coilbox", "_coilbox_runtime")


def checked_object(value: T | None, kind: type[T], what: str) -> T | None:
    """An optional argument, if it is of its type.

    Raises:
        UsageError: it is neither that nor None; ``what`` is its name.
    """
    if value is not None and not isinstance(value, kind):
        raise UsageError(f"{what} must be a {kind.__name__} or None, not {type(value).__name__}")
    return value


def checked_items(values: Iterable[T], kind: type[T], what: str) -> tuple[T, ...]:
    """A copy of several arguments of one type.

    Raises:
        UsageError: it is a single text or nothing to iterate over, or an item is of another type.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise UsageError(f"{what} must be a list of {kind.__name__}, not {type(values).__name__}")
    items = tuple(values)
    for item in items:
        if not isinstance(item, kind):
            name = kind.__name__
            raise UsageError(f"{what} must be a list of {name}, which {shown(item)} is not")
    return items


def checked_extensions(extensions: Iterable[Extension]) -> tuple[Extension, ...]:
    """A copy of a sandbox's extensions.

    Raises:
        UsageError: one is no extension.
    """
    if extensions == ():
        return ()
    from coilbox.bindings.host import Extension  # not needed by who has no extensions

    return checked_items(extensions, Extension, "extensions")


def checked_timeout(seconds: float | None) -> float | None:
    """The time limit of a run.

    Raises:
        UsageError: it is no number of seconds, or not in the range of a limit.
    """
    return None if seconds is None else checked_seconds(seconds, "timeout")


def checked_strings(values: Mapping[str, str], what: str) -> dict[str, str]:
    """A copy of environment variables.

    Raises:
        UsageError: one cannot be; ``what`` says where it is.
    """
    if not isinstance(values, Mapping):
        raise UsageError(f"{what} must map strings to strings, not be {type(values).__name__}")
    for key, value in values.items():
        if not isinstance(key, str) or not isinstance(value, str):
            pair = f"{shown(key)} to {shown(value)}"
            raise UsageError(f"{what} must map strings to strings, not {pair}")
        if not key or "=" in key or "\0" in key or "\0" in value:
            raise UsageError(f"{what} has the impossible variable {shown(key)}")
    return dict(values)


def checked_inputs(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the names that a run sees.

    Raises:
        UsageError: it is no mapping, or a name cannot be one of a program's.
    """
    if not isinstance(inputs, Mapping):
        raise UsageError(f"inputs must map names to values, not be {type(inputs).__name__}")
    for name in inputs:
        if not isinstance(name, str) or not name.isidentifier() or iskeyword(name):
            raise UsageError(f"inputs has {shown(name)}, which is not a Python name")
        if name.startswith("__"):
            raise UsageError(f"inputs has {shown(name)}; names with two underscores are Python's")
    return dict(inputs)


def checked_modules(modules: Mapping[str, str]) -> dict[str, str]:
    """A copy of modules by name.

    Raises:
        UsageError: a name or a source cannot be.
    """
    if not isinstance(modules, Mapping):
        raise UsageError(f"modules must map names to sources, not be {type(modules).__name__}")
    for name, source in modules.items():
        parts = name.split(".") if isinstance(name, str) else [""]
        if not all(part.isidentifier() and not iskeyword(part) for part in parts):
            raise UsageError(f"modules has {shown(name)}, which is not a module's name")
        if parts[0] in _TAKEN or parts[0] in sys.stdlib_module_names:
            raise UsageError(f"modules has {shown(name)}, but the guest has a module of that name")
        if not isinstance(source, str):
            kind = type(source).__name__
            raise UsageError(f"modules[{name!r}] must be source code as a str, not {kind}")
    return dict(modules)


def checked_functions(functions: HostFunctions) -> dict[str, Any]:
    """A copy of host functions by name.

    Raises:
        UsageError: a name or a function cannot be.
    """
    if not isinstance(functions, Mapping):
        raise UsageError(
            f"functions must map names to functions, not be {type(functions).__name__}"
        )
    for name, function in functions.items():
        if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
            raise UsageError(f"host function name {shown(name)} is not a public Python name")
        if not callable(function):
            raise UsageError(f"host function {shown(name)} is not callable")
    return dict(functions)


def checked_seed(seed: int | None) -> int | None:
    """The seed of a guest's randomness.

    Raises:
        UsageError: it is no whole number of at most 64 bits.
    """
    return None if seed is None else checked_whole(seed, "random_seed", 0, (1 << 64) - 1)
