"""Preparation: follow constants through the selector variables that a compiler put in.

WebAssembly can only branch to enclosing blocks, so LLVM gives a loop with several entries one head
that switches on a variable, which each way in sets to a constant (its pass
`WebAssemblyFixIrreducibleControlFlow`).
Structured code is built from such heads again later; until then they only make values look live
where they are not. An edge whose source sets the variable to a constant goes to the final target.

Sound without conditions: the skipped head reads one local, writes nothing, and is evaluated here.
"""

from __future__ import annotations

from typing import Final

from coilbox.wasm.opcodes import BY_NAME
from coilbox_guest.tailcall.dominators import dominator_tree
from coilbox_guest.tailcall.graph import (
    I32_CONST,
    I32_EQZ,
    LOCAL_GET,
    WRITES_LOCAL,
    Block,
    Exit,
    Graph,
    remove_unreachable,
)

_MASK: Final = 0xFFFF_FFFF
_COMPARE: Final = {BY_NAME["i32.eq"]: False, BY_NAME["i32.ne"]: True}


def thread_selectors(graph: Graph, *, reducible: bool = False) -> int:
    """Change the graph in place; how many edges were led past a selector.

    With `reducible`, only edges after which the graph still is.
    """
    threaded = 0
    changed = True
    while changed:
        changed = False
        for number, block in graph.blocks.items():
            if block.exit is not Exit.JUMP:
                continue
            head = block.targets[0]
            target = _evaluate(graph.blocks[head], block) if head != number else None
            if target is not None:
                block.targets = [target]
                if reducible and not _is_reducible(graph):
                    block.targets = [head]
                    continue
                threaded += 1
                changed = True
    remove_unreachable(graph)
    return threaded


def _is_reducible(graph: Graph) -> bool:
    successors = {number: block.targets for number, block in graph.blocks.items()}
    return not dominator_tree(successors, graph.entry).irreducible_edges()


def _evaluate(head: Block, source: Block) -> int | None:
    """Where `head` goes when it is entered from `source`, if that is known."""
    code = head.code
    if head.exit not in (Exit.SWITCH, Exit.BRANCH) or not code or code[0][0] != LOCAL_GET:
        return None
    value = _constant(source, code[0][1])
    if value is None:
        return None
    rest = code[1:]
    if rest == [(I32_EQZ,)]:
        value = int(value == 0)
    elif len(rest) == 2 and rest[0][0] == I32_CONST and rest[1][0] in _COMPARE:
        value = int((value == rest[0][1] & _MASK) != _COMPARE[rest[1][0]])
    elif rest:
        return None
    if head.exit is Exit.BRANCH:
        return head.targets[0 if value else 1]
    return head.targets[min(value, len(head.targets) - 1)]


def _constant(block: Block, local: int) -> int | None:
    """The constant that the local holds at the end of the block, if the block says so."""
    code = block.code
    for position in range(len(code) - 1, -1, -1):
        op, *immediates = code[position]
        if op in WRITES_LOCAL and immediates[0] == local:
            before = code[position - 1] if position else None
            if before is not None and before[0] == I32_CONST:
                return before[1] & _MASK
            return None
    return None
