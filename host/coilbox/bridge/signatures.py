"""Signatures of plain host functions: what the guest's ``help()`` shows, and calls that misfit."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

_MOST_CHARACTERS = 1 << 14  # of a docstring that crosses
_LITERALS = (type(None), bool, int, str, bytes)
_LONGEST_DEFAULT = 100


class _Something:
    def __repr__(self) -> str:
        return "..."


_SOMETHING = _Something()


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling something makes a coroutine."""
    call = getattr(function, "__call__", None)  # noqa: B004 - of an object with __call__
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def described(name: str, function: Callable[..., Any]) -> str:
    """A function's signature and docstring, as CPython keeps them for built-in functions.

    These have no annotations: a signature with some is the first line of the docstring, too.
    """
    doc = (inspect.getdoc(function) or "")[:_MOST_CHARACTERS].replace("\0", "")
    signature = _signature(function)
    if signature is None:
        return doc
    plain = signature.replace(
        parameters=[_plain(item) for item in signature.parameters.values()],
        return_annotation=inspect.Signature.empty,
    )
    full = f"{name}{signature}"[:_MOST_CHARACTERS].replace("\0", "")
    if signature != plain and not doc.startswith(full):
        doc = f"{full}\n\n{doc}".rstrip()
    return f"{name}{plain}\n--\n\n{doc}"


def misfit(function: Callable[..., Any], args: list[Any], kwargs: dict[Any, Any]) -> str | None:
    """Why arguments do not fit a function's signature; None if they do, or nobody can tell."""
    signature = _signature(function)
    if signature is not None:
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            return str(error)
    return None


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (ValueError, TypeError):  # some built-in functions have none
        return None


def _plain(parameter: inspect.Parameter) -> inspect.Parameter:
    """A parameter as CPython can read it from a text: with a literal default, or ``...``."""
    default = parameter.default
    if default is not parameter.empty and not _is_readable(default):
        default = _SOMETHING
    return parameter.replace(default=default, annotation=parameter.empty)


def _is_readable(default: object) -> bool:
    """Whether CPython reads a default value from its ``repr``, which is short."""
    if isinstance(default, float):
        return math.isfinite(default)
    return type(default) in _LITERALS and len(repr(default)) <= _LONGEST_DEFAULT
