"""Constant expressions (spec section 3.3.10), evaluated when C is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from coilbox.engines.native.emit.ctype import f32_literal, f64_literal, i32_literal, i64_literal
from coilbox.engines.native.emit.errors import EmitError
from coilbox.wasm import Instr
from coilbox.wasm.opcodes import BY_NAME, END, OPCODES

_LITERALS: Final = {
    BY_NAME["i32.const"]: i32_literal,
    BY_NAME["i64.const"]: i64_literal,
    BY_NAME["f32.const"]: f32_literal,
    BY_NAME["f64.const"]: f64_literal,
}
_GLOBAL_GET: Final = BY_NAME["global.get"]
_REF_FUNC: Final = BY_NAME["ref.func"]
_REF_NULL: Final = BY_NAME["ref.null"]
_ARITHMETIC: Final = {
    BY_NAME[f"{kind}.{op}"]: (sign, kind)
    for kind in ("i32", "i64")
    for op, sign in (("add", "+"), ("sub", "-"), ("mul", "*"))
}


@dataclass(frozen=True, slots=True)
class Constant:
    """A value as C text; its number if it is an integer, its index if a function reference."""

    text: str
    number: int | None = None
    function: int | None = None

    @staticmethod
    def of_function(index: int) -> Constant:
        """A reference to a function."""
        return Constant(f"((ref)&ref{index})", None, index)


def evaluate(code: Sequence[Instr], globals_: Sequence[Constant | None]) -> Constant:
    """The value of a constant expression; `globals_` are the immutable globals' values."""
    stack: list[Constant] = []
    for instruction in code:
        op = instruction[0]
        if op in _LITERALS:
            value = instruction[1]
            number = value & (0xFFFFFFFF if op == BY_NAME["i32.const"] else (1 << 64) - 1)
            stack.append(Constant(_LITERALS[op](value), number))
        elif op == _GLOBAL_GET:
            stack.append(_of_global(instruction[1], globals_))
        elif op == _REF_FUNC:
            stack.append(Constant.of_function(instruction[1]))
        elif op == _REF_NULL:
            stack.append(Constant("NULL"))
        elif op in _ARITHMETIC:
            stack.append(_arithmetic(op, stack.pop(-2), stack.pop()))
        elif op != END:
            raise EmitError(f"{OPCODES[op].name} in a constant expression")
    return stack.pop()


def _of_global(index: int, globals_: Sequence[Constant | None]) -> Constant:
    value = globals_[index] if index < len(globals_) else None
    if value is None:
        raise EmitError(f"a constant expression reads global {index}, which is not constant")
    return value


def _arithmetic(op: int, left: Constant, right: Constant) -> Constant:
    sign, kind = _ARITHMETIC[op]
    if left.number is None or right.number is None:
        raise EmitError("a constant expression that is no number")
    number = {
        "+": left.number + right.number,
        "-": left.number - right.number,
        "*": left.number * right.number,
    }[sign] & ((1 << (32 if kind == "i32" else 64)) - 1)
    return Constant((i32_literal if kind == "i32" else i64_literal)(number), number)
