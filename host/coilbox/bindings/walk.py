"""Every part of a spec with its place in the document."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from coilbox.bindings.ir import (
    Declaration,
    Error,
    Field,
    Function,
    Record,
    Resource,
    Variant,
)
from coilbox.bindings.spec import Spec
from coilbox.support.yaml_reader import Path

Change = Callable[[Path, Field, str], Field]
"""Makes a new field of a field; the text is ``field``, ``error`` or ``param``."""


def functions(spec: Spec) -> Iterator[tuple[Path, Function]]:
    """All functions and methods."""
    for function in spec.functions:
        yield ("functions", function.name), function
    for resource in spec.types:
        if isinstance(resource, Resource):
            for method in resource.methods:
                yield ("types", resource.name, "resource", method.name), method


def field_groups(spec: Spec) -> Iterator[tuple[Path, tuple[Field, ...], str]]:
    """All lists of fields and parameters; the text is ``field``, ``error`` or ``param``."""
    for declaration in spec.types:
        path = ("types", declaration.name, declaration.kind)
        match declaration:
            case Record(fields=fields):
                yield path, fields, "field"
            case Error(fields=fields):
                yield path, fields, "error"
            case Variant(cases=cases):
                for case in cases:
                    yield (*path, case.name), case.fields, "field"
    for path, function in functions(spec):
        yield (*path, "params"), function.params, "param"


def change_fields(spec: Spec, change: Change) -> Spec:
    """The spec with every field and parameter replaced by what ``change`` makes of it."""

    def group(path: Path, fields: tuple[Field, ...], kind: str) -> tuple[Field, ...]:
        return tuple(change((*path, field.name), field, kind) for field in fields)

    def function(path: Path, item: Function) -> Function:
        return dataclasses.replace(item, params=group((*path, "params"), item.params, "param"))

    def declaration(item: Declaration) -> Declaration:
        path = ("types", item.name, item.kind)
        match item:
            case Record():
                return dataclasses.replace(item, fields=group(path, item.fields, "field"))
            case Error():
                return dataclasses.replace(item, fields=group(path, item.fields, "error"))
            case Variant():
                cases = (
                    dataclasses.replace(
                        case, fields=group((*path, case.name), case.fields, "field")
                    )
                    for case in item.cases
                )
                return dataclasses.replace(item, cases=tuple(cases))
            case Resource():
                methods = (function((*path, method.name), method) for method in item.methods)
                return dataclasses.replace(item, methods=tuple(methods))
        return item

    return dataclasses.replace(
        spec,
        types=tuple(map(declaration, spec.types)),
        functions=tuple(function(("functions", item.name), item) for item in spec.functions),
    )
