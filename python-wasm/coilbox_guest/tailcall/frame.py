"""Preparation: keep values in the function's shadow stack frame.

The frame is made larger, and the new part above the old one holds values that would otherwise be
passed from handler to handler: loop invariants, rarely assigned variables, and what a shared piece
of code needs beyond the parameters. A local that is moved there is stored after each assignment
and loaded at each read.

Conditions, each checked: the prologue lowers the pointer in the first block, each other assignment
puts it back in LLVM's form, nothing else computes an address at or above the frame's end, and the
moved locals are used only while the pointer is lowered. After the change the analysis is run again
and has to find the pointer balanced. A pass may have put another frame around the compiler's; that
one stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from coilbox.wasm.body import Instr
from coilbox.wasm.opcodes import BY_NAME, GLOBAL_GET, I32_ADD, I32_CONST, I32_SUB
from coilbox.wasm.types import F32, F64, I32, I64
from coilbox_guest.tailcall.effects import Effects
from coilbox_guest.tailcall.graph import LOCAL_GET, LOCAL_SET, LOCAL_TEE, WRITES_LOCAL, Graph
from coilbox_guest.tailcall.liveness import live_in
from coilbox_guest.tailcall.stackpointer import Facts, Value, analyse, walk

_LOAD: Final = {I32: "i32.load", I64: "i64.load", F32: "f32.load", F64: "f64.load"}
_STORE: Final = {I32: "i32.store", I64: "i64.store", F32: "f32.store", F64: "f64.store"}
_ALIGN: Final = {I32: 2, F32: 2, I64: 3, F64: 3}
_STACK_ALIGNMENT: Final = 16


@dataclass
class Frame:
    """The shadow stack frame of one function, and what was added to it."""

    pointer: int
    """Index of the stack pointer's global."""
    size: int
    """Bytes of the frame as the compiler made it."""
    level: int
    """The lowered pointer, relative to its value on entry: `-size`, or lower."""
    extra: int = 0
    """Bytes added so far."""
    slots: dict[int, int] = field(default_factory=dict)
    """Offset from the stack pointer of each local that was moved to the frame."""

    def allocate(self, kind: int) -> int:
        """A new slot for a value of that type; its offset from the lowered stack pointer."""
        width = 1 << _ALIGN[kind]
        offset = (self.size + self.extra + width - 1) & -width
        self.extra = offset + width - self.size
        return offset

    def load(self, kind: int, offset: int) -> list[Instr]:
        """Code that pushes the value of a slot."""
        return [(GLOBAL_GET, self.pointer), (BY_NAME[_LOAD[kind]], _ALIGN[kind], offset)]

    def store(self, kind: int, offset: int, value: Sequence[Instr]) -> list[Instr]:
        """Code that stores what `value` pushes in a slot."""
        store = (BY_NAME[_STORE[kind]], _ALIGN[kind], offset)
        return [(GLOBAL_GET, self.pointer), *value, store]


def find_frame(graph: Graph, facts: Facts, size: int) -> Frame | str:
    """The frame of `size` bytes that the entry block makes, or why it cannot be enlarged."""
    if not facts.balanced:
        return "the function may return with another stack pointer than it was called with"
    first = sorted(item[1:] for item in facts.writes if item[0] == graph.entry)
    if not first or any(value is None or not value.base for _, value in first):
        return "the stack pointer is not lowered in the first block"
    lowered_at, level = min(
        ((position, value.offset) for position, value in first if value is not None),
        key=lambda item: item[1],
    )
    top = level + size
    before = [value for position, value in first if position < lowered_at]
    if any(value is not None and value.offset < top for value in before):
        return "the stack pointer is lowered in more than one way"
    for number, position, value in facts.writes:
        if number == graph.entry and position <= lowered_at:
            continue
        form = graph.blocks[number].code[max(position - 2, 0) : position]
        inner = value == Value(1, top) and form == [(I32_CONST, size), (I32_ADD,)]
        if not inner and (value is None or not value.base or value.offset <= top):
            return f"the stack pointer is assigned another way than by {size} up or down"
    above = next((name for offset, name in facts.addresses if offset >= top), None)
    if above is not None:
        return f"an address above the frame is computed, by {above}"
    return Frame(facts.pointer, size, level)


def enlarge(graph: Graph, effects: Effects, facts: Facts, frame: Frame) -> None:
    """Make room for what was allocated; `facts` are current."""
    grown = frame.size + -(-frame.extra // _STACK_ALIGNMENT) * _STACK_ALIGNMENT
    for number, position, value in facts.writes:
        code = graph.blocks[number].code
        restore = [(I32_CONST, frame.size), (I32_ADD,)]
        if value == Value(1, frame.level + frame.size) and code[position - 2 : position] == restore:
            code[position - 2] = (I32_CONST, grown)
        elif value == Value(1, frame.level):
            prologue = [(GLOBAL_GET, frame.pointer), (I32_CONST, frame.size), (I32_SUB,)]
            at = max(i for i in range(position) if code[i : i + 3] == prologue)
            code[at + 1] = (I32_CONST, grown)
    after = analyse(graph, effects, frame.pointer)
    lowest = min(value.offset for _, _, value in after.writes if value is not None)
    assert after.balanced and lowest == frame.level + frame.size - grown, "not balanced any more"


def move_to_frame(
    graph: Graph, effects: Effects, facts: Facts, frame: Frame, wanted: Sequence[int]
) -> tuple[list[int], dict[int, str]]:
    """Move locals to the frame; those that were, and why the others were not."""
    if not wanted:
        return [], {}
    lowered_at = next(p for b, p, value in facts.writes if value == Value(1, frame.level))
    refused = _unmovable(graph, effects, facts, frame, wanted, lowered_at)
    moved = [local for local in wanted if local not in refused]
    for local in moved:
        frame.slots[local] = frame.allocate(graph.locals[local])
    for number, block in graph.blocks.items():
        split = lowered_at + 1 if number == graph.entry else 0
        head, tail = block.code[:split], block.code[split:]
        written = {instr[1] for instr in head if instr[0] in WRITES_LOCAL}
        for local in moved:
            if split and (local in written or local < len(graph.type.params)):
                kind = graph.locals[local]
                head += frame.store(kind, frame.slots[local], [(LOCAL_GET, local)])
        block.code = head + _through_frame(graph, frame, moved, tail)
    return moved, refused


def _unmovable(
    graph: Graph,
    effects: Effects,
    facts: Facts,
    frame: Frame,
    wanted: Sequence[int],
    lowered_at: int,
) -> dict[int, str]:
    refused: dict[int, str] = {}
    unset = live_in(graph)[graph.entry] >> len(graph.type.params) << len(graph.type.params)
    for local in wanted:
        if graph.locals[local] not in _LOAD:
            refused[local] = "its type has no place in memory"
        elif unset >> local & 1:
            refused[local] = "it may be read before it is assigned"

    def visit(
        block: int, position: int, instr: Instr, pointer: Value | None, _: dict[int, Value]
    ) -> None:
        if (instr[0] == LOCAL_GET or instr[0] in WRITES_LOCAL) and instr[1] in wanted:
            early = block == graph.entry and position < lowered_at
            if pointer != Value(1, frame.level) and not early:
                refused.setdefault(instr[1], "it is used outside the frame's lifetime")

    walk(graph, effects, facts, visit)
    return refused


def _through_frame(
    graph: Graph, frame: Frame, moved: Sequence[int], code: Sequence[Instr]
) -> list[Instr]:
    """One block's code with loads and stores for the moved locals.

    Within a block the local itself stays good once it was loaded or assigned.
    """
    out: list[Instr] = []
    current: set[int] = set()
    for instr in code:
        op = instr[0]
        local = instr[1] if op == LOCAL_GET or op in WRITES_LOCAL else -1
        if local not in frame.slots or local not in moved:
            out.append(instr)
            continue
        kind, offset = graph.locals[local], frame.slots[local]
        if op == LOCAL_GET:
            if local in current:
                out.append(instr)
            else:
                out += frame.load(kind, offset)
                out.append((LOCAL_TEE, local))
        else:
            out.append((LOCAL_SET, local))
            out += frame.store(kind, offset, [(LOCAL_GET, local)])
            if op == LOCAL_TEE:
                out.append((LOCAL_GET, local))
        current.add(local)
    return out
