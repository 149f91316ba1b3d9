"""From a reducible graph back to WebAssembly's structured code.

Norman Ramsey, "Beyond Relooper: Recursive Translation of Unstructured Control Flow to Structured
Control Flow" (ICFP 2022), figure 5 and section 5: a node is placed directly behind the block that
ends at it, inside the code of its immediate dominator; a loop's head becomes a `loop`. The
recursion is a stack of things to do here, for a graph may be deeper than Python's.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from coilbox.wasm.body import Instr
from coilbox.wasm.opcodes import BY_NAME, EMPTY_BLOCK
from coilbox_guest.tailcall.dominators import DominatorTree, dominator_tree
from coilbox_guest.tailcall.errors import Reason, SplitRefusedError
from coilbox_guest.tailcall.graph import I32_EQZ, Block, Exit, Graph

_UNREACHABLE: Final = (BY_NAME["unreachable"],)
_BLOCK: Final = (BY_NAME["block"], EMPTY_BLOCK)
_LOOP: Final = (BY_NAME["loop"], EMPTY_BLOCK)
_IF: Final = (BY_NAME["if"], EMPTY_BLOCK)
_END: Final = (BY_NAME["end"],)
_BR: Final = BY_NAME["br"]
_BR_IF: Final = BY_NAME["br_if"]
_BR_TABLE: Final = BY_NAME["br_table"]
_RETURN: Final = (BY_NAME["return"],)
_NOWHERE: Final = -1


class _Task(NamedTuple):
    """Something to emit, at a nesting depth, where falling through leads to node `falls`."""

    kind: str
    node: int
    merges: tuple[int, ...]
    depth: int
    falls: int


class _Structurer:
    def __init__(self, graph: Graph) -> None:
        self.graph: Final = graph
        successors = {number: block.targets for number, block in graph.blocks.items()}
        self.tree: Final[DominatorTree] = dominator_tree(successors, graph.entry)
        wrong = self.tree.irreducible_edges()
        if wrong:
            raise SplitRefusedError(Reason.IRREDUCIBLE, f"edges {wrong[:3]} enter a loop sideways")
        rank = self.tree.rank
        self.heads: Final = {
            node
            for node, sources in self.tree.predecessors.items()
            if any(rank[source] >= rank[node] for source in sources)
        }
        self.merges: Final = {
            node
            for node, sources in self.tree.predecessors.items()
            if sum(rank[source] < rank[node] for source in sources) > 1
            or any(
                rank[source] < rank[node] and graph.blocks[source].exit is Exit.SWITCH
                for source in sources
            )
        }
        self.level: Final[dict[tuple[bool, int], int]] = {}
        self.code: Final[list[Instr]] = []
        self.todo: Final[list[_Task]] = []

    def run(self) -> list[Instr]:
        self.todo.append(_Task("tree", self.graph.entry, (), 0, _NOWHERE))
        while self.todo:
            task = self.todo.pop()
            if task.kind == "tree":
                self.tree_of(task)
            elif task.kind == "within":
                self.within(task)
            elif task.kind == "branch":
                self.branch(task.merges[0], task)
            else:
                self.code.append(_END)
        if self.code[-1] == _END:
            # Control never gets here, but the validator would want the function's results.
            self.code.append(_UNREACHABLE)
        self.code.append(_END)
        return self.code

    def tree_of(self, task: _Task) -> None:
        """A node and all that it dominates."""
        node = task.node
        merges = tuple(
            child for child in reversed(self.tree.children[node]) if child in self.merges
        )
        if node in self.heads:
            self.code.append(_LOOP)
            self.level[True, node] = task.depth
            self.todo.append(_Task("end", node, (), task.depth, _NOWHERE))
            self.todo.append(_Task("within", node, merges, task.depth + 1, _NOWHERE))
        else:
            self.within(task._replace(kind="within", merges=merges))

    def within(self, task: _Task) -> None:
        """A node inside the blocks that end at the merge nodes it dominates, last one outermost."""
        node, depth, falls = task.node, task.depth, task.falls
        after: list[_Task] = []
        for merge in task.merges:
            self.code.append(_BLOCK)
            self.level[False, merge] = depth
            after += (_Task("tree", merge, (), depth, falls), _Task("end", merge, (), depth, falls))
            depth += 1
            falls = merge
        self.todo.extend(after)
        self.leaf(node, depth, falls)

    def leaf(self, node: int, depth: int, falls: int) -> None:
        """A node's own code and exit."""
        block = self.graph.blocks[node]
        self.code.extend(block.code)
        task = _Task("branch", node, (), depth, falls)
        if block.exit is Exit.JUMP:
            self.branch(block.targets[0], task)
        elif block.exit is Exit.BRANCH:
            self.condition(block, task)
        elif block.exit is Exit.SWITCH:
            labels = (self.label(node, target, depth) for target in block.targets)
            self.code.append((_BR_TABLE, *labels))
        elif block.exit is Exit.RETURN:
            self.code.append(_RETURN)
        elif block.exit is Exit.TRAP:
            self.code.append(_UNREACHABLE)

    def condition(self, block: Block, task: _Task) -> None:
        yes, no = block.targets
        node, depth = task.node, task.depth
        if self.is_label(node, yes):
            self.code.append((_BR_IF, self.label(node, yes, depth)))
            self.branch(no, task)
        elif self.is_label(node, no):
            # A test for zero before a test for zero is none.
            if self.code[-1] == (I32_EQZ,) and block.code:
                self.code.pop()
            else:
                self.code.append((I32_EQZ,))
            self.code.append((_BR_IF, self.label(node, no, depth)))
            self.branch(yes, task)
        else:
            self.code.append(_IF)
            self.todo.append(task._replace(merges=(no,)))
            self.todo.append(_Task("end", node, (), depth, _NOWHERE))
            self.todo.append(_Task("branch", node, (yes,), depth + 1, _NOWHERE))

    def is_label(self, source: int, target: int) -> bool:
        return target in self.merges or self.tree.rank[target] <= self.tree.rank[source]

    def label(self, source: int, target: int, depth: int) -> int:
        backwards = self.tree.rank[target] <= self.tree.rank[source]
        return depth - 1 - self.level[backwards, target]

    def branch(self, target: int, task: _Task) -> None:
        if not self.is_label(task.node, target):
            self.todo.append(_Task("tree", target, (), task.depth, task.falls))
        elif target != task.falls or self.tree.rank[target] <= self.tree.rank[task.node]:
            self.code.append((_BR, self.label(task.node, target, task.depth)))


def structured_code(graph: Graph) -> list[Instr]:
    """The function's code with its final `end`.

    Raises SplitRefusedError (IRREDUCIBLE) where a loop has more than one entry.
    """
    return _Structurer(graph).run()
