"""The control-flow graph that every step of this compiler works on.

A block is straight-line code and one exit. WebAssembly's operand stack is empty between blocks
(`build` sees to that), so all that lives across an edge are locals.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from coilbox.wasm.body import Instr
from coilbox.wasm.opcodes import BY_NAME
from coilbox.wasm.types import FuncType


class Exit(Enum):
    """How control leaves a block."""

    JUMP = "jump"
    """To `targets[0]`."""
    BRANCH = "branch"
    """The code leaves an i32: to `targets[0]` if it is not zero, else to `targets[1]`."""
    SWITCH = "switch"
    """The code leaves an i32, the index of the target; the last target is the default."""
    RETURN = "return"
    """The code leaves the function's results on top of the stack."""
    TRAP = "trap"
    TAIL = "tail"
    """The code ends with a tail call."""


@dataclass(slots=True)
class Block:
    """Straight-line code, and how and where it goes on."""

    code: list[Instr]
    exit: Exit
    targets: list[int] = field(default_factory=list)

    def copy(self) -> Block:
        """A copy whose lists can be changed."""
        return Block(list(self.code), self.exit, list(self.targets))


@dataclass(slots=True)
class Graph:
    """A function. Blocks are known by number; the numbers carry no order."""

    type: FuncType
    locals: list[int]
    """Value types, parameters first."""
    blocks: dict[int, Block]
    entry: int

    def new_block(self, code: list[Instr], exit: Exit, targets: list[int]) -> int:
        """Add a block; its number."""
        number = max(self.blocks, default=-1) + 1
        self.blocks[number] = Block(code, exit, targets)
        return number

    def new_local(self, kind: int) -> int:
        """Add a local of that value type; its index."""
        self.locals.append(kind)
        return len(self.locals) - 1

    def copy(self) -> Graph:
        """A deep copy."""
        blocks = {number: block.copy() for number, block in self.blocks.items()}
        return Graph(self.type, list(self.locals), blocks, self.entry)

    def predecessors(self) -> dict[int, list[int]]:
        """For each block the blocks with an edge to it, one for each edge."""
        found: dict[int, list[int]] = {number: [] for number in self.blocks}
        for number, block in self.blocks.items():
            for target in block.targets:
                found[target].append(number)
        return found

    def instructions(self) -> Iterator[Instr]:
        """All instructions of all blocks."""
        for block in self.blocks.values():
            yield from block.code

    def definitions(self) -> dict[int, int]:
        """How often each local is assigned, in the text, for the locals that are."""
        counts: dict[int, int] = {}
        for instr in self.instructions():
            if instr[0] in WRITES_LOCAL:
                counts[instr[1]] = counts.get(instr[1], 0) + 1
        return counts


LOCAL_GET: Final = BY_NAME["local.get"]
LOCAL_SET: Final = BY_NAME["local.set"]
LOCAL_TEE: Final = BY_NAME["local.tee"]
I32_CONST: Final = BY_NAME["i32.const"]
I32_EQZ: Final = BY_NAME["i32.eqz"]
WRITES_LOCAL: Final = frozenset((LOCAL_SET, LOCAL_TEE))
TAIL_CALLS: Final = frozenset(
    BY_NAME[name] for name in ("return_call", "return_call_indirect", "return_call_ref")
)


def reachable(graph: Graph, roots: Iterable[int], barrier: Collection[int] = ()) -> set[int]:
    """Blocks that can be reached from `roots` without passing an edge into `barrier`."""
    seen: set[int] = set()
    stack = list(roots)
    while stack:
        number = stack.pop()
        if number in seen:
            continue
        seen.add(number)
        stack.extend(
            target
            for target in graph.blocks[number].targets
            if target not in seen and target not in barrier
        )
    return seen


def remove_unreachable(graph: Graph) -> None:
    """Drop the blocks that no path from the entry reaches."""
    alive = reachable(graph, (graph.entry,))
    graph.blocks = {number: block for number, block in graph.blocks.items() if number in alive}
