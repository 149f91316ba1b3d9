"""The part of a spec that the guest's runtime gets: types by position, without doc texts."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import Any

from coilbox.bindings.ir import (
    CallbackOf,
    Declaration,
    DictOf,
    Enum,
    Error,
    Field,
    ListOf,
    Operation,
    OptionalOf,
    Record,
    Resource,
    Scalar,
    SetOf,
    StreamOf,
    TupleOf,
    Type,
    Variant,
)
from coilbox.bindings.spec import Spec
from coilbox.codec.scalars import pack


class GuestPlan:
    """The plan of a generated module, ``[digest, base, declarations, operations]``."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._positions = {item.name: place for place, item in enumerate(spec.types)}
        self._lock = threading.RLock()

    def encoded(self, base: int) -> bytes:
        """The plan for a sandbox that numbers the spec's operations from ``base``."""
        with self._lock:
            digest, rest = self._parts
        return b"\x94" + digest + pack(base) + rest

    @cached_property
    def _parts(self) -> tuple[bytes, bytes]:
        declarations = [self._declaration(item) for item in self._spec.types]
        operations = [self._operation(item) for item in self._spec.operations]
        return pack(self._spec.digest), pack(declarations) + pack(operations)

    def _declaration(self, item: Declaration) -> list[Any]:
        match item:
            case Enum(name, members):
                return ["enum", name, [member.value for member in members]]
            case Record(name, fields):
                return ["record", name, self._fields(fields)]
            case Variant(name, cases):
                return ["variant", name, [self._case(case) for case in cases]]
            case Error(name, fields):
                return ["error", name, self._fields(fields)]
            case Resource(name):
                return ["resource", name]

    def _case(self, case: Any) -> list[Any]:
        type_ = None if case.type is None else self._type(case.type)
        return [case.name, type_, self._fields(case.fields) if case.fields else None]

    def _fields(self, fields: tuple[Field, ...]) -> list[Any]:
        return [[field.name, self._type(field.type)] for field in fields]

    def _operation(self, item: Operation) -> list[Any]:
        params = self._fields(item.function.params)
        if item.resource is not None:
            params.insert(0, ["self", ["ref", self._positions[item.resource.name]]])
        return [item.name, params, self._type(item.function.returns)]

    def _type(self, type_: Type) -> Any:
        match type_:
            case Scalar(name):
                return name
            case ListOf(item):
                return ["list", self._type(item)]
            case SetOf(item):
                return ["set", self._type(item)]
            case OptionalOf(item):
                return ["optional", self._type(item)]
            case StreamOf(item):
                return ["stream", self._type(item)]
            case DictOf(key, value):
                return ["dict", self._type(key), self._type(value)]
            case TupleOf(items):
                return ["tuple", [self._type(item) for item in items]]
            case CallbackOf(params, returns):
                return ["callback", [self._type(item) for item in params], self._type(returns)]
            case _:
                return ["ref", self._positions[type_.name]]
