"""Clean-ups that keep the meaning: empty blocks out of the way, straight lines in one block."""

from __future__ import annotations

from collections.abc import Collection

from coilbox.wasm.body import Instr
from coilbox_guest.tailcall.expressions import expression_start
from coilbox_guest.tailcall.graph import (
    LOCAL_GET,
    LOCAL_SET,
    WRITES_LOCAL,
    Exit,
    Graph,
    remove_unreachable,
)

_DROP = (0x1A,)


def simplify(graph: Graph, keep: Collection[int] = ()) -> None:
    """Let edges skip empty blocks, and append to a block its only successor's only block.

    The blocks in `keep` stay blocks of their own.
    """
    _skip_empty(graph, keep)
    remove_unreachable(graph)
    _merge_lines(graph, keep)


def _skip_empty(graph: Graph, keep: Collection[int]) -> None:
    blocks = graph.blocks

    def end_of(number: int) -> int:
        seen = {number}
        while number not in keep:
            block = blocks[number]
            if block.code or block.exit is not Exit.JUMP or block.targets[0] in seen:
                break
            number = block.targets[0]
            seen.add(number)
        return number

    for block in blocks.values():
        block.targets = [end_of(target) for target in block.targets]
        if block.exit is Exit.JUMP and not blocks[block.targets[0]].code:
            # An empty return or trap is as short as a jump to it.
            target = blocks[block.targets[0]]
            if target.exit in (Exit.RETURN, Exit.TRAP) and block.targets[0] not in keep:
                block.exit, block.targets = target.exit, []
    graph.entry = end_of(graph.entry) if graph.entry not in keep else graph.entry


def _merge_lines(graph: Graph, keep: Collection[int]) -> None:
    blocks = graph.blocks
    incoming = {number: len(sources) for number, sources in graph.predecessors().items()}
    for number in list(blocks):
        if number not in blocks:
            continue
        block = blocks[number]
        while block.exit is Exit.JUMP:
            following = block.targets[0]
            if following in (number, graph.entry) or following in keep or incoming[following] > 1:
                break
            target = blocks.pop(following)
            block.code += target.code
            block.exit, block.targets = target.exit, target.targets


def remove_unread(graph: Graph) -> int:
    """Drop assignments to locals that nothing reads; how many there were."""
    removed = 0
    while dropped := _remove_unread_once(graph):
        removed += dropped
    return removed


def _remove_unread_once(graph: Graph) -> int:
    read = {instr[1] for instr in graph.instructions() if instr[0] == LOCAL_GET}
    removed = 0
    for block in graph.blocks.values():
        code: list[Instr] = []
        for instr in block.code:
            if instr[0] not in WRITES_LOCAL or instr[1] in read:
                code.append(instr)
                continue
            removed += 1
            if instr[0] == LOCAL_SET:
                start = expression_start(code, len(code), _anything, _anything, len(code))
                if start is None:
                    code.append(_DROP)
                else:
                    del code[start:]
        block.code = code
    return removed


def _anything(_: int) -> bool:
    return True
