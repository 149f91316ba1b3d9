"""Preparation: compute loop invariants where they are used.

A compiler hoists what does not change out of the loop (addresses in the frame, addresses from the
global offset table, constants), and each such value then lives across every dispatch. One that is
assigned once, from constants, constant globals and the stack pointer, is computed again instead.

Conditions, each checked: the one assignment dominates every read; the expression cannot trap and
reads nothing that changes; the stack pointer is the same at the assignment and at each read.
"""

from __future__ import annotations

from collections.abc import Collection

from coilbox.wasm.body import Instr
from coilbox.wasm.opcodes import GLOBAL_GET
from coilbox_guest.tailcall.discipline import GlobalFacts
from coilbox_guest.tailcall.dominators import dominator_tree
from coilbox_guest.tailcall.effects import Effects
from coilbox_guest.tailcall.expressions import expression_start
from coilbox_guest.tailcall.graph import LOCAL_GET, WRITES_LOCAL, Graph
from coilbox_guest.tailcall.stackpointer import Facts, Value, walk

_LONGEST = 8


def rematerialise(
    graph: Graph,
    effects: Effects,
    globals_: GlobalFacts,
    facts: Facts | None,
    wanted: Collection[int],
) -> tuple[list[int], dict[int, str]]:
    """Remove those of the `wanted` locals that can be computed again.

    Also those that their expressions read, if they can too. `facts` are about the stack pointer;
    None if there is none to rely on. Returns the locals removed, and of the others that are
    assigned once why they stay.
    """
    finder = _Finder(graph, effects, globals_, facts)
    found = {local: code for local in sorted(wanted) if (code := finder.expression(local))}
    for block in graph.blocks.values():
        if any(instr[0] == LOCAL_GET and instr[1] in found for instr in block.code):
            block.code = [
                new
                for instr in block.code
                for new in (found.get(instr[1], (instr,)) if instr[0] == LOCAL_GET else (instr,))
            ]
    kept = {local: why for local, why in finder.refused.items() if why and local in wanted}
    return sorted(found), kept


class _Finder:
    def __init__(
        self, graph: Graph, effects: Effects, globals_: GlobalFacts, facts: Facts | None
    ) -> None:
        self.graph = graph
        self.globals = globals_
        self.facts = facts
        self.known: dict[int, tuple[Instr, ...]] = {}
        self.refused: dict[int, str] = {}
        successors = {number: block.targets for number, block in graph.blocks.items()}
        self.tree = dominator_tree(successors, graph.entry)
        self.writes: dict[int, list[tuple[int, int]]] = {}
        self.reads: dict[int, list[tuple[int, int]]] = {}
        for number, block in graph.blocks.items():
            for position, instr in enumerate(block.code):
                if instr[0] in WRITES_LOCAL:
                    self.writes.setdefault(instr[1], []).append((number, position))
                elif instr[0] == LOCAL_GET:
                    self.reads.setdefault(instr[1], []).append((number, position))
        self.pointer_at: dict[tuple[int, int], Value | None] = {}
        if facts is not None:
            walk(graph, effects, facts, self._note)

    def _note(
        self, block: int, position: int, instr: Instr, pointer: Value | None, _: dict[int, Value]
    ) -> None:
        if instr[0] in WRITES_LOCAL or instr[0] == LOCAL_GET:
            self.pointer_at[block, position] = pointer

    def expression(self, local: int) -> tuple[Instr, ...]:
        """Code that computes the local's value anywhere it is read; empty if there is none."""
        if local in self.known:
            return self.known[local]
        self.known[local] = ()  # while it is looked for: an expression cannot need itself
        writes = self.writes.get(local, [])
        if len(writes) != 1 or local < len(self.graph.type.params):
            return ()
        self.known[local], self.refused[local] = self._search(local, *writes[0])
        return self.known[local]

    def _search(self, local: int, number: int, position: int) -> tuple[tuple[Instr, ...], str]:
        code = self.graph.blocks[number].code
        start = expression_start(
            code, position, lambda other: bool(self.expression(other)), self._constant, _LONGEST
        )
        if start is None:
            return (), "its value is not a short computation from constants"
        if not all(self._dominates((number, position), read) for read in self.reads.get(local, ())):
            return (), "it may be read before it is assigned"
        out: list[Instr] = []
        for instr in code[start:position]:
            out += self.expression(instr[1]) if instr[0] == LOCAL_GET else (instr,)
        if self.facts is not None and (GLOBAL_GET, self.facts.pointer) in out:
            here = self.pointer_at.get((number, position))
            reads = self.reads.get(local, ())
            if here is None or any(self.pointer_at.get(read) != here for read in reads):
                return (), "the stack pointer is not the same at its reads"
        return tuple(out), ""

    def _constant(self, index: int) -> bool:
        return self.globals.constant(index) or (
            self.facts is not None and index == self.facts.pointer
        )

    def _dominates(self, write: tuple[int, int], read: tuple[int, int]) -> bool:
        if write[0] == read[0]:
            return write[1] < read[1]
        return self.tree.dominates(write[0], read[0])
