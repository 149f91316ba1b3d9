"""Defaults as they are written in YAML, checked and put in the form of the IR."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import math
import re
import uuid
from collections.abc import Callable
from typing import Any

from coilbox.bindings.ir import (
    INTEGER_RANGES,
    CallbackOf,
    Default,
    DictOf,
    Enum,
    Field,
    ListOf,
    OptionalOf,
    Record,
    Ref,
    Resource,
    Scalar,
    SetOf,
    StreamOf,
    TupleOf,
    Type,
    Variant,
)
from coilbox.bindings.spec import Spec
from coilbox.bindings.typetext import type_text
from coilbox.bindings.walk import change_fields
from coilbox.support.diagnostics import near
from coilbox.support.yaml_reader import Document, Path

_MAX_DEPTH = 30
_DURATION = re.compile(r"(-?\d+(?:\.\d+)?)\s*(us|ms|s|min|m|h|d)")
_MICROSECONDS = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "min": 60_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
}


class Mismatch(Exception):
    """A default that is not of its type; ``path`` leads to the part that is wrong."""

    def __init__(self, path: Path, message: str, help_: str = "") -> None:
        super().__init__(message)
        self.path = path
        self.message = message
        self.help = help_


def normalise_defaults(document: Document, spec: Spec) -> Spec:
    """The spec with its defaults as literals of the IR; those that do not fit are reported."""
    literals = _Literals(spec)

    def change(path: Path, field: Field, kind: str) -> Field:
        if field.default is None:
            return field
        try:
            if kind == "error" and not _is_simple(spec, field.type):
                raise Mismatch(
                    (),
                    f"a field of an error can default to a simple value only, not to "
                    f"{type_text(field.type)}",
                    "leave the default out",
                )
            literal = literals.convert(field.type, field.default.literal, (), 0)
        except Mismatch as mismatch:
            place = (*path, "default", *mismatch.path)
            document.report(document.span(place), "default", mismatch.message, mismatch.help)
            return dataclasses.replace(field, default=Default(None))
        return dataclasses.replace(field, default=Default(literal))

    return change_fields(spec, change)


class _Literals:
    def __init__(self, spec: Spec) -> None:
        self._spec = spec

    def convert(self, type_: Type, value: Any, path: Path, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise Mismatch(path, "this default would hold itself without end")
        depth += 1
        match type_:
            case Scalar("?"):
                return None
            case Scalar(name):
                return _scalar(name, value, path)
            case OptionalOf(item):
                return None if value is None else self.convert(item, value, path, depth)
            case ListOf(item) | SetOf(item):
                _expect(isinstance(value, list), type_, value, path)
                found = self._items(item, value, path, depth)
                if isinstance(type_, SetOf):
                    found = _unique(found, path)
                return found
            case TupleOf(items):
                _expect(isinstance(value, list) and len(value) == len(items), type_, value, path)
                return [
                    self.convert(item, part, (*path, position), depth)
                    for position, (item, part) in enumerate(zip(items, value, strict=True))
                ]
            case DictOf(key, item):
                _expect(isinstance(value, dict), type_, value, path)
                return [
                    [
                        self.convert(key, first, (*path, first), depth),
                        self.convert(item, second, (*path, first), depth),
                    ]
                    for first, second in value.items()
                ]
            case StreamOf() | CallbackOf():
                if isinstance(type_, StreamOf):
                    raise Mismatch(path, "a stream has no default", "leave the default out")
                raise Mismatch(path, "a callback has no default", "write | None and default: null")
            case Ref(name):
                return self._declared(name, value, path, depth)

    def _items(self, item: Type, value: list[Any], path: Path, depth: int) -> list[Any]:
        return [
            self.convert(item, part, (*path, position), depth)
            for position, part in enumerate(value)
        ]

    def _declared(self, name: str, value: Any, path: Path, depth: int) -> Any:
        match self._spec.by_name.get(name):
            case Enum(members=members):
                values = [member.value for member in members]
                if value not in values or not isinstance(value, str):
                    help_ = near(str(value), values) or f"write one of {', '.join(values)}"
                    raise Mismatch(path, f"{_shown(value)} is no member of {name}", help_)
                return value
            case Record(fields=fields):
                _expect(isinstance(value, dict), Ref(name), value, path)
                return self._fields(name, fields, value, path, depth)
            case Variant() as variant:
                return self._variant(variant, value, path, depth)
            case Resource():
                raise Mismatch(path, "a resource has no default")
        return None  # refused elsewhere

    def _variant(self, variant: Variant, value: Any, path: Path, depth: int) -> Any:
        name, payload, inner = value, None, path
        if isinstance(value, dict) and len(value) == 1:
            name, payload = next(iter(value.items()))
            inner = (*path, name)
        cases = {case.name: case for case in variant.cases}
        if not isinstance(name, str) or name not in cases:
            help_ = near(str(name), cases) or f"write one of {', '.join(cases)}"
            raise Mismatch(path, f"{_shown(name)} is no case of {variant.name}", help_)
        case = cases[name]
        if case.type is not None:
            _expect(isinstance(value, dict), Ref(variant.name), value, path)
            return [name, self.convert(case.type, payload, inner, depth)]
        if case.fields:
            payload = {} if payload is None else payload
            if not isinstance(payload, dict):
                raise Mismatch(inner, f"the case {name!r} has fields, not {_shown(payload)}")
            return [name, self._fields(name, case.fields, payload, inner, depth)]
        if payload not in (None, {}):
            raise Mismatch(inner, f"the case {name!r} holds nothing", f"write {name}")
        return [name]

    def _fields(
        self, name: str, fields: tuple[Field, ...], value: dict[Any, Any], path: Path, depth: int
    ) -> dict[str, Any]:
        names = [field.name for field in fields]
        for key in value:
            if key not in names:
                message = f"{name} has no field {key!r}"
                raise Mismatch((*path, key), message, near(str(key), names))
        found = {}
        for field in fields:
            if field.name in value:
                inner = (*path, field.name)
                found[field.name] = self.convert(field.type, value[field.name], inner, depth)
            elif field.default is not None:
                written = field.default.literal
                found[field.name] = self.convert(field.type, written, path, depth)
            else:
                raise Mismatch(path, f"the field {field.name!r} of {name} is missing")
        return found


def _scalar(name: str, value: Any, path: Path) -> Any:
    type_ = Scalar(name)
    if name in INTEGER_RANGES or name == "int":
        _expect(isinstance(value, int) and not isinstance(value, bool), type_, value, path)
        low, high = INTEGER_RANGES.get(name, (value, value))
        if not low <= value <= high:
            raise Mismatch(path, f"{value} is outside {name}: {low} to {high}")
        return value
    if name == "float":
        _expect(isinstance(value, int | float) and not isinstance(value, bool), type_, value, path)
        return _float(value, path)
    if name == "bool":
        _expect(isinstance(value, bool), type_, value, path)
        return value
    if name == "none":
        _expect(value is None, type_, value, path)
        return None
    if name == "bytes" and isinstance(value, bytes):
        return value.hex()
    if name == "decimal" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        help_ = "put it in quotes" if isinstance(value, bool | int | float) else ""
        raise Mismatch(path, f"{_shown(value)} is no {type_text(type_)}", help_)
    convert, example = _TEXTS[name]
    try:
        return convert(value)
    except (ValueError, ArithmeticError):
        raise Mismatch(path, f"{value!r} is no {type_text(type_)}", f"write {example}") from None


def _float(value: int | float, path: Path) -> float | str:
    try:
        number = float(value)
    except OverflowError:
        raise Mismatch(path, "this number is too large for a float") from None
    return number if math.isfinite(number) else str(number)


def _microseconds(text: str) -> int:
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError("no duration")
    value = decimal.Decimal(match[1]) * _MICROSECONDS[match[2]]
    if value != value.to_integral_value():
        raise ValueError("finer than a microsecond")
    datetime.timedelta(microseconds=int(value))  # OverflowError is an ArithmeticError
    return int(value)


def _time(text: str) -> str:
    return datetime.time.fromisoformat(text).isoformat()


_TEXTS: dict[str, tuple[Callable[[str], Any], str]] = {
    "str": (str, "a text"),
    "bytes": (lambda text: text.encode().hex(), "a text, or !!binary"),
    "decimal": (lambda text: str(decimal.Decimal(text)), '"1.50"'),
    "uuid": (lambda text: str(uuid.UUID(text)), '"12345678-1234-5678-1234-567812345678"'),
    "datetime": (
        lambda text: datetime.datetime.fromisoformat(text).isoformat(),
        "2026-01-31T12:30:00+00:00",
    ),
    "date": (lambda text: datetime.date.fromisoformat(text).isoformat(), "2026-01-31"),
    "time": (_time, "12:30:00"),
    "timedelta": (_microseconds, "90s, 1.5h or 2d"),
}


def _unique(items: list[Any], path: Path) -> list[Any]:
    for position, item in enumerate(items):
        if item in items[:position]:
            raise Mismatch((*path, position), f"{_shown(item)} is in the set twice")
    return items


def _is_simple(spec: Spec, type_: Type) -> bool:
    match type_:
        case OptionalOf(item):
            return _is_simple(spec, item)
        case Scalar():
            return True
        case Ref(name):
            return isinstance(spec.by_name.get(name), Enum | None)
    return False


def _expect(fits: bool, type_: Type, value: Any, path: Path) -> None:
    if not fits:
        raise Mismatch(path, f"{_shown(value)} is no {type_text(type_)}")


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
