"""The intermediate representation as JSON, canonical: equal specs give equal text.

Types are a name (``"str"``) or an array: ``["list", item]``, ``["set", item]``,
``["dict", key, value]``, ``["tuple", item, ...]``, ``["optional", item]``, ``["stream", item]``,
``["callback", [param, ...], returns]``, ``["ref", name]``. Everything else is an object with the
attributes of its class in ``coilbox.bindings.ir``; those that are empty or null are left out.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from coilbox.bindings.ir import (
    CallbackOf,
    Capability,
    Case,
    Declaration,
    Default,
    Deprecated,
    DictOf,
    Enum,
    Error,
    Field,
    Function,
    Limits,
    ListOf,
    Member,
    OptionalOf,
    Rate,
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

FORMAT = 1
"""The version of this JSON."""

_UNARY: dict[str, type[ListOf | SetOf | OptionalOf | StreamOf]] = {
    "list": ListOf,
    "set": SetOf,
    "optional": OptionalOf,
    "stream": StreamOf,
}
_UNARY_NAMES: dict[type[object], str] = {cls: name for name, cls in _UNARY.items()}
_EMPTY = (None, "", (), False, Limits())


def to_json(spec: Any, *, docs: bool = True) -> str:
    """A spec as canonical JSON in ASCII.

    Args:
        spec: the ``coilbox.bindings.spec.Spec``.
        docs: with what documents it.
    """
    data = {"format": FORMAT, **_object(spec, docs=docs)}
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def from_json(text: str) -> dict[str, Any]:
    """The fields of the spec whose canonical JSON this is; they are not checked again.

    Raises:
        ValueError: it is of another format.
    """
    data = json.loads(text)
    if data.pop("format", None) != FORMAT:
        raise ValueError(f"this is no extension in format {FORMAT}; generate the code again")
    return {
        "name": data["name"],
        "version": data["version"],
        "doc": data.get("doc", ""),
        "capabilities": tuple(Capability(**item) for item in data.get("capabilities", ())),
        "types": tuple(map(_declaration, data.get("types", ()))),
        "functions": tuple(map(_function, data.get("functions", ()))),
    }


def type_to_json(type_: Type) -> Any:
    """A type as JSON holds it."""
    match type_:
        case Scalar(name):
            return name
        case Ref(name):
            return ["ref", name]
        case DictOf(key, value):
            return ["dict", type_to_json(key), type_to_json(value)]
        case TupleOf(items):
            return ["tuple", *map(type_to_json, items)]
        case CallbackOf(params, returns):
            return ["callback", [type_to_json(param) for param in params], type_to_json(returns)]
        case _:
            return [_UNARY_NAMES[type(type_)], type_to_json(type_.item)]


def type_from_json(data: Any) -> Type:
    """The type of its JSON."""
    if isinstance(data, str):
        return Scalar(data)
    kind, *rest = data
    match kind:
        case "ref":
            return Ref(rest[0])
        case "dict":
            return DictOf(type_from_json(rest[0]), type_from_json(rest[1]))
        case "tuple":
            return TupleOf(tuple(map(type_from_json, rest)))
        case "callback":
            return CallbackOf(tuple(map(type_from_json, rest[0])), type_from_json(rest[1]))
        case _:
            return _UNARY[kind](type_from_json(rest[0]))


def _object(value: Any, *, docs: bool) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        if isinstance(item, Default):
            data[field.name] = {"literal": item.literal}
        elif item in _EMPTY or (not docs and field.name in ("doc", "returns_doc")):
            continue
        elif field.name in ("type", "returns"):
            data[field.name] = type_to_json(item)
        elif isinstance(item, tuple):
            data[field.name] = [
                _object(part, docs=docs) if dataclasses.is_dataclass(part) else part
                for part in item
            ]
        elif dataclasses.is_dataclass(item):
            data[field.name] = _object(item, docs=docs)
        else:
            data[field.name] = item
    return data


def _field(data: dict[str, Any]) -> Field:
    default = data.get("default")
    return Field(
        data["name"],
        type_from_json(data["type"]),
        None if default is None else Default(default["literal"]),
        data.get("keyword", False),
        data.get("doc", ""),
        data.get("since"),
    )


def _fields(data: dict[str, Any]) -> tuple[Field, ...]:
    return tuple(map(_field, data.get("fields", ())))


def _limits(data: dict[str, Any]) -> Limits:
    rate = data.get("rate")
    return Limits(**{**data, "rate": None if rate is None else Rate(**rate)})


def _function(data: dict[str, Any]) -> Function:
    deprecated = data.get("deprecated")
    return Function(
        data["name"],
        tuple(map(_field, data.get("params", ()))),
        type_from_json(data["returns"]),
        data.get("returns_doc", ""),
        tuple(data.get("raises", ())),
        tuple(data.get("requires", ())),
        _limits(data.get("limits", {})),
        data.get("is_async", False),
        data.get("doc", ""),
        data.get("since"),
        None if deprecated is None else Deprecated(**deprecated),
    )


def _case(data: dict[str, Any]) -> Case:
    kind = data.get("type")
    return Case(
        data["name"],
        None if kind is None else type_from_json(kind),
        _fields(data),
        data.get("doc", ""),
    )


def _declaration(data: dict[str, Any]) -> Declaration:
    name, doc, since = data["name"], data.get("doc", ""), data.get("since")
    match data["kind"]:
        case "enum":
            return Enum(name, tuple(Member(**item) for item in data["members"]), doc, since)
        case "record":
            return Record(name, _fields(data), doc, since)
        case "variant":
            return Variant(name, tuple(map(_case, data["cases"])), doc, since)
        case "error":
            base, message = data.get("base", "Exception"), data.get("message", "")
            return Error(name, _fields(data), base, message, doc, since)
        case _:
            return Resource(name, tuple(map(_function, data.get("methods", ()))), doc, since)
