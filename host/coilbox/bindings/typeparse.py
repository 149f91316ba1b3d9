"""Annotation text as types of a spec, with the place of everything that is none."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from coilbox.bindings.ir import (
    INTEGER_RANGES,
    NONE,
    SCALARS,
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
from coilbox.bindings.typetext import SCALAR_TEXT
from coilbox.support.diagnostics import listed, near

Role = Literal["value", "param", "result"]
"""Where a type stands; streams, resources and callbacks may not stand everywhere."""

BAD = Scalar("?")
"""Stands for a type that was refused, so that nothing more is said about it."""

SCALAR_NAMES = {SCALAR_TEXT.get(name, name): Scalar(name) for name in SCALARS if name != "none"}
GENERICS = ("list", "set", "dict", "tuple", "stream", "Callable")
_MAX_TEXT = 1000

_INSTEAD = {
    "string": "str",
    "text": "str",
    "String": "str",
    "boolean": "bool",
    "Bool": "bool",
    "integer": "int",
    "Int": "int",
    "number": "float",
    "double": "float",
    "f64": "float",
    "bytearray": "bytes",
    "binary": "bytes",
    "blob": "bytes",
    "decimal": "Decimal",
    "uuid": "UUID",
    "Uuid": "UUID",
    "duration": "timedelta",
    "timestamp": "datetime",
    "List": "list",
    "Sequence": "list",
    "Iterable": "stream",
    "Iterator": "stream",
    "AsyncIterator": "stream",
    "Stream": "stream",
    "Set": "set",
    "frozenset": "set",
    "FrozenSet": "set",
    "Dict": "dict",
    "Mapping": "dict",
    "map": "dict",
    "Tuple": "tuple",
    "callback": "Callable",
    "byte": "u8",
    "uint": "u64",
    "long": "i64",
    "short": "i16",
    **{
        f"{sign}int{bits}": f"{sign or 'i'}{bits}" for sign in ("u", "") for bits in (8, 16, 32, 64)
    },
}


@dataclass(frozen=True, slots=True)
class TypeProblem:
    """A mistake in a type's text; ``offset`` and ``length`` are in characters."""

    offset: int
    length: int
    rule: str
    message: str
    help: str = ""


class _Refused(Exception):
    def __init__(self, node: ast.expr, rule: str, message: str, help_: str = "") -> None:
        self.problem = (node, rule, message, help_)


class TypeParser:
    """Parses the types of one spec.

    Args:
        kinds: the kind (``record``, ...) of each declared name; None if it is not known.
    """

    def __init__(self, kinds: Mapping[str, str | None]) -> None:
        self._kinds = kinds
        self._problems: list[TypeProblem] = []
        self._text = ""

    def parse(self, text: str, role: Role) -> tuple[Type, list[TypeProblem]]:
        """The type of a text, :data:`BAD` where it is none, and what is wrong."""
        self._problems, self._text = [], text
        stripped = text.strip()
        if not stripped or len(text) > _MAX_TEXT:
            what = "is empty" if not stripped else f"is longer than {_MAX_TEXT} characters"
            return BAD, [TypeProblem(0, len(text), "type-syntax", f"the type {what}")]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # such as "str"[0]: refused below
                tree = ast.parse(stripped, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            column = (error.offset or 1) - 1 if isinstance(error, SyntaxError) else 0
            shift = len(text) - len(text.lstrip())
            return BAD, [
                TypeProblem(
                    min(column + shift, max(len(text) - 1, 0)),
                    1,
                    "type-syntax",
                    f"{stripped!r} is no type",
                    "types are written as Python annotations: list[str], int | None",
                )
            ]
        self._text = text
        return self._top(tree, role), self._problems

    def _top(self, node: ast.expr, role: Role) -> Type:
        if role == "result" and _is_none(node):
            return NONE
        return self._type(node, role)

    def _type(self, node: ast.expr, role: Role) -> Type:
        try:
            return self._checked(node, role)
        except _Refused as refused:
            self._add(*refused.problem)
            return BAD

    def _checked(self, node: ast.expr, role: Role) -> Type:
        match node:
            case ast.Name(id=name):
                return self._name(node, name, role)
            case ast.Subscript(value=ast.Name(id=name), slice=inner):
                items = inner.elts if isinstance(inner, ast.Tuple) else [inner]
                return self._generic(node, name, items, role)
            case ast.BinOp(op=ast.BitOr()):
                return self._union(node, role)
            case ast.Constant(value=None):
                raise _Refused(
                    node, "none-type", "None stands for nothing: only a result can be None"
                )
            case ast.Constant(value=str(inside)):
                raise _Refused(
                    node, "type-syntax", "a type is written without quotes", f"write {inside}"
                )
            case ast.Attribute(attr=name) | ast.Subscript(value=ast.Attribute(attr=name)):
                raise _Refused(
                    node, "unknown-type", "types have no dots", f"write {_INSTEAD.get(name, name)}"
                )
        raise _Refused(
            node,
            "type-syntax",
            f"{ast.unparse(node)} is no type",
            "types are written as Python annotations: list[str], int | None",
        )

    def _name(self, node: ast.expr, name: str, role: Role) -> Type:
        if name in SCALAR_NAMES:
            return SCALAR_NAMES[name]
        if name in self._kinds:
            kind = self._kinds[name]
            if kind == "error":
                raise _Refused(
                    node,
                    "error-as-type",
                    f"{name} is an error, not the type of a value",
                    "list it under `raises` of the functions that raise it",
                )
            if kind == "resource" and role != "result":
                raise _Refused(
                    node,
                    "resource-place",
                    f"the resource {name} can only be a whole result",
                    "return it from a function",
                )
            return Ref(name)
        if name in GENERICS:
            example = {"dict": "dict[str, int]", "Callable": "Callable[[int], str]"}
            raise _Refused(
                node,
                "type-arguments",
                f"{name} does not say of what",
                f"write {example.get(name, f'{name}[str]')}",
            )
        if name in ("Any", "object"):
            raise _Refused(
                node,
                "unknown-type",
                f"{name} says nothing about what may cross",
                "declare a variant with the types that may",
            )
        raise _Refused(node, "unknown-type", f"unknown type {name!r}", self._meant(name))

    def _meant(self, name: str) -> str:
        if name in _INSTEAD:
            return f"did you mean {_INSTEAD[name]!r}?"
        if name in ("Optional", "Union"):
            return "write T | None"
        if name == "Literal":
            return "declare an enum"
        types = [item for item, kind in self._kinds.items() if kind != "error"]
        return near(name, [*SCALAR_NAMES, *GENERICS, *types]) or (
            f"declare it under `types`; {listed(types)}"
        )

    def _generic(self, node: ast.expr, name: str, items: list[ast.expr], role: Role) -> Type:
        if name not in GENERICS:
            if name in SCALAR_NAMES or name in self._kinds:
                raise _Refused(node, "type-arguments", f"{name} takes nothing in brackets")
            if name == "Optional" and len(items) == 1:
                raise _Refused(
                    node, "unknown-type", "Optional is not known", f"write {_text(items[0])} | None"
                )
            raise _Refused(node, "unknown-type", f"unknown type {name!r}", self._meant(name))
        if name == "tuple":
            return self._tuple(items)
        if name == "Callable":
            return self._callback(node, items, role)
        wanted = 2 if name == "dict" else 1
        if len(items) != wanted:
            example = "dict[str, int]" if name == "dict" else f"{name}[str]"
            raise _Refused(
                node,
                "type-arguments",
                f"{name} takes {'a key and a value' if wanted == 2 else 'one type'}",
                f"write {example}",
            )
        if name == "dict":
            return DictOf(self._key(items[0]), self._type(items[1], "value"))
        item = self._type(items[0], "value")
        if name == "list":
            return ListOf(item)
        if name == "set":
            return SetOf(item if self._hashable(items[0], item) else BAD)
        if role == "value":
            raise _Refused(
                node,
                "stream-place",
                "a stream can only be a whole result or a whole parameter",
                f"write list[{_text(items[0])}], or make it one",
            )
        return StreamOf(item)

    def _tuple(self, items: list[ast.expr]) -> Type:
        if len(items) == 2 and isinstance(items[1], ast.Constant) and items[1].value is Ellipsis:
            raise _Refused(
                items[1],
                "type-arguments",
                "a tuple has a fixed number of items",
                f"write list[{_text(items[0])}]",
            )
        if len(items) == 1 and isinstance(items[0], ast.Tuple) and not items[0].elts:
            return TupleOf(())
        return TupleOf(tuple(self._type(item, "value") for item in items))

    def _callback(self, node: ast.expr, items: list[ast.expr], role: Role) -> Type:
        if role != "param":
            raise _Refused(node, "callback-place", "a callback can only be a whole parameter")
        match items:
            case [ast.List(elts=params), returns]:
                found = tuple(self._type(item, "value") for item in params)
                result = NONE if _is_none(returns) else self._type(returns, "value")
                return CallbackOf(found, result)
        raise _Refused(
            node,
            "type-arguments",
            "Callable takes its parameters and its result",
            "write Callable[[int, str], bool]",
        )

    def _key(self, node: ast.expr) -> Type:
        key = self._type(node, "value")
        match key:
            case Scalar(name) if name in ("str", "int", "?", *INTEGER_RANGES):
                return key
            case Ref(name) if self._kinds[name] in ("enum", None):
                return key
        if key != BAD:
            self._add(
                node,
                "map-key",
                f"{_text(node)} cannot be the key of a dict",
                "keys are str, integers or enums",
            )
        return BAD

    def _hashable(self, node: ast.expr, item: Type) -> bool:
        match item:
            case Scalar():
                return True
            case Ref(name) if self._kinds[name] in ("enum", None):
                return True
            case TupleOf(items) if all(self._is_hashable(part) for part in items):
                return True
        self._add(
            node,
            "set-item",
            f"{_text(node)} cannot be the item of a set",
            f"write list[{_text(node)}]",
        )
        return False

    def _is_hashable(self, item: Type) -> bool:
        match item:
            case Scalar():
                return True
            case Ref(name):
                return self._kinds[name] in ("enum", None)
            case TupleOf(items):
                return all(map(self._is_hashable, items))
        return False

    def _union(self, node: ast.expr, role: Role) -> Type:
        parts = _parts(node)
        rest = [part for part in parts if not _is_none(part)]
        if len(rest) != 1:
            names = " | ".join(map(_text, rest))
            if not rest:
                raise _Refused(node, "union", "None | None is no type", "write T | None")
            raise _Refused(
                node,
                "union",
                f"the union {names} cannot cross: only T | None can",
                "declare a variant under `types`",
            )
        if len(parts) > 2:
            raise _Refused(node, "union", "None is given twice", f"write {_text(rest[0])} | None")
        inner = self._type(rest[0], "param" if _is_callable(rest[0]) else "value")
        if isinstance(inner, CallbackOf) and role != "param":
            raise _Refused(node, "callback-place", "a callback can only be a whole parameter")
        return inner if inner == BAD else OptionalOf(inner)

    def _add(self, node: ast.expr, rule: str, message: str, help_: str = "") -> None:
        # ast counts bytes of UTF-8 from the first character that is not white space.
        text = self._text.lstrip()
        shift = len(self._text) - len(text)
        raw = text.encode()
        start = len(raw[: node.col_offset].decode(errors="ignore"))
        length = len(raw[node.col_offset : node.end_col_offset].decode(errors="ignore"))
        if node.lineno > 1:  # the text goes over lines, which only folded YAML texts do
            start, length = 0, len(text)
        self._problems.append(TypeProblem(start + shift, length, rule, message, help_))


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_callable(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id == "Callable"
    )


def _parts(node: ast.expr) -> list[ast.expr]:
    match node:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return [*_parts(left), *_parts(right)]
    return [node]


def _text(node: ast.expr) -> str:
    return ast.unparse(node)
