"""One graph for each function of the result.

A piece is a copy of an entry's region in which each edge that leaves it leads to a small block
that passes the live values on and ends with a tail call.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from coilbox.wasm.body import Instr
from coilbox.wasm.opcodes import BY_NAME
from coilbox.wasm.types import F32, F64, I32, I64
from coilbox_guest.tailcall.frame import Frame
from coilbox_guest.tailcall.graph import (
    I32_CONST,
    LOCAL_GET,
    LOCAL_SET,
    LOCAL_TEE,
    WRITES_LOCAL,
    Block,
    Exit,
    Graph,
)

_RETURN_CALL: Final = BY_NAME["return_call"]
_RETURN_CALL_INDIRECT: Final = BY_NAME["return_call_indirect"]
_SELECT: Final = (BY_NAME["select"],)
_LESS: Final = (BY_NAME["i32.lt_u"],)
_ADD: Final = (BY_NAME["i32.add"],)
_ZERO: Final = {I32: "i32.const", I64: "i64.const", F32: "f32.const", F64: "f64.const"}


@dataclass(frozen=True)
class Interface:
    """The code that one function of the result is given."""

    params: tuple[int, ...]
    """Locals passed as parameters, in order."""
    slots: tuple[tuple[int, int], ...]
    """Locals passed through the frame, each with its offset."""
    function: int
    """Index in the function index space."""


@dataclass(frozen=True)
class Table:
    """The table of handlers, for indirect transfers."""

    index: int
    type_index: int
    base: Mapping[int, int]
    """Where the targets of each dispatch point begin."""


@dataclass(frozen=True)
class Plan:
    """Everything that the pieces have to agree on."""

    graph: Graph
    regions: Mapping[int, Sequence[int]]
    interfaces: Mapping[int, Interface]
    handler_params: tuple[int, ...]
    points: Collection[int]
    copied: Collection[int]
    """The dispatch points that each piece gets a copy of."""
    frame: Frame | None
    table: Table | None


def bounded_index(code: Sequence[Instr], count: int) -> bool:
    """Whether the i32 that the code leaves is certainly less than `count`."""
    if not code:
        return False
    last = code[-1]
    if last[0] == LOCAL_TEE and len(code) > 1:
        last, code = code[-2], code[:-1]
    if last == (BY_NAME["i32.and"],) and len(code) > 1 and code[-2][0] == I32_CONST:
        return 0 <= code[-2][1] < count
    if last[0] == BY_NAME["i32.load8_u"]:
        return count >= 1 << 8
    return last[0] == BY_NAME["i32.load16_u"] and count >= 1 << 16


class PieceBuilder:
    """Makes the piece of one entry."""

    def __init__(self, plan: Plan, entry: int) -> None:
        self._plan: Final = plan
        self._entry: Final = entry
        self._source: Final = plan.graph
        self._region: Final = frozenset(plan.regions[entry])
        self._interface: Final = plan.interfaces[entry]
        blocks = {number: plan.graph.blocks[number].copy() for number in plan.regions[entry]}
        self._piece: Final = Graph(plan.graph.type, list(plan.graph.locals), blocks, entry)
        self._next: Final = iter(range(max(plan.graph.blocks) + 1, 1 << 62))
        self._shared: Final[dict[int, int]] = {}
        passed = {*self._interface.params, *(local for local, _ in self._interface.slots)}
        copied = (plan.graph.blocks[point] for point in plan.copied)
        written = {
            instr[1]
            for block in (*blocks.values(), *copied)
            for instr in block.code
            if instr[0] in WRITES_LOCAL
        }
        self._available: Final = passed | written

    def build(self) -> Graph:
        """The piece, its parameters `interface.params`. The plan's graph is not changed."""
        for number in list(self._piece.blocks):
            block = self._piece.blocks[number]
            if number in self._plan.points:
                self._dispatch(number, number)
                continue
            if block.exit is Exit.SWITCH:
                block.targets = [self._switched(target) for target in block.targets]
            else:
                block.targets = [self._edge(target) for target in block.targets]
        self._fetch_slots()
        return self._piece

    def _fetch_slots(self) -> None:
        frame = self._plan.frame
        if not self._interface.slots or frame is None:
            return
        code: list[Instr] = []
        for local, offset in self._interface.slots:
            code += [*frame.load(self._source.locals[local], offset), (LOCAL_SET, local)]
        # A block of its own: the entry may be the head of a loop.
        self._piece.entry = self._add(code, Exit.JUMP, [self._entry])

    def _add(self, code: list[Instr], exit: Exit, targets: list[int]) -> int:
        number = next(self._next)
        self._piece.blocks[number] = Block(code, exit, targets)
        return number

    def _edge(self, target: int) -> int:
        """Where an edge to `target` goes in the piece: each gets its own copy of a way out."""
        if target in self._plan.copied:
            source = self._source.blocks[target]
            number = self._add(list(source.code), Exit.SWITCH, list(source.targets))
            self._dispatch(number, target)
            return number
        if target in self._region:
            return target
        return self._add(self._passing(target), Exit.TAIL, [])

    def _switched(self, target: int) -> int:
        """The same for the target of a switch; they share one block for each way out."""
        if target not in self._shared:
            self._shared[target] = self._edge(target)
        return self._shared[target]

    def _dispatch(self, number: int, point: int) -> None:
        """Let a block, which is or was copied from a dispatch point, hand over to handlers."""
        block = self._piece.blocks[number]
        plan = self._plan
        if plan.table is None:
            block.targets = [self._switched(target) for target in block.targets]
            return
        count = len(block.targets) - 1
        bounded = bounded_index(block.code, count)
        base = plan.table.base[point]
        simple = not any(instr[0] in WRITES_LOCAL for instr in block.code) and bounded and not base
        arguments = [instr for local in plan.handler_params for instr in self._value(local)]
        call = (_RETURN_CALL_INDIRECT, plan.table.type_index, plan.table.index)
        if simple:
            block.code = [*arguments, *block.code, call]
        else:
            index = self._piece.new_local(I32)
            get = (LOCAL_GET, index)
            code = [*block.code, (LOCAL_SET, index), *arguments, get]
            if not bounded:
                code += [(I32_CONST, count), get, (I32_CONST, count), _LESS, _SELECT]
            if base:
                code += [(I32_CONST, base), _ADD]
            block.code = [*code, call]
        block.exit, block.targets = Exit.TAIL, []

    def _value(self, local: int) -> list[Instr]:
        """Push a local; if it has no value here, the receiver does not look at it: any will do."""
        if local in self._available or self._entry == self._source.entry:
            return [(LOCAL_GET, local)]
        return [(BY_NAME[_ZERO[self._source.locals[local]]], 0)]

    def _passing(self, target: int) -> list[Instr]:
        """Code that hands over to another function."""
        plan = self._plan
        interface = plan.interfaces[target]
        code: list[Instr] = []
        for local, offset in interface.slots:
            assert plan.frame is not None
            code += plan.frame.store(self._source.locals[local], offset, self._value(local))
        for local in interface.params:
            code += self._value(local)
        return [*code, (_RETURN_CALL, interface.function)]
