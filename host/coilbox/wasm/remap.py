"""Renumbering of index spaces in code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from coilbox.wasm.body import Instr, encode_instr
from coilbox.wasm.opcodes import GLOBAL_GET, GLOBAL_SET, OPCODES, Imm
from coilbox.wasm.scan import Rewriter

Renumbering: TypeAlias = Mapping[int, int] | Sequence[int]


@dataclass(frozen=True, kw_only=True)
class IndexMap:
    """New index by old index, for each index space that changes; None leaves a space alone.

    `constants` gives code that takes the place of `global.get` of a global.
    """

    types: Renumbering | None = None
    functions: Renumbering | None = None
    tables: Renumbering | None = None
    memories: Renumbering | None = None
    globals: Renumbering | None = None
    elements: Renumbering | None = None
    data: Renumbering | None = None
    constants: Mapping[int, bytes] = field(default_factory=dict)

    def rewriter(self) -> Rewriter:
        """A rewriter for bodies and expressions. It raises KeyError or IndexError on a gap."""
        spaces = {
            Imm.TYPE: self.types,
            Imm.BLOCK_TYPE: self.types,
            Imm.FUNC: self.functions,
            Imm.TABLE: self.tables,
            Imm.MEMORY: self.memories,
            Imm.GLOBAL: self.globals,
            Imm.ELEMENT: self.elements,
            Imm.DATA: self.data,
        }
        active = {kind: space for kind, space in spaces.items() if space is not None}
        ops = {
            code
            for code, info in OPCODES.items()
            if any(kind in active for kind in info.immediates)
        }
        if self.constants:
            ops |= {GLOBAL_GET, GLOBAL_SET}

        def visit(instr: Instr) -> bytes | None:
            if instr[0] in (GLOBAL_GET, GLOBAL_SET) and instr[1] in self.constants:
                if instr[0] == GLOBAL_SET:
                    raise ValueError(f"constant global {instr[1]} is assigned")
                return self.constants[instr[1]]
            kinds = OPCODES[instr[0]].immediates
            new = [instr[0]]
            for kind, value in zip(kinds, instr[1:], strict=True):
                space = active.get(kind)
                # Negative block types name a value type, not an index.
                new.append(value if space is None or value < 0 else space[value])
            return encode_instr(tuple(new)) if tuple(new) != instr else None

        return Rewriter(ops, visit)
