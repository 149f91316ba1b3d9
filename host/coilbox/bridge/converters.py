"""Functions that check and convert typed values, written out in Python for each type of a spec.

A loop over a description of the types would cost more than everything else of a call. The
functions are made when they are first needed and shared by all sandboxes of the process. Their
source is made of numbers, texts in ``repr`` and the names of fields, which the checker of specs
holds to be identifiers.
"""

from __future__ import annotations

import datetime
import decimal
import itertools
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from coilbox.bindings.ir import (
    INTEGER_RANGES,
    CallbackOf,
    DictOf,
    Enum,
    Error,
    Field,
    ListOf,
    Operation,
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
from coilbox.bindings.literals import default_value
from coilbox.bindings.spec import Spec
from coilbox.bindings.typetext import type_text
from coilbox.bridge import encoding
from coilbox.bridge.checks import SCOPE, Converted
from coilbox.codec import Allowance
from coilbox.codec.frames import Buffer

_EXACT = {
    "float": "float",
    "str": "str",
    "bytes": "bytes",
    "decimal": "Decimal",
    "datetime": "datetime",
    "date": "date",
    "time": "time",
    "timedelta": "timedelta",
    "uuid": "UUID",
}
_IMMUTABLE = (
    *(type(None), bool, int, float, str, bytes, decimal.Decimal, uuid.UUID),
    *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta),
)
_Lines = list[str]


class Converters:
    """The converters of one spec's values, made on demand. Any thread may ask.

    Args:
        spec: the spec.
        classes: the classes of its types, by the names of ``literals.class_names``.
    """

    def __init__(self, spec: Spec, classes: Mapping[str, type]) -> None:
        self._spec = spec
        self._classes = classes
        self._scope: dict[str, Any] = dict(SCOPE)
        self._made: dict[tuple[object, ...], str] = {}
        self._numbers = itertools.count()
        self._lock = threading.RLock()

    def arguments(self, operation: Operation) -> Callable[[Buffer, Any, Allowance], Converted]:
        """The function for the arguments of an operation.

        It takes the bytes and what makes callbacks and streams of the guest, and returns the
        handle (0 if the operation is no method), positional and keyword arguments.
        """
        key = ("arguments", operation.index)
        return self._function(key, "data, guest, allowance", lambda: self._arguments(operation))

    def result(self, type_: Type) -> Callable[[Any, Allowance], encoding.Reply]:
        """The function that makes a reply of a result of this type."""
        return self._function(("result", type_), "v, allowance", lambda: self._result(type_))

    def item(self, type_: Type) -> Callable[[Any, Allowance], bytes]:
        """The function that makes bytes of a value of this type."""
        body = lambda: self._packed([type_], self._out(type_, "v"), "v")  # noqa: E731
        return self._function(("item", type_), "v, allowance", body)

    def error(self, error: Error) -> Callable[[Any, Allowance], bytes]:
        """The function that makes a reply of a declared error."""
        return self._function(("error", error.name), "error, allowance", lambda: self._error(error))

    def read(self, type_: Type) -> Callable[[Buffer, Allowance], Any]:
        """The function that makes a value of this type of its bytes."""
        return self._function(("read", type_), "data, allowance", lambda: self._read(type_))

    def values(self, types: Sequence[Type]) -> Callable[[tuple[Any, ...], Allowance], bytes]:
        """The function that makes bytes of a callback's arguments."""
        return self._function(("values", *types), "given, allowance", lambda: self._values(types))

    # -- whole functions ------------------------------------------------------------------------

    def _arguments(self, operation: Operation) -> _Lines:
        params = operation.function.params
        names = ["handle"] * (operation.resource is not None)
        names += [f"a{position}" for position in range(len(params))]
        lines = [
            "items = unpack(data, allowance)",
            f"if type(items) is not list or len(items) != {len(names)}:",
            f"    items = padded(items, {len(names)})",
        ]
        if names:
            lines.append(f"{', '.join(names)}, = items")
        if operation.resource is not None:
            lines.append("if type(handle) is not int: raise bad(handle, 'a handle')")
        for name, param in zip(names[-len(params) :] if params else (), params, strict=True):
            lines += self._argument(name, param)
        handle = "handle" if operation.resource is not None else "0"
        pairs = list(zip(names[len(names) - len(params) :], params, strict=True))
        args = "".join(f"{name}, " for name, param in pairs if not param.keyword)
        keywords = ", ".join(f"{p.name!r}: {name}" for name, p in pairs if p.keyword)
        return [*lines, f"return {handle}, ({args}), {{{keywords}}}"]

    def _argument(self, name: str, param: Field) -> _Lines:
        lines = self._in(param.type, name)
        if param.default is None:
            return lines
        value = default_value(self._spec, param, self._classes)
        if isinstance(value, _IMMUTABLE):
            default = self._constant(value)
        else:
            spec, classes = self._spec, self._classes
            default = self._constant(lambda: default_value(spec, param, classes)) + "()"
        return [f"if {name} is LEFT_OUT: {name} = {default}", "else:", *_deeper(lines)]

    def _read(self, type_: Type) -> _Lines:
        return ["v = unpack(data, allowance)", *self._in(type_, "v"), "return v"]

    def _result(self, type_: Type) -> _Lines:
        lines = self._out(type_, "v")
        if type_ == Scalar("none"):
            return [*lines, "return NOTHING"]
        if type_ == Scalar("bytes"):
            return [*lines, "return pack_result(v)"]
        return self._packed([type_], lines, "[0, v]")

    def _packed(self, types: Sequence[Type], lines: _Lines, form: str) -> _Lines:
        """Statements that make encoded values of these types, and return them packed."""
        if all(isinstance(type_, Scalar) for type_ in types):
            return [*lines, f"return pack({form})"]
        pack = f"pack({form}) if allowance.items - before < FEW else pack_pieces({form}, allowance)"
        lines = ["before = allowance.items", *lines, f"data = {pack}"]
        if any(map(self._is_recursive, types)):
            lines.append("check_depth(data, allowance)")
        return [*lines, "return data"]

    def _error(self, error: Error) -> _Lines:
        names = [f"f{position}" for position in range(len(error.fields))]
        lines = []
        for name, field in zip(names, error.fields, strict=True):
            lines += [f"{name} = error.{field.name}", *self._out(field.type, name)]
        position = self._spec.types.index(error)
        form = f"[3, {position}, [{', '.join(names)}]]"
        return self._packed([field.type for field in error.fields], lines, form)

    def _values(self, types: Sequence[Type]) -> _Lines:
        names = [f"v{position}" for position in range(len(types))]
        lines = [f"if len(given) != {len(types)}: raise wrong_count(given, {len(types)})"]
        if names:
            lines.append(f"{', '.join(names)}, = given")
        for name, type_ in zip(names, types, strict=True):
            lines += self._out(type_, name)
        return self._packed(types, lines, f"[{', '.join(names)}]")

    # -- from the guest: nothing is believed ----------------------------------------------------

    def _in(self, type_: Type, v: str) -> _Lines:
        """Statements that check the form in a variable and put the value there."""
        text = repr(type_text(type_))
        match type_:
            case Scalar("none"):
                return [f"if {v} is not None: raise bad({v}, {text})"]
            case Scalar("bool"):
                return [f"if {v} is not True and {v} is not False: raise bad({v}, {text})"]
            case Scalar("int"):
                return [f"if type({v}) is not int: raise bad({v}, {text})"]
            case Scalar(name) if name in INTEGER_RANGES:
                low, high = INTEGER_RANGES[name]
                wrong = f"type({v}) is not int or not {low} <= {v} <= {high}"
                return [f"if {wrong}: raise bad({v}, {text})"]
            case Scalar(name):
                return [f"if type({v}) is not {_EXACT[name]}: raise bad({v}, {text})"]
            case OptionalOf(item):
                return [f"if {v} is not None:", *_deeper(self._in(item, v))]
            case StreamOf(item):
                read = self._constant(self.read(ListOf(item)))
                return [f"{v} = guest.stream(number({v}), {read})"]
            case CallbackOf(params, returns):
                values = self._constant(self.values(params))
                read = self._constant(self.read(returns))
                return [f"{v} = guest.callback(number({v}), {values}, {read})"]
            case Ref(name) if isinstance(enum := self._spec.by_name[name], Enum):
                members = self._constant([self._classes[name](m.value) for m in enum.members])
                wrong = f"type({v}) is not int or not 0 <= {v} < {len(enum.members)}"
                return [f"if {wrong}: raise bad({v}, {text})", f"{v} = {members}[{v}]"]
        name = self._name(("in", type_), "v, allowance", lambda: self._in_container(type_, text))
        return [f"{v} = {name}({v}, allowance)"]

    def _in_container(self, type_: Type, text: str) -> _Lines:
        is_list = f"if type(v) is not list: raise bad(v, {text})"
        match type_:
            case ListOf(item):
                loop = ["out = []", "for x in allowance.each(v):", *_deeper(self._in(item, "x"))]
                return [is_list, *loop, "    out.append(x)", "return out"]
            case SetOf(item):
                loop = ["out = []", "for x in allowance.each(v):", *_deeper(self._in(item, "x"))]
                return [is_list, *loop, "    out.append(x)", "return distinct(out, allowance)"]
            case DictOf(key, value):
                both = self._in(key, "k") + self._in(value, "x")
                loop = [
                    "out = {}",
                    "for k, x in allowance.each(v.items()):",
                    *_deeper(both),
                    "    out[k] = x",
                ]
                return [f"if type(v) is not dict: raise bad(v, {text})", *loop, "return out"]
            case TupleOf(items):
                lines, names = self._in_items(items, text)
                return [*lines, f"return ({''.join(f'{name}, ' for name in names)})"]
        assert isinstance(type_, Ref)
        declaration = self._spec.by_name[type_.name]
        if isinstance(declaration, Record):
            return self._in_fields(declaration.fields, self._classes[type_.name], text)
        assert isinstance(declaration, Variant)
        return self._in_variant(declaration, text)

    def _in_items(self, types: Sequence[Type], text: str) -> tuple[_Lines, list[str]]:
        """Statements that unpack the list ``v``, and the names of its converted items."""
        names = [f"i{position}" for position in range(len(types))]
        lines = [f"if type(v) is not list or len(v) != {len(types)}: raise bad(v, {text})"]
        if names:
            lines.append(f"{', '.join(names)}, = v")
        for name, type_ in zip(names, types, strict=True):
            lines += self._in(type_, name)
        return lines, names

    def _in_fields(self, fields: Sequence[Field], cls: type, text: str) -> _Lines:
        lines, names = self._in_items([field.type for field in fields], text)
        pairs = zip(fields, names, strict=True)
        given = ", ".join(f"{field.name}={name}" for field, name in pairs)
        return [*lines, f"return {self._constant(cls)}({given})"]

    def _in_variant(self, variant: Variant, text: str) -> _Lines:
        lines = [
            f"if type(v) is not list or not v: raise bad(v, {text})",
            "tag = v.pop(0)",
            "if type(tag) is not int: raise bad(tag, 'a case')",
        ]
        for tag, case in enumerate(variant.cases):
            cls = self._classes[f"{variant.name}.{case.name}"]
            if case.type is None:
                body = self._in_fields(case.fields, cls, text)
            else:
                inner, names = self._in_items([case.type], text)
                body = [*inner, f"return {self._constant(cls)}({names[0]})"]
            lines += [f"if tag == {tag}:", *_deeper(body)]
        return [*lines, f"raise bad(tag, 'a case of {variant.name}')"]

    # -- to the guest: the host function may have returned anything -----------------------------

    def _out(self, type_: Type, v: str) -> _Lines:
        """Statements that check the value in a variable and put its form there."""
        text = repr(type_text(type_))
        wrong = f"raise wrong({v}, {text})"
        match type_:
            case Scalar("none"):
                return [f"if {v} is not None: {wrong}"]
            case Scalar("bool"):
                return [f"if {v} is not True and {v} is not False: {wrong}"]
            case Scalar("int"):
                exact = f"if type({v}) is not int: {v} = as_int({v})"
                return [exact, f"if not {-(1 << 63)} <= {v} < {1 << 64}: {v} = big_int({v})"]
            case Scalar(name) if name in INTEGER_RANGES:
                low, high = INTEGER_RANGES[name]
                exact = f"if type({v}) is not int: {v} = as_int({v})"
                return [exact, f"if not {low} <= {v} <= {high}: {wrong}"]
            case Scalar("float" | "str" | "bytes" as name):
                return [f"if type({v}) is not {name}: {v} = as_{name}({v})"]
            case Scalar("date"):
                is_date = f"isinstance({v}, date) and not isinstance({v}, datetime)"
                return [f"if not ({is_date}): {wrong}", f"{v} = from_date({v})"]
            case Scalar(name):
                exact = f"if not isinstance({v}, {_EXACT[name]}): {wrong}"
                return [exact, f"{v} = from_{name}({v})"]
            case OptionalOf(item):
                return [f"if {v} is not None:", *_deeper(self._out(item, v))]
            case Ref(name) if isinstance(enum := self._spec.by_name[name], Enum):
                cls = self._classes[name]
                numbers = {cls(m.value): i for i, m in enumerate(enum.members)}
                exact = f"if type({v}) is not {self._constant(cls)}: {wrong}"
                return [exact, f"{v} = {self._constant(numbers)}[{v}]"]
        name = self._name(("out", type_), "v, allowance", lambda: self._out_container(type_, text))
        return [f"{v} = {name}({v}, allowance)"]

    def _out_container(self, type_: Type, text: str) -> _Lines:
        def is_a(name: str) -> str:
            return f"if not isinstance(v, {name}): raise wrong(v, {text})"

        match type_:
            case ListOf(item) | SetOf(item):
                kind = "list" if isinstance(type_, ListOf) else "(set, frozenset)"
                loop = ["out = []", "for x in allowance.each(v):", *_deeper(self._out(item, "x"))]
                return [is_a(kind), *loop, "    out.append(x)", "return out"]
            case DictOf(key, value):
                both = self._out(key, "k") + self._out(value, "x")
                loop = [
                    "out = {}",
                    "for k, x in allowance.each(v.items()):",
                    *_deeper(both),
                    "    out[k] = x",
                ]
                return [is_a("dict"), *loop, "return out"]
            case TupleOf(items):
                names = [f"i{position}" for position in range(len(items))]
                lines = [is_a("tuple"), f"if len(v) != {len(items)}: raise wrong(v, {text})"]
                if names:
                    lines.append(f"{', '.join(names)}, = v")
                for name, item in zip(names, items, strict=True):
                    lines += self._out(item, name)
                return [*lines, f"return [{', '.join(names)}]"]
        assert isinstance(type_, Ref)
        declaration = self._spec.by_name[type_.name]
        if isinstance(declaration, Record):
            cls = self._constant(self._classes[type_.name])
            return [is_a(cls), *self._out_fields(declaration.fields, "")]
        assert isinstance(declaration, Variant)
        lines = []
        for tag, case in enumerate(declaration.cases):
            cls = self._constant(self._classes[f"{declaration.name}.{case.name}"])
            if case.type is None:
                body = self._out_fields(case.fields, f"{tag}, ")
            else:
                body = ["x = v.value", *self._out(case.type, "x"), f"return [{tag}, x]"]
            lines += [f"if isinstance(v, {cls}):", *_deeper(body)]
        return [*lines, f"raise wrong(v, {text})"]

    def _out_fields(self, fields: Sequence[Field], first: str) -> _Lines:
        lines, names = [], []
        for position, field in enumerate(fields):
            names.append(f"f{position}")
            lines += [f"f{position} = v.{field.name}", *self._out(field.type, f"f{position}")]
        return [*lines, f"return [{first}{', '.join(names)}]"]

    # -- making functions -----------------------------------------------------------------------

    def _is_recursive(self, type_: Type) -> bool:
        """Whether values of the type may be nested to any depth."""
        return _reaches_itself(self._spec, type_, ())

    def _constant(self, value: object) -> str:
        name = f"c{next(self._numbers)}"
        self._scope[name] = value
        return name

    def _function(
        self, key: tuple[object, ...], params: str, body: Callable[[], _Lines]
    ) -> Callable[..., Any]:
        with self._lock:
            function: Callable[..., Any] = self._scope[self._name(key, params, body)]
            return function

    def _name(self, key: tuple[object, ...], params: str, body: Callable[[], _Lines]) -> str:
        """The name of the function of this key, which is made if it is not there."""
        name = self._made.get(key)
        if name is None:
            # Known before it is made: recursive types come here again.
            name = self._made[key] = f"do{next(self._numbers)}"  # no name of a local variable
            source = "\n".join([f"def {name}({params}):", *_deeper(body())])
            label = f"<{self._spec.name}: {key[0]}>"
            exec(compile(source, label, "exec", dont_inherit=True), self._scope)
        return name


def _deeper(lines: _Lines) -> _Lines:
    return [f"    {line}" for line in lines]


def _reaches_itself(spec: Spec, type_: Type, above: tuple[str, ...]) -> bool:
    match type_:
        case ListOf(item) | SetOf(item) | OptionalOf(item) | StreamOf(item):
            inner: tuple[Type, ...] = (item,)
        case DictOf(_, value):
            inner = (value,)
        case TupleOf(items):
            inner = items
        case Ref(name):
            if name in above:
                return True
            above = (*above, name)
            inner = _parts(spec, name)
        case _:
            return False
    return any(_reaches_itself(spec, part, above) for part in inner)


def _parts(spec: Spec, name: str) -> tuple[Type, ...]:
    declaration = spec.by_name[name]
    if isinstance(declaration, Record):
        return tuple(field.type for field in declaration.fields)
    if isinstance(declaration, Variant):
        fields = tuple(field.type for case in declaration.cases for field in case.fields)
        return fields + tuple(case.type for case in declaration.cases if case.type is not None)
    assert isinstance(declaration, Enum | Resource)
    return ()
