"""Parts of both generated Python modules: annotations, default values, docstrings."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator
from typing import Any

from coilbox.bindings.generate.writer import string
from coilbox.bindings.ir import (
    INTEGER_RANGES,
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
from coilbox.bindings.names import case_class, member_name, twin_name
from coilbox.bindings.spec import Spec

_MODULES = {
    "decimal": ("_decimal", "Decimal"),
    "datetime": ("_datetime", "datetime"),
    "date": ("_datetime", "date"),
    "time": ("_datetime", "time"),
    "timedelta": ("_datetime", "timedelta"),
    "uuid": ("_uuid", "UUID"),
}


class Python:
    """How a spec's types and values are written in one generated module.

    Args:
        spec: the spec.
        stream_result: the annotation of a stream that a function returns, with ``{}`` for its
            item.
        stream_param: the annotation of a stream that a function takes.
        callback: the class of a callback's annotation.

    Attributes:
        imported: the modules, under the names they are imported as, that were written so far.
    """

    def __init__(
        self, spec: Spec, stream_result: str, stream_param: str, callback: str = "_abc.Callable"
    ) -> None:
        self.spec = spec
        self.imported: set[str] = set()
        self._stream_result = stream_result
        self._stream_param = stream_param
        self._callback = callback
        self._shadowed = frozenset(_names(spec)).intersection(dir(builtins))

    def builtin(self, name: str) -> str:
        """A built-in name, through its module where the spec has given it another meaning."""
        if name not in self._shadowed:
            return name
        self.imported.add("_builtins")
        return f"_builtins.{name}"

    def annotation(self, type_: Type, *, result: bool = False) -> str:
        """A type as an annotation; ``result`` if it is a function's whole result."""
        match type_:
            case Scalar(name):
                return self._scalar(name)
            case Ref(name):
                return name
            case ListOf(item):
                return f"{self.builtin('list')}[{self.annotation(item)}]"
            case SetOf(item):
                return f"{self.builtin('set')}[{self.annotation(item)}]"
            case DictOf(key, value):
                return f"{self.builtin('dict')}[{self.annotation(key)}, {self.annotation(value)}]"
            case TupleOf(items):
                inner = ", ".join(map(self.annotation, items)) or "()"
                return f"{self.builtin('tuple')}[{inner}]"
            case OptionalOf(item):
                return f"{self.annotation(item)} | None"
            case StreamOf(item):
                form = self._stream_result if result else self._stream_param
                if "_abc." in form:
                    self.imported.add("_abc")
                return form.format(self.annotation(item))
            case CallbackOf(params, returns):
                inner = ", ".join(map(self.annotation, params))
                if "_abc." in self._callback:
                    self.imported.add("_abc")
                return f"{self._callback}[[{inner}], {self.annotation(returns)}]"

    def value(self, type_: Type, literal: Any) -> str:
        """A literal as an expression."""
        match type_:
            case Scalar(name):
                return self._scalar_value(name, literal)
            case OptionalOf(item):
                return "None" if literal is None else self.value(item, literal)
            case ListOf(item):
                return f"[{', '.join(self.value(item, part) for part in literal)}]"
            case SetOf(item):
                inner = ", ".join(self.value(item, part) for part in literal)
                return f"{{{inner}}}" if literal else f"{self.builtin('set')}()"
            case TupleOf(items):
                parts = [self.value(item, part) for item, part in zip(items, literal, strict=True)]
                return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
            case DictOf(key, value):
                pairs = (
                    f"{self.value(key, first)}: {self.value(value, second)}"
                    for first, second in literal
                )
                return f"{{{', '.join(pairs)}}}"
            case Ref(name):
                return self._declared_value(name, literal)
        raise TypeError(f"{type_} has no literals")

    def is_mutable(self, type_: Type, literal: Any) -> bool:
        """Whether a default must be made anew for each object."""
        match type_:
            case OptionalOf(item):
                return literal is not None and self.is_mutable(item, literal)
            case ListOf() | SetOf() | DictOf():
                return True
            case TupleOf(items):
                pairs = zip(items, literal, strict=True)
                return any(self.is_mutable(item, part) for item, part in pairs)
            case Ref(name):
                return not isinstance(self.spec.by_name[name], Enum)
        return False

    def field_default(self, field: Field) -> str:
        """The text behind a dataclass field's annotation."""
        if field.default is None:
            return ""
        value = self.value(field.type, field.default.literal)
        if not self.is_mutable(field.type, field.default.literal):
            return f" = {value}"
        self.imported.add("_dataclasses")
        return f" = _dataclasses.field(default_factory={self.factory(field)})"

    def factory(self, field: Field) -> str:
        """The expression that makes a new value of a mutable default."""
        assert field.default is not None
        value = self.value(field.type, field.default.literal)
        factory = {"[]": "list", "{}": "dict", "set()": "set"}.get(value)
        return self.builtin(factory) if factory else f"lambda: {value}"

    def _scalar(self, name: str) -> str:
        if name in _MODULES:
            module, attribute = _MODULES[name]
            self.imported.add(module)
            return f"{module}.{attribute}"
        if name == "none":
            return "None"
        return self.builtin("int" if name in INTEGER_RANGES else name)

    def _scalar_value(self, name: str, literal: Any) -> str:
        if name == "str":
            return string(literal)
        if name == "float" and isinstance(literal, str):
            return f'{self.builtin("float")}("{literal}")'
        if name == "bytes":
            return string(bytes.fromhex(literal))
        if name not in _MODULES:
            return repr(literal)
        cls = self._scalar(name)
        if name in ("decimal", "uuid"):
            return f"{cls}({string(literal)})"
        if name == "timedelta":
            return f"{cls}(microseconds={literal})"
        return f"{cls}.fromisoformat({string(literal)})"

    def _declared_value(self, name: str, literal: Any) -> str:
        declaration = self.spec.by_name[name]
        if isinstance(declaration, Enum):
            return f"{name}.{member_name(literal)}"
        if isinstance(declaration, Record):
            return f"{name}({self._fields_value(declaration.fields, literal)})"
        assert isinstance(declaration, Variant)
        case_name, *payload = literal
        case = next(case for case in declaration.cases if case.name == case_name)
        inner = ""
        if case.type is not None:
            inner = self.value(case.type, payload[0])
        elif case.fields:
            inner = self._fields_value(case.fields, payload[0])
        return f"{case_class(declaration, case)}({inner})"

    def _fields_value(self, fields: Iterable[Field], literal: Any) -> str:
        return ", ".join(
            f"{field.name}={self.value(field.type, literal[field.name])}" for field in fields
        )


def _names(spec: Spec) -> Iterator[str]:
    """Every name that could hide a built-in one, in the module or in a class."""
    functions = list(spec.functions)
    for declaration in spec.types:
        yield declaration.name
        match declaration:
            case Record(fields=fields) | Error(fields=fields):
                yield from (field.name for field in fields)
            case Variant(cases=cases):
                for case in cases:
                    yield case_class(declaration, case)
                    yield from (field.name for field in case.fields)
            case Resource(methods=methods):
                functions += methods
    for function in functions:
        yield function.name
        yield twin_name(function) or ""


def error_message(error: Error) -> str:
    """The format string of an error's message."""
    if error.message:
        return error.message
    return ", ".join(f"{field.name}={{{field.name}!r}}" for field in error.fields)


def versions(since: str | None, function: Function | None = None) -> str:
    """The sentences about versions at the end of a docstring."""
    parts = [f"Since {since}."] if since else []
    if function is not None and function.deprecated is not None:
        parts.append(deprecation(function))
    return " ".join(parts)


def deprecation(function: Function) -> str:
    """Why not to use a function."""
    assert function.deprecated is not None
    use = f": use {function.deprecated.use}" if function.deprecated.use else ""
    return f"Deprecated since {function.deprecated.since}{use}."


def fields_doc(title: str, fields: Iterable[Field]) -> str:
    """A section about those of the fields that have something to say."""
    lines = []
    for field in fields:
        doc = " ".join(field.doc.split())
        extra = _range(field.type) if isinstance(field.type, Scalar) else ""
        since = f"Since {field.since}." if field.since else ""
        text = " ".join(part for part in (doc, extra, since) if part)
        if text:
            lines.append(f"    {field.name}: {text}")
    return "\n".join([f"{title}:", *lines]) if lines else ""


def function_doc(spec: Spec, function: Function) -> str:
    """A function's docstring."""
    sections = [function.doc or f"Call ``{function.name}`` of the host."]
    sections.append(fields_doc("Args", function.params))
    if function.returns_doc:
        sections.append("Returns:\n    " + " ".join(function.returns_doc.split()))
    raises = []
    for name in function.raises:
        doc = " ".join(spec.by_name[name].doc.split())
        raises.append(f"    {name}: {doc or 'see there.'}")
    if function.requires:
        grants = " and ".join(function.requires)
        raises.append(f"    PermissionError: the sandbox was not granted {grants}.")
    if raises:
        sections.append("\n".join(["Raises:", *raises]))
    sections.append(versions(function.since, function))
    return "\n\n".join(section for section in sections if section)


def _range(type_: Scalar) -> str:
    if type_.name not in INTEGER_RANGES:
        return ""
    low, high = INTEGER_RANGES[type_.name]
    return f"{low} to {high}."
