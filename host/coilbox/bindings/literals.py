"""Defaults: literals of a spec's types in JSON, and the Python values that they stand for.

===================== ======================================================================
type                  literal
===================== ======================================================================
none, bool, str, int  themselves
float                 a number, or ``"nan"``, ``"inf"``, ``"-inf"``
bytes                 hex digits
decimal, uuid         the text that Python prints
datetime, date, time  ISO 8601
timedelta             whole microseconds
list, set, tuple      an array
dict                  an array of ``[key, value]``
optional              null, or the literal of its item
enum                  the member's text
record                an object with every field
variant               ``[case]``, ``[case, literal]`` or ``[case, {field: literal}]``
===================== ======================================================================
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Mapping
from typing import Any

from coilbox.bindings.ir import (
    Default,
    DictOf,
    Enum,
    Field,
    JsonValue,
    ListOf,
    OptionalOf,
    Record,
    Ref,
    Scalar,
    SetOf,
    TupleOf,
    Type,
    Variant,
)
from coilbox.bindings.spec import Spec

_FROM_TEXT: dict[str, Any] = {
    "float": float,
    "bytes": bytes.fromhex,
    "decimal": decimal.Decimal,
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "uuid": uuid.UUID,
}


def class_names(spec: Spec) -> list[str]:
    """The keys of a mapping of classes: ``Entry``, and ``Reply.hit`` for a variant's case."""
    names = []
    for declaration in spec.types:
        if isinstance(declaration, Variant):
            names += [f"{declaration.name}.{case.name}" for case in declaration.cases]
        else:
            names.append(declaration.name)
    return names


def default_value(spec: Spec, field: Field, classes: Mapping[str, type]) -> Any:
    """A new value of a field's default.

    Args:
        spec: where the field's type is declared.
        field: a field or parameter with a default.
        classes: classes of enums and records by name, of cases by ``variant.case``.
    """
    assert isinstance(field.default, Default)
    return to_python(spec, field.type, field.default.literal, classes)


def to_python(spec: Spec, type_: Type, literal: Any, classes: Mapping[str, type]) -> Any:
    """A new value of a literal."""
    match type_:
        case Scalar("timedelta"):
            return datetime.timedelta(microseconds=literal)
        case Scalar(name):
            return _FROM_TEXT[name](literal) if name in _FROM_TEXT else literal
        case OptionalOf(item):
            return None if literal is None else to_python(spec, item, literal, classes)
        case ListOf(item):
            return [to_python(spec, item, part, classes) for part in literal]
        case SetOf(item):
            return {to_python(spec, item, part, classes) for part in literal}
        case TupleOf(items):
            pairs = zip(items, literal, strict=True)
            return tuple(to_python(spec, item, part, classes) for item, part in pairs)
        case DictOf(key, value):
            return {
                to_python(spec, key, first, classes): to_python(spec, value, second, classes)
                for first, second in literal
            }
        case Ref(name):
            return _declared(spec, name, literal, classes)
    raise TypeError(f"{type_} has no literals")


def _declared(spec: Spec, name: str, literal: Any, classes: Mapping[str, type]) -> Any:
    declaration = spec.by_name[name]
    if isinstance(declaration, Enum):
        return classes[name](literal)
    if isinstance(declaration, Record):
        return classes[name](**_fields(spec, declaration.fields, literal, classes))
    assert isinstance(declaration, Variant)
    case_name, *payload = literal
    case = next(case for case in declaration.cases if case.name == case_name)
    cls = classes[f"{name}.{case_name}"]
    if case.type is not None:
        return cls(to_python(spec, case.type, payload[0], classes))
    if case.fields:
        return cls(**_fields(spec, case.fields, payload[0], classes))
    return cls()


def _fields(
    spec: Spec,
    fields: tuple[Field, ...],
    literal: dict[str, JsonValue],
    classes: Mapping[str, type],
) -> dict[str, Any]:
    return {
        field.name: to_python(spec, field.type, literal[field.name], classes) for field in fields
    }
