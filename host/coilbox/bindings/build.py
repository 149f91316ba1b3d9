"""A spec's shape as IR: types parsed, limits read; defaults stay as they are written."""

from __future__ import annotations

import math
from collections.abc import Mapping

from coilbox.bindings.ir import (
    NONE,
    Capability,
    Case,
    Declaration,
    Default,
    Deprecated,
    Enum,
    Error,
    Field,
    Function,
    Limits,
    Member,
    Rate,
    Record,
    Resource,
    Type,
    Variant,
)
from coilbox.bindings.model import KINDS, CaseShape, FieldShape, FunctionShape, SpecShape, TypeShape
from coilbox.bindings.spec import Spec
from coilbox.bindings.typeparse import Role, TypeParser
from coilbox.support.yaml_reader import REMOVED, Document, Path


def build(document: Document, shape: SpecShape) -> Spec:
    """The spec of a shape; what is wrong with types and limits is reported."""
    return _Builder(document, shape).spec()


class _Builder:
    def __init__(self, document: Document, shape: SpecShape) -> None:
        self._document = document
        self._shape = shape
        # Declarations that were taken out as wrong are known by name all the same.
        kinds: dict[str, str | None] = {
            str(path[-1]): None for path in document.children(("types",))
        }
        for name, declared in shape.types.items():
            given = _kinds(declared)
            kinds[name] = given[0] if len(given) == 1 else None
        self._parser = TypeParser(kinds)

    def spec(self) -> Spec:
        shape = self._shape
        types = (
            self._declaration(name, declared, ("types", name))
            for name, declared in shape.types.items()
        )
        return Spec(
            shape.module.name,
            shape.module.version,
            shape.module.doc.strip(),
            tuple(Capability(name, doc.strip()) for name, doc in shape.capabilities.items()),
            tuple(declaration for declaration in types if declaration is not None),
            self._functions(shape.functions, ("functions",)),
        )

    def _declaration(self, name: str, shape: TypeShape, path: Path) -> Declaration | None:
        given = _kinds(shape)
        written = {key[-1] for key in self._document.children(path)}
        if not given and written - set(TypeShape.model_fields):
            return None  # told as an unknown key, which most likely is the kind
        if len(given) != 1:
            self._document.report(
                self._document.key_span(path),
                "type-kind",
                f"{name!r} is {' and '.join(given)} at once" if given else f"{name!r} has no kind",
                f"give exactly one of {', '.join(KINDS)}",
            )
            return None
        kind = given[0]
        inner = (*path, kind)
        doc = shape.doc.strip()
        if kind != "error":
            for key in ("base", "message"):
                if key in shape.model_fields_set:
                    self._document.report(
                        self._document.key_span((*path, key)),
                        "unknown-key",
                        f"{key!r} is for errors only",
                    )
        if kind not in ("enum", "variant") and shape.docs:
            self._document.report(
                self._document.key_span((*path, "docs")),
                "unknown-key",
                "'docs' is for enums and variants only",
                "give each field its own `doc`",
            )
        docs = shape.docs
        match kind:
            case "enum":
                members = (Member(value, docs.get(value, "").strip()) for value in shape.enum or ())
                return Enum(name, tuple(members), doc, shape.since)
            case "record":
                return Record(name, self._fields(shape.record, inner), doc, shape.since)
            case "variant":
                cases = (
                    self._case(case, item, docs.get(case, ""), (*inner, case))
                    for case, item in (shape.variant or {}).items()
                )
                return Variant(name, tuple(cases), doc, shape.since)
            case "error":
                fields = self._fields(shape.error, inner)
                return Error(name, fields, shape.base, shape.message, doc, shape.since)
        return Resource(name, self._functions(shape.resource or {}, inner), doc, shape.since)

    def _case(self, name: str, shape: CaseShape, doc: str, path: Path) -> Case:
        type_ = None if shape.type is None else self._type(shape.type, path, "value")
        return Case(name, type_, self._fields(shape.fields, path), doc.strip())

    def _fields(
        self, shapes: Mapping[str, FieldShape] | None, path: Path, role: Role = "value"
    ) -> tuple[Field, ...]:
        fields = []
        for name, shape in (shapes or {}).items():
            given = shape.model_fields_set
            if role == "value" and "keyword" in given:
                self._document.report(
                    self._document.key_span((*path, name, "keyword")),
                    "unknown-key",
                    "'keyword' is for parameters only: fields are always given by keyword",
                )
            fields.append(
                Field(
                    name,
                    self._type(shape.type, (*path, name, "type"), role),
                    Default(shape.default) if "default" in given else None,
                    shape.keyword,
                    shape.doc.strip(),
                    shape.since,
                )
            )
        return tuple(fields)

    def _functions(self, shapes: Mapping[str, FunctionShape], path: Path) -> tuple[Function, ...]:
        return tuple(self._function(name, shape, (*path, name)) for name, shape in shapes.items())

    def _function(self, name: str, shape: FunctionShape, path: Path) -> Function:
        returns: Type = NONE
        if "returns" in shape.model_fields_set:
            returns = self._type(shape.returns.type, (*path, "returns", "type"), "result")
        deprecated = shape.deprecated
        return Function(
            name,
            self._fields(shape.params, (*path, "params"), "param"),
            returns,
            shape.returns.doc.strip(),
            tuple(item for item in shape.raises if item != REMOVED),
            tuple(item for item in shape.requires if item != REMOVED),
            self._limits(shape, (*path, "limits")),
            shape.async_,
            shape.doc.strip(),
            shape.since,
            None if deprecated is None else Deprecated(deprecated.since, deprecated.use),
        )

    def _limits(self, shape: FunctionShape, path: Path) -> Limits:
        limits = shape.limits
        if limits.burst is not None and limits.rate is None:
            self._document.report(
                self._document.span((*path, "burst")),
                "limit",
                "burst says nothing without a rate",
                "add rate: 100/s",
            )
        given = limits.model_fields_set
        into = limits.max_bytes_in if "max_bytes_in" in given else limits.max_bytes
        out = limits.max_bytes_out if "max_bytes_out" in given else limits.max_bytes
        return Limits(
            None if limits.rate is None else Rate(*limits.rate),
            limits.burst,
            limits.concurrency,
            None if limits.timeout == math.inf else limits.timeout,
            _bytes(into),
            _bytes(out),
            limits.calls,
        )

    def _type(self, text: str, path: Path, role: Role) -> Type:
        place = self._document.nearest(path)
        type_, problems = self._parser.parse(text, role)
        for problem in problems:
            self._document.report(
                self._document.text_span(place, problem.offset, problem.length),
                problem.rule,
                problem.message,
                problem.help,
            )
        return type_


def _bytes(limit: float | None) -> int | None:
    return None if limit is None or limit == math.inf else int(limit)


def _kinds(shape: TypeShape) -> list[str]:
    return [kind for kind in KINDS if kind in shape.model_fields_set]
