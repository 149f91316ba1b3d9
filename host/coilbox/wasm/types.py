"""Value types and the records of a module's sections (spec sections 2.3 and 2.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

I32: Final = 0x7F
I64: Final = 0x7E
F32: Final = 0x7D
F64: Final = 0x7C
V128: Final = 0x7B
FUNCREF: Final = 0x70
EXTERNREF: Final = 0x6F

VALUE_TYPES: Final = {
    I32: "i32", I64: "i64", F32: "f32", F64: "f64", V128: "v128",
    FUNCREF: "funcref", EXTERNREF: "externref",
}  # fmt: skip
REFERENCE_TYPES: Final = (FUNCREF, EXTERNREF)

FUNC: Final = 0
TABLE: Final = 1
MEMORY: Final = 2
GLOBAL: Final = 3
TAG: Final = 4
EXTERN_KINDS: Final = ("func", "table", "memory", "global", "tag")


class FuncType(NamedTuple):
    """A function type: value types of parameters and results."""

    params: tuple[int, ...]
    results: tuple[int, ...]


class Limits(NamedTuple):
    """Bounds of a table (elements) or memory (pages of 64 KiB); no maximum is None."""

    minimum: int
    maximum: int | None = None
    shared: bool = False


class TableType(NamedTuple):
    """A table of `element` references."""

    element: int
    limits: Limits


class MemoryType(NamedTuple):
    """A linear memory."""

    limits: Limits


class GlobalType(NamedTuple):
    """A global's value type and whether it is mutable."""

    value: int
    mutable: bool


class TagType(NamedTuple):
    """An exception tag: the index of its function type."""

    type_index: int


ImportDesc: TypeAlias = int | TableType | MemoryType | GlobalType | TagType


class Import(NamedTuple):
    """An import. `desc` of a function is its type index; else the type."""

    module: str
    name: str
    kind: int
    desc: ImportDesc


@dataclass(frozen=True, slots=True)
class Export:
    """An export: kind (FUNC, TABLE, ...) and index in that kind's index space."""

    name: str
    kind: int
    index: int


class Global(NamedTuple):
    """A defined global; `init` is its constant expression with the final `end`."""

    type: GlobalType
    init: bytes


class Element(NamedTuple):
    """An element segment (spec section 5.5.12): all eight kinds, told apart by `flags`.

    Bit 0: passive or declarative; bit 1: explicit table, or declarative when bit 0 is set;
    bit 2: items are constant expressions. `offset` is empty unless active. Exactly one of
    `functions` and `expressions` is not None.
    """

    flags: int
    table: int
    offset: bytes
    reference: int
    functions: tuple[int, ...] | None
    expressions: tuple[bytes, ...] | None

    @property
    def active(self) -> bool:
        """Whether instantiation writes it to its table."""
        return not self.flags & 1


class Data(NamedTuple):
    """A data segment: flags 0 (active), 1 (passive), 2 (active, explicit memory)."""

    flags: int
    memory: int
    offset: bytes
    payload: bytes

    @property
    def active(self) -> bool:
        """Whether instantiation writes it to memory."""
        return self.flags != 1


class Custom(NamedTuple):
    """A custom section: its name, and the payload behind it."""

    name: str
    payload: bytes
