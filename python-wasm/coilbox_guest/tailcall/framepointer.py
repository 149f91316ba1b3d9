"""Preparation: read the stack pointer where the function keeps a copy of it.

The frame pointer is one more value that lives across every dispatch. Where the analysis knows both
the copy and the global relative to the value on entry, the copy is the global plus a constant.
"""

from __future__ import annotations

from collections.abc import Collection

from coilbox.wasm.body import Instr
from coilbox.wasm.opcodes import GLOBAL_GET, I32_ADD, I32_CONST
from coilbox_guest.tailcall.effects import Effects
from coilbox_guest.tailcall.graph import LOCAL_GET, Graph
from coilbox_guest.tailcall.stackpointer import Facts, Value, walk


def read_stack_pointer(
    graph: Graph, effects: Effects, facts: Facts, wanted: Collection[int]
) -> list[int]:
    """Replace reads of those of the `wanted` locals whose every read can be; these locals."""
    reads: dict[tuple[int, int], tuple[int, int]] = {}
    unknown: set[int] = set()

    def visit(
        block: int, position: int, instr: Instr, pointer: Value | None, known: dict[int, Value]
    ) -> None:
        if instr[0] != LOCAL_GET or instr[1] not in wanted:
            return
        value = known.get(instr[1])
        if pointer is None or not pointer.base or value is None:
            unknown.add(instr[1])
        else:
            reads[block, position] = (instr[1], value.offset - pointer.offset)

    walk(graph, effects, facts, visit)
    done: set[int] = set()
    for number, block in graph.blocks.items():
        code: list[Instr] = []
        for position, instr in enumerate(block.code):
            local, offset = reads.get((number, position), (-1, 0))
            if local < 0 or local in unknown:
                code.append(instr)
                continue
            done.add(local)
            code.append((GLOBAL_GET, facts.pointer))
            if offset:
                code += [(I32_CONST, offset), (I32_ADD,)]
        block.code = code
    return sorted(done)
