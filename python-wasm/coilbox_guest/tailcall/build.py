"""From a function body to its control-flow graph.

WebAssembly's blocks may take and give operands. Values that lie on the operand stack where control
may branch or join are moved to locals, one for each (stack height, type): both ends of an edge
then agree on the place without looking at each other. Compilers rarely leave such values.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from coilbox.wasm.body import Instr, decode_body
from coilbox.wasm.module import Module
from coilbox.wasm.opcodes import BY_NAME
from coilbox.wasm.types import I32, FuncType
from coilbox_guest.tailcall.effects import Effects, block_type
from coilbox_guest.tailcall.graph import (
    LOCAL_GET,
    LOCAL_SET,
    TAIL_CALLS,
    Block,
    Exit,
    Graph,
    remove_unreachable,
)

_UNREACHABLE: Final = BY_NAME["unreachable"]
_BLOCK: Final = BY_NAME["block"]
_LOOP: Final = BY_NAME["loop"]
_IF: Final = BY_NAME["if"]
_ELSE: Final = BY_NAME["else"]
_END: Final = BY_NAME["end"]
_BR: Final = BY_NAME["br"]
_BR_IF: Final = BY_NAME["br_if"]
_BR_TABLE: Final = BY_NAME["br_table"]
_RETURN: Final = BY_NAME["return"]
_CONTROL: Final = frozenset(
    (_UNREACHABLE, _BLOCK, _LOOP, _IF, _ELSE, _END, _BR, _BR_IF, _BR_TABLE, _RETURN, *TAIL_CALLS)
)
_FUNCTION_LABEL: Final = -1


@dataclass(slots=True)
class _Frame:
    """An open block. `base` is the stack's height below its parameters."""

    op: int
    base: int
    type: FuncType
    label: int
    """The block that a branch goes to."""
    arity: int
    """How many values a branch carries."""
    after: int
    """The block behind the `end`; for the function itself, and in dead code, none: -1."""
    reached: bool = False
    """Whether something goes to `after`."""
    alternative: int = -1
    """Of an `if` without its `else` yet: the block to take when the condition is zero."""


class _Builder:
    def __init__(self, effects: Effects, kind: FuncType, locals_: list[int]) -> None:
        self.effects = effects
        self.graph = Graph(kind, [*kind.params, *locals_], {0: Block([], Exit.TRAP)}, 0)
        self.current: Block | None = self.graph.blocks[0]
        self.stack: list[int] = []
        self.frames = [_Frame(_BLOCK, 0, kind, _FUNCTION_LABEL, len(kind.results), -1)]
        self.places: dict[tuple[int, int], int] = {}

    def build(self, code: Iterable[Instr]) -> Graph:
        effect_of = self.effects.of
        locals_, stack = self.graph.locals, self.stack
        for instr in code:
            op = instr[0]
            if op in _CONTROL:
                self.control(op, instr)
            elif self.current is not None:
                pops, pushes = effect_of(instr, locals_, stack)
                if pops:
                    del stack[-pops:]
                stack.extend(pushes)
                self.current.code.append(instr)
        remove_unreachable(self.graph)
        return self.graph

    # -- operands that live across an edge

    def place(self, height: int, kind: int) -> int:
        """The local for the operand of that type at that height of the stack."""
        local = self.places.get((height, kind))
        if local is None:
            local = self.places[height, kind] = self.graph.new_local(kind)
        return local

    def park(self, block: Block) -> None:
        """Move the open frame's operands to their locals."""
        base = self.frames[-1].base
        for height in range(len(self.stack) - 1, base - 1, -1):
            block.code.append((LOCAL_SET, self.place(height, self.stack[height])))

    def park_below_condition(self, block: Block) -> None:
        """The same, but leave the i32 on top, which is no longer counted in `stack`."""
        if len(self.stack) > self.frames[-1].base:
            condition = self.place(-1, I32)
            block.code.append((LOCAL_SET, condition))
            self.park(block)
            block.code.append((LOCAL_GET, condition))

    def fetch(self, block: Block, start: int) -> None:
        """Put the operands from that height on back on the stack."""
        for height in range(start, len(self.stack)):
            block.code.append((LOCAL_GET, self.place(height, self.stack[height])))

    def edge(self, depth: int) -> int:
        """A block to branch to for a label, when all operands are parked."""
        frame = self.frames[-1 - depth]
        start = len(self.stack) - frame.arity
        if frame.label == _FUNCTION_LABEL:
            number = self.graph.new_block([], Exit.RETURN, [])
            self.fetch(self.graph.blocks[number], start)
            return number
        frame.reached |= frame.label == frame.after
        if not frame.arity or start == frame.base:
            return frame.label
        number = self.graph.new_block([], Exit.JUMP, [frame.label])
        code = self.graph.blocks[number].code
        # Downwards in the stack, so ascending order overwrites nothing that is still wanted.
        for offset in range(frame.arity):
            kind = self.stack[start + offset]
            code.append((LOCAL_GET, self.place(start + offset, kind)))
            code.append((LOCAL_SET, self.place(frame.base + offset, kind)))
        return number

    # -- control

    def close(self, exit: Exit, targets: list[int]) -> None:
        assert self.current is not None
        self.current.exit = exit
        self.current.targets = targets
        self.current = None

    def open(self, number: int) -> Block:
        self.current = self.graph.blocks[number]
        return self.current

    def control(self, op: int, instr: Instr) -> None:
        if op in (_BLOCK, _LOOP, _IF):
            self.enter(op, instr[1])
        elif op == _ELSE:
            self.alternative()
        elif op == _END:
            self.end()
        elif self.current is None:
            return
        elif op == _UNREACHABLE:
            self.close(Exit.TRAP, [])
        elif op in TAIL_CALLS:
            self.current.code.append(instr)
            self.close(Exit.TAIL, [])
        elif op == _RETURN or (op == _BR and self.frames[-1 - instr[1]].label == _FUNCTION_LABEL):
            self.close(Exit.RETURN, [])
        elif op == _BR:
            self.park(self.current)
            self.close(Exit.JUMP, [self.edge(instr[1])])
        else:
            block = self.current
            self.stack.pop()
            self.park_below_condition(block)
            if op == _BR_TABLE:
                edges = {depth: self.edge(depth) for depth in dict.fromkeys(instr[1:])}
                self.close(Exit.SWITCH, [edges[depth] for depth in instr[1:]])
            else:
                following = self.graph.new_block([], Exit.TRAP, [])
                self.close(Exit.BRANCH, [self.edge(instr[1]), following])
                self.fetch(self.open(following), self.frames[-1].base)

    def enter(self, op: int, immediate: int) -> None:
        block = self.current
        if block is None:
            self.frames.append(_Frame(op, len(self.stack), FuncType((), ()), -1, 0, -1))
            return
        kind = block_type(self.effects, immediate)
        if op == _IF:
            self.stack.pop()
            self.park_below_condition(block)
        else:
            self.park(block)
        base = len(self.stack) - len(kind.params)
        after = self.graph.new_block([], Exit.TRAP, [])
        frame = _Frame(op, base, kind, after, len(kind.results), after)
        self.frames.append(frame)
        if op != _BLOCK:
            number = self.graph.new_block([], Exit.TRAP, [])
            if op == _LOOP:
                frame.label, frame.arity = number, len(kind.params)
                self.close(Exit.JUMP, [number])
            else:
                frame.alternative = self.graph.new_block([], Exit.TRAP, [])
                self.close(Exit.BRANCH, [number, frame.alternative])
            block = self.open(number)
        self.fetch(block, base)

    def alternative(self) -> None:
        frame = self.frames[-1]
        if frame.after < 0:
            return
        self.finish(frame)
        self.stack[frame.base :] = frame.type.params
        self.fetch(self.open(frame.alternative), frame.base)
        frame.alternative = -1

    def finish(self, frame: _Frame) -> None:
        """Control runs into the `else` or the `end` of a frame."""
        if self.current is not None:
            self.park(self.current)
            self.close(Exit.JUMP, [frame.after])
            frame.reached = True

    def end(self) -> None:
        frame = self.frames[-1]
        if len(self.frames) == 1:
            if self.current is not None:
                self.close(Exit.RETURN, [])
            return
        if frame.after < 0:
            self.frames.pop()
            return
        self.finish(frame)
        if frame.alternative >= 0:
            # An `if` without `else` hands its parameters on: they lie in their places already.
            skip = self.graph.blocks[frame.alternative]
            skip.exit, skip.targets = Exit.JUMP, [frame.after]
            frame.reached = True
        self.frames.pop()
        self.stack[frame.base :] = frame.type.results
        if frame.reached:
            self.fetch(self.open(frame.after), self.frames[-1].base)


def build_graph(module: Module, function: int, effects: Effects | None = None) -> Graph:
    """The control-flow graph of a defined function, given its index in the function index space.

    Raises SplitRefusedError for instructions that are not supported; exception handling is one
    of them (the decoder says so).
    """
    effects = effects or Effects(module)
    body = decode_body(module.code[function - effects.imported_functions])
    kind = effects.function_types[function]
    return _Builder(effects, kind, body.local_types()).build(body.code)
