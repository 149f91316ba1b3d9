"""Declared types: the enums and dataclasses that may cross, by name."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable
from typing import Any

from coilbox.errors import UsageError


@dataclasses.dataclass(frozen=True, slots=True)
class Opaque:
    """A guest value that cannot cross, or is too large: what is known of it.

    Attributes:
        type_name: qualified name of the value's class in the guest.
        repr: its ``repr()`` in the guest, cut to a bounded length.
        length: its ``len()`` in the guest, or None.
    """

    type_name: str
    repr: str
    length: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class DataclassPlan:
    """How instances of a declared dataclass are taken apart and made again."""

    cls: type[Any]
    fields: tuple[str, ...]
    late: frozenset[str]  # fields with init=False, set after the constructor


class TypeRegistry:
    """The enums and dataclasses that may cross, each under one name on both sides.

    Args:
        classes: classes to declare under their own names; ``declare`` adds others.

    Attributes:
        names: the name of each declared class.
        enums: the declared enums by name.
        dataclasses: the declared dataclasses by name.
    """

    def __init__(self, classes: Iterable[type[Any]] = ()) -> None:
        self.names: dict[type[Any], str] = {}
        self.enums: dict[str, type[enum.Enum]] = {}
        self.dataclasses: dict[str, DataclassPlan] = {}
        for cls in classes:
            self.declare(cls)

    def declare(self, cls: type[Any], name: str | None = None) -> None:
        """Let instances of ``cls``, an enum or a dataclass, cross under ``name``.

        Args:
            cls: the class; exact instances only, not those of its subclasses.
            name: the name in the guest; the class's own name if not given.

        Raises:
            UsageError: ``cls`` is neither, or the name is taken by another class.
        """
        if name is None:
            name = cls.__name__
        taken = self._class_of(name)
        if taken is cls:
            return
        if taken is not None:
            raise UsageError(f"the name {name!r} is already declared for {taken!r}")
        if isinstance(cls, type) and issubclass(cls, enum.Enum):
            self.enums[name] = cls
        elif isinstance(cls, type) and dataclasses.is_dataclass(cls):
            fields = dataclasses.fields(cls)
            self.dataclasses[name] = DataclassPlan(
                cls,
                tuple(field.name for field in fields),
                frozenset(field.name for field in fields if not field.init),
            )
        else:
            raise UsageError(f"{cls!r} is neither an enum nor a dataclass: it cannot be declared")
        self.names[cls] = name

    def specs(self) -> list[list[object]]:
        """Return the declarations as the start request carries them, for the guest to rebuild."""
        specs: list[list[object]] = []
        for name, cls in self.enums.items():
            specs.append(["enum", name, *_enum_spec(cls)])
        for name, plan in self.dataclasses.items():
            specs.append(["dataclass", name, *_class_spec(plan)])
        return specs

    def _class_of(self, name: str) -> type[Any] | None:
        plan = self.dataclasses.get(name)
        return self.enums.get(name) if plan is None else plan.cls


def _enum_spec(cls: type[enum.Enum]) -> tuple[str, dict[str, object]]:
    bases = (enum.IntFlag, enum.Flag, enum.IntEnum, enum.StrEnum)
    base = next((base.__name__ for base in bases if issubclass(cls, base)), "Enum")
    members: dict[str, object] = {name: member.value for name, member in cls.__members__.items()}
    return base, members


def _class_spec(plan: DataclassPlan) -> tuple[list[str], bool]:
    return list(plan.fields), bool(plan.cls.__dataclass_params__.frozen)
