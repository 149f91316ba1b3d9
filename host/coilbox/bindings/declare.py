"""Classes of Python code as declared types of a spec."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import inspect
import os
import re
import typing
import uuid
from typing import Any

from coilbox.bindings.hints import Untypable, text_of, type_of
from coilbox.bindings.host import DeclaredError
from coilbox.bindings.typetext import type_text
from coilbox.errors import ExtensionError

_Yaml = dict[str, Any]


class Declarations:
    """The types that annotations need.

    Attributes:
        types: their declarations as YAML, by name.
        classes: the classes by name; those of a variant's cases as ``Reply.hit``.
    """

    def __init__(self) -> None:
        self.types: dict[str, _Yaml] = {}
        self.classes: dict[str, type] = {}
        self._cases: dict[str, dict[str, type]] = {}  # classes of variants by their names

    def declare(self, hint: Any, what: str) -> str:
        """The text of the type that an annotation stands for; its classes are declared.

        Raises:
            ExtensionError: there is none; ``what`` says where.
        """
        try:
            return type_text(type_of(hint, self._name_of))
        except Untypable as reason:
            raise ExtensionError(f"{what}: {reason}") from None

    def _name_of(self, hint: Any) -> str | None:
        """The name of a class or union, which is declared if it has not been."""
        if not isinstance(hint, type):
            return self._variant(typing.get_args(hint))
        return self._class(hint)

    def _variant_of(self, cls: type) -> str | None:
        """The variant that a class is a case of."""
        found = (name for name, cases in self._cases.items() if cls in cases.values())
        return next(found, None)

    def _class(self, cls: type) -> str | None:
        name = cls.__name__
        if self.classes.get(name) is cls:
            return name
        variant = self._variant_of(cls)
        if variant is not None:
            raise Untypable(f"{name} is a case of {variant}, which crosses as a whole union only")
        is_enum = issubclass(cls, enum.Enum)
        if not is_enum and not dataclasses.is_dataclass(cls):
            return None
        if name in self.classes or name in self._cases:
            raise Untypable(f"two classes are named {name}")
        self.classes[name] = cls  # before its fields, which may hold it again
        written = self._enum(cls) if is_enum else {"record": self._fields(cls)}
        self.types[name] = written | _doc(cls)
        return name

    def _variant(self, classes: tuple[Any, ...]) -> str | None:
        """A union of dataclasses, called what their names begin with, as it is in generated code.

        ``ReplyHit | ReplyMiss`` is the variant ``Reply`` with the cases ``hit`` and ``miss``.
        """
        if not all(isinstance(cls, type) and dataclasses.is_dataclass(cls) for cls in classes):
            return None
        union = " | ".join(cls.__name__ for cls in classes)
        words = [re.findall("[A-Z][^A-Z]*", cls.__name__) for cls in classes]
        name = "".join(os.path.commonprefix(words))
        cases = {f"{name}.{_snake(cls.__name__.removeprefix(name))}": cls for cls in classes}
        if not name or f"{name}." in cases or len(cases) < len(classes):
            raise Untypable(
                f"{union} has no name: let the names of its classes begin with it, as ReplyHit "
                "and ReplyMiss of Reply do"
            )
        if name in self._cases:
            if self._cases[name] != cases:
                raise Untypable(f"two unions are named {name}: {union} is not the other")
            return name
        for cls in classes:
            if self.classes.get(cls.__name__) is cls:
                raise Untypable(f"{cls.__name__} is a record already, and no case of {name}")
        if name in self.classes:
            raise Untypable(f"the union {union} and a class are named {name}")
        self._cases[name] = cases
        self.classes |= cases  # before their fields, which may hold the union again
        self.types[name] = written = {}
        written["variant"] = {
            key.partition(".")[2]: self._fields(cls) or None for key, cls in cases.items()
        }
        docs = {key.partition(".")[2]: _doc(cls).get("doc") for key, cls in cases.items()}
        written |= {"docs": found} if (found := {k: v for k, v in docs.items() if v}) else {}
        return name

    def _enum(self, cls: type) -> _Yaml:
        values = [member.value for member in typing.cast(type[enum.Enum], cls)]
        if not issubclass(cls, str) or not all(isinstance(value, str) for value in values):
            raise Untypable(f"{cls.__name__} is no enum of texts: derive it from StrEnum")
        return {"enum": values}

    def _fields(self, cls: Any) -> _Yaml:
        hints = hints_of(cls, cls.__name__)
        fields: _Yaml = {}
        for field in dataclasses.fields(cls):
            what = f"field {field.name!r} of {cls.__name__}"
            written: _Yaml = {"type": self.declare(hints[field.name], what)}
            if field.default is not dataclasses.MISSING:
                written["default"] = self.default(field.default, what)
            elif field.default_factory is not dataclasses.MISSING:
                written["default"] = self.default(field.default_factory(), what)
            fields[field.name] = written["type"] if len(written) == 1 else written
        return fields

    def declare_error(self, cls: type[DeclaredError]) -> str:
        """The name of an error that a function may raise, which is declared.

        Raises:
            ExtensionError: it is none, or another class has its name.
        """
        name = cls.__name__
        if not issubclass(cls, DeclaredError):
            raise ExtensionError(f"{name} is not derived from DeclaredError")
        if self.classes.setdefault(name, cls) is not cls:
            raise ExtensionError(f"two classes are named {name}")
        if name not in self.types:
            hints = hints_of(cls, name)
            fields = {
                key: self.declare(hints[key], f"field {key!r} of {name}")
                for key in inspect.get_annotations(cls)
            }
            bases = [base.__name__ for base in cls.__bases__ if base is not DeclaredError]
            self.types[name] = {
                "error": fields,
                **({"base": bases[0]} if bases else {}),
                **_doc(cls),
            }
        return name

    def default(self, value: Any, what: str) -> Any:
        """A default as YAML.

        Raises:
            ExtensionError: it cannot cross; ``what`` says where.
        """
        match value:
            case enum.Enum():
                return value.value
            case None | bool() | int() | float() | str() | bytes():
                return value
            case decimal.Decimal() | uuid.UUID():
                return str(value)
            case datetime.timedelta():
                return f"{value // datetime.timedelta(microseconds=1)}us"
            case datetime.date() | datetime.time():
                return value.isoformat()
            case list() | tuple() | set() | frozenset():
                items = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
                return [self.default(item, what) for item in items]
            case dict():
                return {
                    self.default(key, what): self.default(item, what) for key, item in value.items()
                }
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {
                field.name: self.default(getattr(value, field.name), what)
                for field in dataclasses.fields(value)
            }
            variant = self._variant_of(type(value))
            if variant is None:
                return fields
            case = _snake(type(value).__name__.removeprefix(variant))
            return {case: fields} if fields else case
        raise ExtensionError(f"{what}: a default of type {text_of(type(value))} cannot cross")


def hints_of(item: Any, what: str) -> dict[str, Any]:
    """The annotations of a function or class, evaluated.

    Raises:
        ExtensionError: they cannot be; ``what`` says whose.
    """
    try:
        return typing.get_type_hints(item, include_extras=True)
    except Exception as error:
        raise ExtensionError(f"the annotations of {what!r} cannot be read: {error}") from None


def _snake(name: str) -> str:
    """``not_found`` of ``NotFound``."""
    return re.sub("(?<=[^A-Z])(?=[A-Z])", "_", name).lower()


def _doc(cls: type) -> _Yaml:
    doc = inspect.cleandoc(cls.__doc__ or "")
    # Dataclasses without a docstring get their signature for one, enums one of enum's own.
    own = "__doc__" in vars(cls) and not doc.startswith(f"{cls.__name__}(")
    return {"doc": doc} if doc and own else {}
