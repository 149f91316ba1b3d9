"""Where the shadow stack's pointer stands, relative to its value on entry to the function.

C's stack lives in linear memory; a mutable global points to its end. A function lowers it, works
in the frame above it, and puts it back. What the preparations want to know is exact: at which
points does the global hold "value on entry plus c", and which locals do? Forward data flow answers,
over symbolic values: an offset to the entry value, a constant, or unknown.

Calls are taken to leave the global as it was. That is not believed: `discipline` checks it for
every function of the module, by the same analysis, each under the assumption that the calls it
makes keep it; by induction over the depth of calls that return, all do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from coilbox.wasm.body import Instr
from coilbox.wasm.opcodes import (
    GLOBAL_GET,
    GLOBAL_SET,
    I32_ADD,
    I32_CONST,
    I32_SUB,
    OPCODES,
    Imm,
)
from coilbox_guest.tailcall.effects import Effects
from coilbox_guest.tailcall.graph import LOCAL_GET, LOCAL_SET, LOCAL_TEE, TAIL_CALLS, Exit, Graph


class Value(NamedTuple):
    """An i32 that is known: `base` 1 for entry value plus offset, 0 for a constant."""

    base: int
    offset: int


_State: TypeAlias = tuple[Value | None, dict[int, Value]]
"""The global's value, and the locals that are known."""

_ENTRY: Final = Value(1, 0)
_ALIGN_THEN_OFFSET: Final = (Imm.ALIGN, Imm.OFFSET)


def _add(left: Value | None, right: Value | None) -> Value | None:
    if left is None or right is None or left.base + right.base > 1:
        return None
    return Value(left.base + right.base, _signed(left.offset + right.offset))


def _subtract(left: Value | None, right: Value | None) -> Value | None:
    if left is None or right is None or right.base > left.base:
        return None
    return Value(left.base - right.base, _signed(left.offset - right.offset))


def _signed(value: int) -> int:
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


@dataclass(slots=True)
class Facts:
    """The facts about one function."""

    pointer: int
    """The global's index."""
    at_entry: dict[int, _State] = field(default_factory=dict)
    """State on entry to each block that can be reached."""
    exits: list[Value | None] = field(default_factory=list)
    """The global's value at each return and tail call."""
    writes: list[tuple[int, int, Value | None]] = field(default_factory=list)
    """(block, position, value written) of each assignment to the global."""
    addresses: list[tuple[int, str]] = field(default_factory=list)
    """Addresses that are computed or used, relative to the entry value, and by what; not those
    that are assigned to the global."""

    @property
    def balanced(self) -> bool:
        """Whether the global is back at its entry value wherever the function is left."""
        return all(value == _ENTRY for value in self.exits)


Visit: TypeAlias = Callable[[int, int, Instr, Value | None, dict[int, Value]], None]
"""Called with block, position, instruction, the global's value and the known locals before it."""


class _Analysis:
    def __init__(self, graph: Graph, effects: Effects, pointer: int) -> None:
        self.graph = graph
        self.effects = effects
        self.facts = Facts(pointer)

    def run(self) -> Facts:
        entry = self.graph.entry
        at_entry = self.facts.at_entry
        at_entry[entry] = (_ENTRY, {})
        pending = [entry]
        while pending:
            number = pending.pop()
            after = self.block(number, at_entry[number], None)
            for target in dict.fromkeys(self.graph.blocks[number].targets):
                old = at_entry.get(target)
                new = after if old is None else _meet(old, after)
                if old is None or new != old:
                    at_entry[target] = new
                    pending.append(target)
        for number, state in at_entry.items():
            self.block(number, state, self.facts)
        return self.facts

    def block(
        self, number: int, state: _State, record: Facts | None, visit: Visit | None = None
    ) -> _State:
        """Interpret a block; the state at its end."""
        pointer = self.facts.pointer
        locals_ = self.graph.locals
        current, known = state[0], dict(state[1])
        stack: list[Value | None] = []
        block = self.graph.blocks[number]
        for position, instr in enumerate(block.code):
            op = instr[0]
            if visit is not None:
                visit(number, position, instr, current, known)
            if op == I32_CONST:
                stack.append(Value(0, instr[1]))
            elif op == LOCAL_GET:
                stack.append(known.get(instr[1]))
            elif op in (LOCAL_SET, LOCAL_TEE):
                value = stack.pop() if op == LOCAL_SET else stack[-1]
                if value is not None and value.base:
                    known[instr[1]] = value
                else:
                    known.pop(instr[1], None)
            elif op == GLOBAL_GET and instr[1] == pointer:
                stack.append(current)
            elif op == GLOBAL_SET and instr[1] == pointer:
                current = stack.pop()
                if record is not None:
                    record.writes.append((number, position, current))
            elif op in (I32_ADD, I32_SUB):
                right, left = stack.pop(), stack.pop()
                stack.append(_add(left, right) if op == I32_ADD else _subtract(left, right))
                if record is not None and not _restores(block.code, position, pointer):
                    _note(record, stack[-1], 0, instr)
            elif op in TAIL_CALLS:
                break
            else:
                # A `select` pushes what it popped; whichever type it says here is not looked at.
                pops, pushes = self.effects.of(instr, locals_, _ANY)
                if record is not None and OPCODES[op].immediates == _ALIGN_THEN_OFFSET:
                    _note(record, stack[-pops], instr[2], instr)
                if pops:
                    del stack[-pops:]
                stack.extend([None] * len(pushes))
        if record is not None and block.exit in (Exit.RETURN, Exit.TAIL):
            record.exits.append(current)
        return current, known


_ANY: Final = (0x7F, 0x7F, 0x7F)


def _restores(code: list[Instr], position: int, pointer: int) -> bool:
    """Whether the result of this instruction goes straight to the stack pointer."""
    return position + 1 < len(code) and code[position + 1] == (GLOBAL_SET, pointer)


def _note(record: Facts, value: Value | None, offset: int, instr: Instr) -> None:
    if value is not None and value.base:
        record.addresses.append((value.offset + offset, OPCODES[instr[0]].name))


def _meet(left: _State, right: _State) -> _State:
    pointer = left[0] if left[0] == right[0] else None
    if left[1] == right[1]:
        return pointer, left[1]
    other = right[1]
    return pointer, {key: value for key, value in left[1].items() if other.get(key) == value}


def analyse(graph: Graph, effects: Effects, pointer: int) -> Facts:
    """The facts about `pointer`, a mutable i32 global, in one function."""
    return _Analysis(graph, effects, pointer).run()


def walk(graph: Graph, effects: Effects, facts: Facts, visit: Visit) -> None:
    """Call `visit` at every instruction that can be reached, with what is known before it."""
    analysis = _Analysis(graph, effects, facts.pointer)
    for number, state in facts.at_entry.items():
        analysis.block(number, state, None, visit)


def find_pointer(graph: Graph) -> tuple[int, int] | None:
    """The global that the entry block lowers last, and by how many bytes: `(index, size)`.

    The form is LLVM's prologue: `global.get`, a constant, `i32.sub`, copies to locals,
    `global.set` of the same global. Another lowering may stand before it: what a pass added.
    """
    code = graph.blocks[graph.entry].code
    found = None
    for start in range(len(code) - 3):
        first, size, operation = code[start : start + 3]
        if (first[0], size[0], operation[0]) != (GLOBAL_GET, I32_CONST, I32_SUB):
            continue
        end = start + 3
        while end < len(code) and code[end][0] in (LOCAL_TEE, LOCAL_SET, LOCAL_GET):
            end += 1
        if end < len(code) and code[end] == (GLOBAL_SET, first[1]) and size[1] > 0:
            found = (first[1], size[1])
    return found
