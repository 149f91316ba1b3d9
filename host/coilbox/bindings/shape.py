"""Whether a document has the shape of a spec; what has not is taken out, so that more is found."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from coilbox.bindings import model
from coilbox.bindings.diagnostics import near
from coilbox.bindings.model import SpecShape
from coilbox.bindings.yaml_reader import REMOVED, Document, Path

_NOUNS = {
    "string_type": "a text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_EXAMPLE = {
    "extension": "extension: 1",
    "module": 'module: {name: my_module, version: "1.0.0"}',
    "name": "name: my_module",
    "version": 'version: "1.0.0"',
    "type": "type: str",
    "since": 'since: "1.0.0"',
}


# What cannot be taken out, as nothing could be checked without it.
_STAND_INS: dict[Path, Any] = {
    ("extension",): 1,
    ("module",): {"name": REMOVED, "version": "999999.0.0"},
    ("module", "name"): REMOVED,
    ("module", "version"): "999999.0.0",
}


def check_shape(document: Document) -> SpecShape | None:
    """The document as a spec's shape, without what does not fit; None if too little is left."""
    data = document.data
    if not isinstance(data, dict):
        document.report(
            document.span(()), "wrong-value", "a spec is a mapping", "start with `extension: 1`"
        )
        return None
    while True:
        try:
            return SpecShape.model_validate(data)
        except ValidationError as error:
            # From the last to the first, so that one taken out moves no other.
            changed = [_report(document, data, item) for item in reversed(error.errors())]
            if not any(changed):
                return None


def _report(document: Document, data: dict[str, Any], error: ErrorDetails) -> bool:
    """Tell of an error and take its value out of the data; False if that cannot be."""
    location = error["loc"]
    path = document.nearest(location)
    match error["type"]:
        case "extra_forbidden":
            known = _known_keys(location[:-1])
            document.report(
                document.key_span(path),
                "unknown-key",
                f"unknown key {str(location[-1])!r}",
                near(str(location[-1]), known) or f"the keys here are {', '.join(known)}",
            )
        case "missing":
            name = str(location[-1])
            document.report(
                document.key_span(path),
                "missing-key",
                f"the key {name!r} is missing",
                f"add {_EXAMPLE[name]}" if name in _EXAMPLE else "",
            )
            return _remove(data, (*path, name) if (*path, name) in _STAND_INS else path)
        case "literal_error":
            document.report(
                document.span(path), "wrong-value", "this is not a known format", "write 1"
            )
        case kind:
            span = document.key_span(path) if location[-1] == "[key]" else document.span(path)
            document.report(span, "wrong-value", *_wrong(kind, error, location))
    # Without a key that must be there, its mapping would only give another error.
    needed = location[-1] == "type" or location[-2:] == ("deprecated", "since")
    return _remove(data, path[:-1] if needed and path[-1] == location[-1] else path)


def _wrong(kind: str, error: ErrorDetails, location: tuple[Any, ...]) -> tuple[str, str]:
    where = f"{location[-1]!r}" if location and location[-1] != "[key]" else "this"
    if location and location[-1] == "[key]":
        return f"the name {error['input']!r} is read as {_noun(error['input'])}", "put it in quotes"
    wanted = _NOUNS.get(kind, error["msg"])
    found = error["input"]
    quote = wanted == "a text" and isinstance(found, bool | int | float)
    return f"{where} must be {wanted}, not {_noun(found)}", "put it in quotes" if quote else ""


def _noun(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "a mapping"
    return f"a {type(value).__name__}"


def _remove(data: dict[str, Any], path: Path) -> bool:
    if not path:
        return False
    parent: Any = data
    for part in path[:-1]:
        if not isinstance(parent, dict | list):
            return True  # taken out with another error
        if isinstance(parent, dict) and part not in parent:
            return True
        parent = parent[part]
    if path in _STAND_INS:
        parent[path[-1]] = _STAND_INS[path]
    elif isinstance(parent, list):
        parent[path[-1]] = REMOVED
    elif isinstance(parent, dict):
        parent.pop(path[-1], None)
    return True


def _known_keys(location: tuple[Any, ...]) -> list[str]:
    """The keys of the mapping at a place."""
    shape: type[BaseModel] = SpecShape
    for part in location:
        found = _SHAPES.get((shape, str(part)))
        if found is not None:
            shape = found
    return [field.alias or name for name, field in shape.model_fields.items()]


_SHAPES: dict[tuple[type[BaseModel], str], type[BaseModel]] = {
    (SpecShape, "module"): model.ModuleShape,
    (SpecShape, "types"): model.TypeShape,
    (SpecShape, "functions"): model.FunctionShape,
    (model.TypeShape, "record"): model.FieldShape,
    (model.TypeShape, "error"): model.FieldShape,
    (model.TypeShape, "variant"): model.CaseShape,
    (model.TypeShape, "resource"): model.FunctionShape,
    (model.CaseShape, "fields"): model.FieldShape,
    (model.FunctionShape, "params"): model.FieldShape,
    (model.FunctionShape, "returns"): model.ReturnsShape,
    (model.FunctionShape, "limits"): model.LimitsShape,
    (model.FunctionShape, "deprecated"): model.DeprecatedShape,
}
