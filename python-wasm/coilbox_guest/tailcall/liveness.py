"""Which locals are live where: backward data flow over sets held as bits of an integer."""

from __future__ import annotations

from collections.abc import Iterator

from coilbox_guest.tailcall.graph import LOCAL_GET, WRITES_LOCAL, Block, Graph


def members(bits: int) -> Iterator[int]:
    """The elements of a set held as bits, ascending."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def uses_and_definitions(block: Block) -> tuple[int, int]:
    """The locals a block reads before it writes them, and those it writes."""
    uses = definitions = 0
    for instr in block.code:
        op = instr[0]
        if op == LOCAL_GET:
            uses |= 1 << instr[1] & ~definitions
        elif op in WRITES_LOCAL:
            definitions |= 1 << instr[1]
    return uses, definitions


def live_in(graph: Graph) -> dict[int, int]:
    """For each block the set of locals whose value on entry may still be read."""
    local = {number: uses_and_definitions(block) for number, block in graph.blocks.items()}
    live = {number: uses for number, (uses, _) in local.items()}
    predecessors = graph.predecessors()
    pending = list(graph.blocks)
    while pending:
        number = pending.pop()
        uses, definitions = local[number]
        after = 0
        for target in graph.blocks[number].targets:
            after |= live[target]
        new = uses | (after & ~definitions)
        if new != live[number]:
            live[number] = new
            pending.extend(predecessors[number])
    return live
