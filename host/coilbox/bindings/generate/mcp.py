"""Tool definitions of the Model Context Protocol: one tool for each function that can be one.

Functions that take streams or callbacks, or return resources, cannot be called by a model and are
left out. A tool's arguments and result are JSON as :func:`json_schema` describes it.
"""

from __future__ import annotations

import json
from typing import Any

from coilbox.bindings.generate.python import deprecation
from coilbox.bindings.ir import (
    INTEGER_RANGES,
    NONE,
    CallbackOf,
    DictOf,
    Enum,
    Error,
    Field,
    Function,
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

_SCALARS: dict[str, dict[str, Any]] = {
    "none": {"type": "null"},
    "bool": {"type": "boolean"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "str": {"type": "string"},
    "bytes": {"type": "string", "contentEncoding": "base64"},
    "decimal": {"type": "string", "pattern": r"^-?\d+(\.\d+)?([eE][-+]?\d+)?$"},
    "datetime": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "time"},
    "timedelta": {"type": "string", "format": "duration"},
    "uuid": {"type": "string", "format": "uuid"},
}


def tools(spec: Spec) -> list[dict[str, Any]]:
    """The tools, as ``tools/list`` answers them."""
    return [_tool(spec, function) for function in spec.functions if _can_be_tool(spec, function)]


def tools_text(spec: Spec) -> str:
    """The tools as a file holds them."""
    return json.dumps({"tools": tools(spec)}, indent=2, ensure_ascii=False) + "\n"


def json_schema(type_: Type) -> dict[str, Any]:
    """The JSON Schema of a type's values; declared types are at ``#/$defs``."""
    match type_:
        case Scalar(name) if name in INTEGER_RANGES:
            low, high = INTEGER_RANGES[name]
            return {"type": "integer", "minimum": low, "maximum": high}
        case Scalar(name):
            return dict(_SCALARS[name])
        case Ref(name):
            return {"$ref": f"#/$defs/{name}"}
        case ListOf(item) | StreamOf(item):
            return {"type": "array", "items": json_schema(item)}
        case SetOf(item):
            return {"type": "array", "items": json_schema(item), "uniqueItems": True}
        case TupleOf(items):
            count = len(items)
            found: dict[str, Any] = {"type": "array", "minItems": count, "maxItems": count}
            return {**found, "prefixItems": list(map(json_schema, items))} if items else found
        case DictOf(key, value):
            made: dict[str, Any] = {"type": "object", "additionalProperties": json_schema(value)}
            if isinstance(key, Ref):
                made["propertyNames"] = json_schema(key)
            elif key != Scalar("str"):
                made["propertyNames"] = {"pattern": r"^-?\d+$"}
            return made
        case OptionalOf(item):
            return {"anyOf": [json_schema(item), {"type": "null"}]}
    raise TypeError(f"{type_} is no JSON")


def _can_be_tool(spec: Spec, function: Function) -> bool:
    for param in function.params:
        inner = param.type.item if isinstance(param.type, OptionalOf) else param.type
        if isinstance(inner, StreamOf | CallbackOf):
            return False
    returns = function.returns
    return not (isinstance(returns, Ref) and isinstance(spec.by_name[returns.name], Resource))


def _tool(spec: Spec, function: Function) -> dict[str, Any]:
    sentences = [function.doc]
    if function.returns_doc:
        sentences.append(f"Returns: {function.returns_doc}")
    if function.deprecated is not None:
        sentences.append(deprecation(function))
    tool: dict[str, Any] = {
        "name": f"{spec.name}_{function.name}"[:64],
        "description": "\n\n".join(filter(None, sentences)) or f"{spec.name}.{function.name}",
        "inputSchema": _with_definitions(
            spec, _object(function.params), [param.type for param in function.params]
        ),
    }
    if function.returns != NONE:
        # A tool's structured result is an object, whatever the function returns.
        result = {
            "type": "object",
            "properties": {"result": json_schema(function.returns)},
            "required": ["result"],
        }
        tool["outputSchema"] = _with_definitions(spec, result, [function.returns])
    if function.requires:
        tool["_meta"] = {"coilbox/requires": list(function.requires)}
    return tool


def _object(fields: tuple[Field, ...]) -> dict[str, Any]:
    properties = {}
    for field in fields:
        properties[field.name] = json_schema(field.type)
        if field.doc:
            properties[field.name]["description"] = field.doc
    required = [field.name for field in fields if field.default is None]
    found: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        found["required"] = required
    return {**found, "additionalProperties": False}


def _with_definitions(spec: Spec, schema: dict[str, Any], types: list[Type]) -> dict[str, Any]:
    names: list[str] = []
    waiting = list(types)
    while waiting:
        for name in _refs(waiting.pop()):
            if name not in names:
                names.append(name)
                waiting += _parts(spec, name)
    if names:
        schema["$defs"] = {name: _definition(spec, name) for name in sorted(names)}
    return schema


def _refs(type_: Type) -> list[str]:
    match type_:
        case Ref(name):
            return [name]
        case ListOf(item) | SetOf(item) | OptionalOf(item) | StreamOf(item):
            return _refs(item)
        case DictOf(key, value):
            return [*_refs(key), *_refs(value)]
        case TupleOf(items):
            return [name for item in items for name in _refs(item)]
    return []


def _parts(spec: Spec, name: str) -> list[Type]:
    match spec.by_name[name]:
        case Record(fields=fields) | Error(fields=fields):
            return [field.type for field in fields]
        case Variant(cases=cases):
            whole = [case.type for case in cases if case.type is not None]
            return whole + [field.type for case in cases for field in case.fields]
    return []


def _definition(spec: Spec, name: str) -> dict[str, Any]:
    declaration = spec.by_name[name]
    found: dict[str, Any] = {}
    match declaration:
        case Enum(members=members):
            found = {"type": "string", "enum": [member.value for member in members]}
        case Record(fields=fields):
            found = _object(fields)
        case Variant(cases=cases):
            options: list[dict[str, Any]] = []
            for case in cases:
                value = json_schema(case.type) if case.type is not None else _object(case.fields)
                options.append(
                    {
                        "type": "object",
                        "properties": {case.name: value},
                        "required": [case.name],
                        "additionalProperties": False,
                    }
                )
            found = {"oneOf": options}
    return {"description": declaration.doc, **found} if declaration.doc else found
