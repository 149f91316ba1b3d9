"""The module-wide facts that the preparations stand on: checked here, not believed.

- A global that no instruction assigns, and that is not in the host's hands, is a constant.
- Every function leaves the stack pointer as it found it (see `stackpointer`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coilbox.wasm.body import Instr, decode_body
from coilbox.wasm.errors import WasmFormatError
from coilbox.wasm.module import Module
from coilbox.wasm.opcodes import (
    BLOCK_OPS,
    BY_NAME,
    GLOBAL_GET,
    GLOBAL_SET,
    I32_ADD,
    I32_CONST,
    I32_SUB,
)
from coilbox.wasm.scan import Scanner
from coilbox.wasm.types import GLOBAL
from coilbox_guest.tailcall.build import build_graph
from coilbox_guest.tailcall.effects import Effects
from coilbox_guest.tailcall.errors import SplitRefusedError
from coilbox_guest.tailcall.graph import LOCAL_GET, LOCAL_SET, LOCAL_TEE, TAIL_CALLS
from coilbox_guest.tailcall.stackpointer import analyse

_RETURN: Final = BY_NAME["return"]
_BR: Final = BY_NAME["br"]
_BR_IF: Final = BY_NAME["br_if"]
_BR_TABLE: Final = BY_NAME["br_table"]
_ELSE: Final = BY_NAME["else"]
_END: Final = BY_NAME["end"]
_BLOCK: Final = BY_NAME["block"]
_LOOP: Final = BY_NAME["loop"]
_IF: Final = BY_NAME["if"]
_UNREACHABLE: Final = BY_NAME["unreachable"]


@dataclass(frozen=True)
class GlobalFacts:
    """How the module's code uses its globals."""

    assigned: frozenset[int]
    """Globals that an instruction assigns."""
    writers: dict[int, tuple[int, ...]]
    """For each of them the functions that do."""
    foreign: frozenset[int]
    """Mutable globals that are imported or exported: the host can change them."""

    def constant(self, index: int) -> bool:
        """Whether the global has one value as long as the instance lives."""
        return index not in self.assigned and index not in self.foreign


def global_facts(module: Module, effects: Effects) -> GlobalFacts:
    """Look at every instruction of the module. Raises WasmFormatError for code it cannot read."""
    scanner = Scanner((GLOBAL_SET,))
    writers: dict[int, list[int]] = {}
    for number, body in enumerate(module.code, effects.imported_functions):
        for _, index in {tuple(instr) for instr in scanner.find_in_body(body)}:
            writers.setdefault(index, []).append(number)
    mutable = {i for i, kind in enumerate(effects.global_types) if kind.mutable}
    exported = {item.index for item in module.exports if item.kind == GLOBAL}
    imported = set(range(len(module.imported(GLOBAL))))
    return GlobalFacts(
        frozenset(writers),
        {index: tuple(functions) for index, functions in writers.items()},
        frozenset(mutable & (exported | imported)),
    )


def pointer_fault(module: Module, effects: Effects, facts: GlobalFacts, pointer: int) -> str | None:
    """Why the stack pointer cannot be relied on to be the same after a call; None if it can."""
    if pointer in facts.foreign:
        return f"global {pointer} is imported or exported, the host may change it"
    names = module.names.functions
    for function in facts.writers.get(pointer, ()):
        code = decode_body(module.code[function - effects.imported_functions]).code
        if _keeps_by_form(code, pointer):
            continue
        try:
            kept = analyse(build_graph(module, function, effects), effects, pointer).balanced
        except (SplitRefusedError, WasmFormatError) as error:
            return f"function {names.get(function, function)} cannot be analysed: {error}"
        if not kept:
            return f"function {names.get(function, function)} may return with another value"
    return None


def _keeps_by_form(code: list[Instr], pointer: int) -> bool:
    """A quick proof for the form that LLVM writes, in one pass over the code as it stands.

    Lowered once before any branch, the lowered value in locals that are never assigned again,
    every other assignment restores it from them, and each way out is behind such a restore.
    """
    found = _prologue(code, pointer)
    if found is None:
        return False
    start, size, copies = found
    restore = [(I32_CONST, size), (I32_ADD,)]
    # For each open block its opcode, and whether the pointer is lowered where control arrives at
    # its end; None before anything does.
    labels: list[tuple[int, bool | None]] = [(_BLOCK, None)]
    lowered: bool | None = True  # None: cannot be reached
    for position in range(start, len(code)):
        instr = code[position]
        op = instr[0]
        if op in (LOCAL_SET, LOCAL_TEE):
            if instr[1] in copies:
                return False
        elif op == GLOBAL_SET:
            if instr[1] == pointer:
                first, *rest = code[position - 3 : position]
                if first[0] != LOCAL_GET or first[1] not in copies or rest != restore:
                    return False
                lowered = False
        elif op in BLOCK_OPS:
            if op != _BLOCK and lowered is False:
                return False
            labels.append((op, None))
        elif op in (_END, _ELSE):
            kind, arrives = labels.pop()
            if kind == _IF and op == _END:
                # Without an `else`, a false condition leads here, lowered.
                if arrives is False:
                    return False
                arrives = True
            if None not in (arrives, lowered) and arrives != lowered:
                return False
            lowered = arrives if lowered is None else lowered
            if op == _ELSE:
                labels.append((_ELSE, lowered))
                lowered = True
        elif op in (_BR, _BR_IF, _BR_TABLE):
            if lowered is not None:
                for depth in set(instr[1:]):
                    kind, arrives = labels[-1 - depth]
                    if kind == _LOOP:
                        if not lowered:
                            return False
                        continue
                    if arrives is not None and arrives != lowered:
                        return False
                    labels[-1 - depth] = (kind, lowered)
            if op != _BR_IF:
                lowered = None
        elif op == _RETURN or op in TAIL_CALLS:
            if lowered:
                return False
            lowered = None
        elif op == _UNREACHABLE:
            lowered = None
    return not lowered


def _prologue(code: list[Instr], pointer: int) -> tuple[int, int, set[int]] | None:
    """Position behind the prologue, frame size, and the locals that hold the lowered value."""
    start = next((i for i, instr in enumerate(code[:40]) if instr == (GLOBAL_GET, pointer)), -1)
    before = {instr[0] for instr in code[: max(start, 0)]}
    if start < 0 or before & {*BLOCK_OPS, GLOBAL_SET, *TAIL_CALLS}:
        return None
    window = code[start + 1 : start + 3]
    if len(window) < 2 or window[0][0] != I32_CONST or window[1] != (I32_SUB,):
        return None
    copies: set[int] = set()
    depth = 1  # how many operands on top are the lowered value
    for position in range(start + 3, min(start + 9, len(code))):
        instr = code[position]
        if instr[0] in (LOCAL_TEE, LOCAL_SET) and depth:
            copies.add(instr[1])
            depth -= instr[0] == LOCAL_SET
        elif instr[0] == LOCAL_GET and instr[1] in copies:
            depth += 1
        elif instr == (GLOBAL_SET, pointer) and depth:
            return position + 1, window[0][1], copies
        else:
            return None
    return None
