"""Which function is meant: names and imports across the C side and the libraries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from coilbox.wasm import FuncType, Import, Module
from coilbox.wasm.types import FUNC
from coilbox_guest.link.errors import LinkError
from coilbox_guest.link.library import Library

CONSTRUCTORS: int = -1
"""The unit of the function that the linker makes."""


class FunctionRef(NamedTuple):
    """A defined function: its index in unit 0, the C side, or in unit k, which is library k - 1."""

    unit: int
    function: int


class HostRef(NamedTuple):
    """A function that the host provides."""

    module: str
    name: str
    type: FuncType


Target: TypeAlias = FunctionRef | HostRef


class Symbols:
    """Resolves the functions of all units. Unit 0 comes first, then the libraries in order."""

    def __init__(self, main: Module, libraries: Sequence[Library], constructors: str) -> None:
        self.units: list[Module] = [main, *(library.module for library in libraries)]
        self.names = ["the C side", *(library.name for library in libraries)]
        self.imports: list[list[Import]] = [unit.imported(FUNC) for unit in self.units]
        self._types: list[list[int]] = [unit.function_types() for unit in self.units]
        self._constructors = constructors
        self._defined: dict[str, FunctionRef] = {}
        self._own: list[dict[str, FunctionRef]] = []
        for number, unit in enumerate(self.units):
            own = {
                item.name: FunctionRef(number, item.index)
                for item in unit.exports
                if item.kind == FUNC and item.index >= len(self.imports[number])
            }
            self._own.append(own)
            for name, ref in own.items():
                self._defined.setdefault(name, ref)
        self.unresolved: dict[str, set[str]] = {}

    def type_of(self, ref: FunctionRef) -> FuncType:
        """The function's type."""
        if ref.unit == CONSTRUCTORS:
            return FuncType((), ())
        return self.units[ref.unit].types[self._types[ref.unit][ref.function]]

    def named(self, name: str, unit: int) -> FunctionRef | None:
        """The definition of a name that `unit` needs; a lack is noted in `unresolved`.

        A library's own definition comes first: two libraries may export the same name.
        """
        ref = self._own[unit].get(name) or self._defined.get(name)
        if ref is None:
            self.unresolved.setdefault(name, set()).add(self.names[unit])
        return ref

    def resolve(self, unit: int, index: int) -> Target | None:
        """The definition of function `index` of a unit, following imports; None if unresolved.

        Raises LinkError if definition and import differ in type.
        """
        imports = self.imports[unit]
        if index >= len(imports):
            return FunctionRef(unit, index)
        item = imports[index]
        wanted = self.type_of(FunctionRef(unit, index))
        if item.module != "env":
            return HostRef(item.module, item.name, wanted)
        if item.name == self._constructors and unit == 0:
            return FunctionRef(CONSTRUCTORS, 0)
        ref = self.named(item.name, unit)
        if ref is not None and self.type_of(ref) != wanted:
            raise LinkError(
                f"{item.name}: {self.names[unit]} expects {_signature(wanted)}, but "
                f"{self.names[ref.unit]} defines {_signature(self.type_of(ref))}"
            )
        return ref

    def refuse_unresolved(self) -> None:
        """Raise LinkError with the complete list if anything is missing."""
        if self.unresolved:
            lines = [
                f"  {name} (needed by {', '.join(sorted(users))})"
                for name, users in sorted(self.unresolved.items())
            ]
            raise LinkError("undefined symbols:\n" + "\n".join(lines))


def _signature(kind: FuncType) -> str:
    names = {0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64"}
    params = ", ".join(names.get(t, hex(t)) for t in kind.params)
    results = ", ".join(names.get(t, hex(t)) for t in kind.results)
    return f"({params}) -> ({results})"
