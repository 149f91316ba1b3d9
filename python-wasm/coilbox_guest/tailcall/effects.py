"""Effects of instructions on the operand stack: operands and results (spec section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from coilbox.wasm.body import Instr
from coilbox.wasm.module import Module
from coilbox.wasm.opcodes import BY_NAME, OPCODES
from coilbox.wasm.types import (
    EXTERNREF,
    FUNC,
    FUNCREF,
    GLOBAL,
    TABLE,
    FuncType,
    GlobalType,
    TableType,
)
from coilbox_guest.tailcall.errors import Reason, SplitRefusedError

_FIXED: Final[dict[int, tuple[int, tuple[int, ...]]]] = {
    code: (len(info.pops), info.pushes)
    for code, info in OPCODES.items()
    if info.pops is not None and info.pushes is not None
}
_CALL: Final = BY_NAME["call"]
_CALL_INDIRECT: Final = BY_NAME["call_indirect"]
_RETURN_CALL: Final = BY_NAME["return_call"]
_RETURN_CALL_INDIRECT: Final = BY_NAME["return_call_indirect"]
_BY_HEAP_TYPE: Final = {-0x10: FUNCREF, -0x11: EXTERNREF}


class Effects:
    """Stack effects of a module's instructions, for those whose effect depends on it too."""

    def __init__(self, module: Module) -> None:
        self.types: Final = tuple(module.types)
        self.function_types: Final = tuple(self.types[i] for i in module.function_types())
        globals_ = [i.desc for i in module.imported(GLOBAL) if isinstance(i.desc, GlobalType)]
        self.global_types: Final = (*globals_, *(g.type for g in module.globals))
        tables = [i.desc for i in module.imported(TABLE) if isinstance(i.desc, TableType)]
        self.table_types: Final = (*tables, *module.tables)
        self.imported_functions: Final = len(module.imported(FUNC))

    def signature(self, instr: Instr) -> tuple[int, FuncType]:
        """Of a call: the operands it takes beside its arguments, and the callee's type."""
        op = instr[0]
        if op in (_CALL, _RETURN_CALL):
            return 0, self.function_types[instr[1]]
        return 1, self.types[instr[1]]

    def of(
        self, instr: Instr, locals_: Sequence[int], stack: Sequence[int]
    ) -> tuple[int, tuple[int, ...]]:
        """How many operands it pops, and the types it pushes. `stack` is needed for `select`."""
        op = instr[0]
        known = _FIXED.get(op)
        if known is not None:
            return known
        name = OPCODES[op].name
        if op == 0x20:
            return 0, (locals_[instr[1]],)
        if op == 0x21:
            return 1, ()
        if op == 0x22:
            return 1, (locals_[instr[1]],)
        if op in (_CALL, _CALL_INDIRECT, _RETURN_CALL, _RETURN_CALL_INDIRECT) or "call_ref" in name:
            extra, kind = self.signature(instr)
            return len(kind.params) + extra, kind.results
        if name == "global.get":
            return 0, (self.global_types[instr[1]].value,)
        if name in ("global.set", "drop"):
            return 1, ()
        if name == "select":
            return 3, (stack[-2],)
        if name == "select_t":
            return 3, (instr[1],)
        if name == "table.get":
            return 1, (self.table_types[instr[1]].element,)
        if name in ("table.set", "table.fill"):
            return (2 if name == "table.set" else 3), ()
        if name == "table.grow":
            return 2, (0x7F,)
        if name == "ref.is_null":
            return 1, (0x7F,)
        if name == "ref.null" and instr[1] in _BY_HEAP_TYPE:
            return 0, (_BY_HEAP_TYPE[instr[1]],)
        raise SplitRefusedError(Reason.UNSUPPORTED, f"instruction {OPCODES[op].name}")


def block_type(effects: Effects, immediate: int) -> FuncType:
    """Parameters and results of a block whose BLOCK_TYPE immediate this is."""
    if immediate == -0x40:
        return FuncType((), ())
    if immediate < 0:
        return FuncType((), (immediate + 0x80,))
    return effects.types[immediate]
