"""The emitter's knowledge of a module before it writes the first line.

Constants, tables that never change, and which functions take part in tail calls are decided here,
so that the code of each function can be written on its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from coilbox.engines.native.emit.constant import Constant, evaluate
from coilbox.engines.native.emit.ctype import c_type, symbol
from coilbox.engines.native.emit.errors import EmitError
from coilbox.wasm import Body, FuncType, Module, decode_body, decode_expression
from coilbox.wasm.opcodes import BY_NAME
from coilbox.wasm.types import (
    EXTERN_KINDS,
    FUNC,
    FUNCREF,
    TABLE,
    Element,
    GlobalType,
    MemoryType,
    TableType,
)

MAX_TABLES: Final = 16  # abi.h: CB_MAX_TABLES
MAX_STATE_SLOTS: Final = 32768 // 8  # abi.h: CB_STATE_BYTES
MAX_TAIL_SLOTS: Final = 64  # abi.h: CB_TAIL_SLOTS
MAX_TABLE_ELEMENTS: Final = 10_000_000
_TABLE_WRITES: Final = {
    BY_NAME["table.set"]: 1, BY_NAME["table.grow"]: 1, BY_NAME["table.fill"]: 1,
    BY_NAME["table.init"]: 2, BY_NAME["table.copy"]: 1,
}  # fmt: skip
"""Instructions that change a table: which immediate names it."""
_TABLE_READS: Final = {
    BY_NAME["table.get"]: 1, BY_NAME["table.size"]: 1, BY_NAME["table.copy"]: 2,
}  # fmt: skip
_RETURN_CALL: Final = BY_NAME["return_call"]
_RETURN_CALL_INDIRECT: Final = BY_NAME["return_call_indirect"]
_REF_FUNC: Final = BY_NAME["ref.func"]


@dataclass(frozen=True, slots=True)
class GlobalPlan:
    """A global: its value, and the slot of the instance's state if it is mutable."""

    kind: int
    initial: Constant
    slot: int | None
    name: str


@dataclass(frozen=True, slots=True)
class TablePlan:
    """A table: `entries` (a function index or None each) if nothing changes it."""

    type: TableType
    entries: tuple[int | None, ...] | None
    uniform: int | None = None
    """The type of all entries of a table that nothing changes, if all are there and agree."""


@dataclass(slots=True)
class TailPlan:
    """Functions that make or receive tail calls, and the signature they share.

    `arity` maps the result types to the number of parameters of every piece with these results.
    """

    functions: set[int] = field(default_factory=set)
    arity: dict[tuple[int, ...], int] = field(default_factory=dict)
    tables: set[int] = field(default_factory=set)


class Plan:
    """A module, analysed."""

    def __init__(
        self, module: Module, *, trampoline: bool = False, fold_offsets: bool = False
    ) -> None:
        self.module = module
        self.trampoline = trampoline
        self.fold_offsets = fold_offsets
        self.imports = module.imported(FUNC)
        for item in module.imports:
            if item.kind != FUNC:
                kind = EXTERN_KINDS[item.kind]
                raise EmitError(
                    f"the module imports a {kind} ({item.module}.{item.name}); the native engine "
                    "compiles whole programs, whose imports are functions: link it first"
                )
        self.types = list(module.types)
        self.canonical = [self.types.index(kind) for kind in self.types]
        self.function_types = [self.canonical[index] for index in module.function_types()]
        self.bodies = [decode_body(body) for body in module.code]
        self.symbols = self._function_symbols()
        self.names = [f"{i}_{text}" if text else str(i) for i, text in enumerate(self.symbols)]
        self.referenced: set[int] = set()
        self._slots = 0
        self.globals = self._plan_globals()
        passive = [("data", i) for i, data in enumerate(module.data) if not data.active]
        passive += [("elem", i) for i, elem in enumerate(module.elements) if _passive(elem)]
        self._segment_slots = {segment: self._slot() for segment in passive}
        self.memory: MemoryType | None = module.memories[0] if module.memories else None
        if len(module.memories) > 1:
            raise EmitError("the module has more than one memory")
        self._scan()
        self.tables = [self._plan_table(i, t) for i, t in enumerate(module.tables)]
        if len(self.tables) > MAX_TABLES:
            raise EmitError(f"the module has more than {MAX_TABLES} tables")
        self.element_arrays = self._element_arrays()
        self.tail = self._plan_tails()

    # -- functions ------------------------------------------------------------------------------

    def signature(self, function: int) -> FuncType:
        """The type of a function by its index, imports first."""
        return self.types[self.function_types[function]]

    def body(self, function: int) -> Body:
        """The decoded body of a defined function."""
        return self.bodies[function - len(self.imports)]

    def defined(self) -> range:
        """The indices of the functions that have bodies."""
        return range(len(self.imports), len(self.function_types))

    def _function_symbols(self) -> list[str]:
        """The module's names of its functions, fit for C; not unique, and empty where unknown."""
        known = self.module.names.functions
        imported = [symbol(f"{item.module}_{item.name}") for item in self.imports]
        defined = range(len(self.imports), len(self.function_types))
        return [*imported, *(symbol(known.get(index, "")) for index in defined)]

    def function_name(self, function: int) -> str:
        """The C name of a function's ordinary form."""
        return f"fn{self.names[function]}"

    def piece_name(self, function: int) -> str:
        """The C name of a function's form for tail calls."""
        return f"piece{self.names[function]}"

    # -- globals and segments -------------------------------------------------------------------

    def _slot(self) -> int:
        if self._slots == MAX_STATE_SLOTS:
            raise EmitError("the module has too many mutable globals or segments")
        self._slots += 1
        return self._slots - 1

    @property
    def state_slots(self) -> int:
        """How many 8-byte slots the program's state takes below linear memory."""
        return self._slots

    def segment_slot(self, kind: str, index: int) -> int | None:
        """The slot that says whether a passive segment was dropped; None for other segments."""
        return self._segment_slots.get((kind, index))

    def _plan_globals(self) -> list[GlobalPlan]:
        out: list[GlobalPlan] = []
        names = self.module.names.globals
        for index, item in enumerate(self.module.globals):
            constant = self.constant(item.init, out)
            kind: GlobalType = item.type
            c_type(kind.value)
            name = "_".join(filter(None, (f"g{index}", symbol(names.get(index, "")))))
            slot = self._slot() if kind.mutable else None
            out.append(GlobalPlan(kind.value, constant, slot, name))
        return out

    def constant(self, code: bytes, known: Sequence[GlobalPlan] | None = None) -> Constant:
        """The value of a constant expression."""
        instructions, _ = decode_expression(code)
        globals_ = self.globals if known is None else known
        values = [g.initial if g.slot is None else None for g in globals_]
        found = evaluate(instructions, values)
        if found.function is not None:
            self.referenced.add(found.function)
        return found

    # -- tables ---------------------------------------------------------------------------------

    def _instructions(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        for function, body in enumerate(self.bodies, len(self.imports)):
            for instruction in body.code:
                yield function, instruction

    def _scan(self) -> None:
        """One pass over all code for what tables and tail calls need to know."""
        self._changed_tables: set[int] = set()
        self._tail_callers: set[int] = set()
        self._tail_callees: set[int] = set()
        self._tail_types: set[tuple[int, int]] = set()
        for function, instruction in self._instructions():
            op = instruction[0]
            if op == _RETURN_CALL:
                self._tail_callers.add(function)
                self._tail_callees.add(instruction[1])
            elif op == _RETURN_CALL_INDIRECT:
                self._tail_callers.add(function)
                self._tail_types.add((self.canonical[instruction[1]], instruction[2]))
            elif op == _REF_FUNC:
                self.referenced.add(instruction[1])
            elif op in _TABLE_WRITES or op in _TABLE_READS:
                for where in (_TABLE_WRITES.get(op), _TABLE_READS.get(op)):
                    if where is not None:
                        self._changed_tables.add(instruction[where])

    def element_items(self, index: int) -> list[Constant]:
        """The references that an element segment holds."""
        segment = self.module.elements[index]
        if segment.functions is not None:
            return [Constant.of_function(function) for function in segment.functions]
        return [self.constant(code) for code in segment.expressions or ()]

    def _plan_table(self, index: int, table: TableType) -> TablePlan:
        entries = self._constant_entries(index, table)
        if entries is None and table.limits.minimum > MAX_TABLE_ELEMENTS:
            raise EmitError(f"table {index} has {table.limits.minimum} elements")
        types = {None if f is None else self.function_types[f] for f in entries or ()}
        return TablePlan(table, entries, types.pop() if len(types) == 1 else None)

    def _element_arrays(self) -> list[int]:
        """Element segments that code or the start reads: all but those of constant tables."""
        out = []
        for index, segment in enumerate(self.module.elements):
            dynamic = segment.active and self.tables[segment.table].entries is None
            if dynamic or _passive(segment):
                out.append(index)
                items = self.element_items(index)
                self.referenced.update(i.function for i in items if i.function is not None)
        return out

    def _constant_entries(self, index: int, table: TableType) -> tuple[int | None, ...] | None:
        if index in self._changed_tables or table.element != FUNCREF:
            return None
        if any(e.kind == TABLE and e.index == index for e in self.module.exports):
            return None
        if table.limits.minimum > MAX_TABLE_ELEMENTS:
            return None
        entries: list[int | None] = [None] * table.limits.minimum
        for number, segment in enumerate(self.module.elements):
            if not segment.active or segment.table != index:
                continue
            offset = self.constant(segment.offset).number
            items = [item.function for item in self.element_items(number)]
            if offset is None or offset + len(items) > len(entries):
                return None  # instantiation traps: leave that to the general way
            entries[offset : offset + len(items)] = items
        return tuple(entries)

    # -- tail calls -----------------------------------------------------------------------------

    def _plan_tails(self) -> TailPlan:
        plan = TailPlan(self._tail_callers | self._tail_callees)
        tail_types = {kind for kind, _ in self._tail_types}
        plan.tables = {table for _, table in self._tail_types}
        if tail_types:
            for function in self._in_tables():
                if self.function_types[function] in tail_types:
                    plan.functions.add(function)
        for function in plan.functions:
            self._widen(plan, self.signature(function))
        for kind in tail_types:
            self._widen(plan, self.types[kind])
        return plan

    def _widen(self, plan: TailPlan, kind: FuncType) -> None:
        arity = max(plan.arity.get(kind.results, 0), len(kind.params))
        if max(arity, len(kind.results)) > MAX_TAIL_SLOTS:
            raise EmitError(f"a tail call with more than {MAX_TAIL_SLOTS} values")
        plan.arity[kind.results] = arity

    def _in_tables(self) -> set[int]:
        constant = (f for t in self.tables if t.entries is not None for f in t.entries)
        return self.referenced | {function for function in constant if function is not None}


def _passive(segment: Element) -> bool:
    """Neither active nor declarative: those count as dropped from the start."""
    return segment.flags & 3 == 1
