"""Annotations of Python code as types of a spec."""

from __future__ import annotations

import collections.abc
import datetime
import decimal
import types
import typing
import uuid
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from coilbox.bindings.ir import (
    INTEGER_RANGES,
    CallbackOf,
    DictOf,
    ListOf,
    OptionalOf,
    Ref,
    Scalar,
    SetOf,
    StreamOf,
    TupleOf,
    Type,
)
from coilbox.bindings.lent import Callback, Stream

_SCALARS: dict[object, str] = {
    None: "none",
    type(None): "none",
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    bytes: "bytes",
    decimal.Decimal: "decimal",
    datetime.datetime: "datetime",
    datetime.date: "date",
    datetime.time: "time",
    datetime.timedelta: "timedelta",
    uuid.UUID: "uuid",
}
_STREAMS = (
    collections.abc.Iterator,
    collections.abc.AsyncIterator,
    collections.abc.Iterable,
    collections.abc.AsyncIterable,
    collections.abc.Generator,
    collections.abc.AsyncGenerator,
    Stream,
)

NameOf = Callable[[Any], "str | None"]
"""The declared name of a class, or of a union that is a variant; None if it has none."""


class Untypable(Exception):
    """An annotation that no type of a spec stands for; the text says why."""


def type_of(hint: Any, name_of: NameOf) -> Type:
    """The type that an annotation stands for.

    Args:
        hint: the annotation, evaluated.
        name_of: the declared name of a class.

    Raises:
        Untypable: there is none.
    """
    if isinstance(hint, collections.abc.Hashable) and hint in _SCALARS:
        return Scalar(_SCALARS[hint])
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _annotated(args, name_of)
    if origin in (typing.Union, types.UnionType):
        return _union(args, name_of)
    if origin is None:
        return _plain(hint, name_of)
    if origin in (list, set) and len(args) == 1:
        item = type_of(args[0], name_of)
        return ListOf(item) if origin is list else SetOf(item)
    if origin is dict and len(args) == 2:
        return DictOf(type_of(args[0], name_of), type_of(args[1], name_of))
    if origin is tuple:
        if Ellipsis in args:
            raise Untypable("a tuple of any length is a list here: write list[...]")
        return TupleOf(tuple(type_of(item, name_of) for item in args))
    if origin in _STREAMS:
        return StreamOf(type_of(args[0], name_of))
    if origin in (collections.abc.Callable, Callback) and isinstance(args[0], list | tuple):
        params = tuple(type_of(item, name_of) for item in args[0])
        return CallbackOf(params, type_of(args[1], name_of))
    raise Untypable(f"{text_of(hint)} cannot cross")


def text_of(hint: Any) -> str:
    """An annotation as people write it."""
    return hint.__qualname__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)


def _annotated(args: tuple[Any, ...], name_of: NameOf) -> Type:
    for extra in args[1:]:
        if isinstance(extra, Scalar) and extra.name in INTEGER_RANGES and args[0] is int:
            return extra
    return type_of(args[0], name_of)


def _union(args: tuple[Any, ...], name_of: NameOf) -> Type:
    rest = [item for item in args if item is not type(None)]
    if len(rest) == 1 and len(args) == 2:
        return OptionalOf(type_of(rest[0], name_of))
    name = name_of(typing.Union[tuple(rest)])  # noqa: UP007
    if name is not None:
        return Ref(name) if len(rest) == len(args) else OptionalOf(Ref(name))
    for name in {_variant_of(item, name_of) for item in rest}:
        if name is not None and all(_variant_of(item, name_of) == name for item in rest):
            variant = Ref(name)
            return variant if len(rest) == len(args) else OptionalOf(variant)
    raise Untypable("of unions only `T | None` and those of dataclasses can cross")


def _variant_of(hint: Any, name_of: NameOf) -> str | None:
    name = name_of(hint) if isinstance(hint, type) else None
    return name.partition(".")[0] if name is not None and "." in name else None


def _plain(hint: Any, name_of: NameOf) -> Type:
    if isinstance(hint, type):
        name = name_of(hint)
        if name is not None:
            return Ref(name.partition(".")[0])
        if hint in (list, set, dict, tuple):
            raise Untypable(f"{hint.__name__} does not say of what: write {hint.__name__}[...]")
        if hint.__module__ != "builtins":
            raise Untypable(
                f"{text_of(hint)} cannot cross: it is no dataclass; for an object that stays on "
                "the host declare a resource in YAML"
            )
    if hint is Any or hint is object:
        raise Untypable(f"{text_of(hint)} says nothing about what may cross")
    raise Untypable(f"{text_of(hint)} cannot cross")


def names_of(classes: Mapping[str, type]) -> NameOf:
    """How classes by name are looked up by class."""
    names = {cls: name for name, cls in classes.items()}
    return names.get
