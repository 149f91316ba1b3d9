"""The base of the generated modules of extensions (docs/bindings.md). Not for guest code."""

import dataclasses
import inspect

from _coilbox import Default, Module, Resource, Stream
from _coilbox import Record as _Record
from _coilbox_runtime.host_errors import HostError

__all__ = ["Case", "Default", "HostError", "Module", "Record", "Resource", "Stream"]


_NOTHING = {}


class _Lazy:
    """An attribute of a class that is made when somebody asks for it, for each class anew."""

    __slots__ = ("_make", "_name")

    def __init__(self, make):
        self._make = make

    def __set_name__(self, owner, name):
        self._name = name

    def __get__(self, instance, owner):
        value = self._make(owner)
        setattr(owner, self._name, value)
        return value


def _dataclass_fields(cls):
    made = {}
    positional = cls.__match_args__
    annotations = _annotations(cls)
    for name in cls.__fields__:
        field = dataclasses.field(kw_only=name not in positional)
        if name in cls.__factories__:
            field.default_factory = cls.__factories__[name]
        elif name in cls.__defaults__:
            field.default = cls.__defaults__[name]
        field.name = name
        field.type = annotations.get(name)
        field._field_type = dataclasses._FIELD
        made[name] = field
    return made


def _annotations(cls):
    for base in cls.__mro__:
        if "__fields__" in base.__dict__:
            return inspect.get_annotations(base)
    return {}


def _dataclass_params(cls):
    return dataclasses._DataclassParams(
        init=True,
        repr=True,
        eq=True,
        order=False,
        unsafe_hash=False,
        frozen=True,
        match_args=True,
        kw_only=not cls.__match_args__,
        slots=True,
        weakref_slot=False,
    )


def _signature(cls):
    parameters = []
    for field in dataclasses.fields(cls):
        default = inspect.Parameter.empty
        if field.default is not dataclasses.MISSING:
            default = field.default
        elif field.default_factory is not dataclasses.MISSING:
            default = dataclasses._HAS_DEFAULT_FACTORY
        kind = inspect.Parameter.KEYWORD_ONLY
        if not field.kw_only:
            kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters.append(
            inspect.Parameter(field.name, kind, default=default, annotation=field.type)
        )
    return inspect.Signature(parameters)


class Record(_Record):
    """A frozen dataclass with slots, whose fields are given by keyword.

    A subclass has `__slots__` and the same as `__fields__`, annotations, and if it needs them
    `__defaults__` and `__factories__` by name.
    """

    __slots__ = ()
    __match_args__ = ()
    __fields__ = ()
    __defaults__ = _NOTHING
    __factories__ = _NOTHING
    __dataclass_fields__ = _Lazy(_dataclass_fields)
    __dataclass_params__ = _Lazy(_dataclass_params)
    __signature__ = _Lazy(_signature)


class Case(Record):
    """A case of a variant that has one value, given by position."""

    __slots__ = ()
    __match_args__ = ("value",)
