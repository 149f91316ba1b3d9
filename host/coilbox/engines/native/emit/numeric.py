"""Numeric instructions as C expressions (spec section 4.3).

Each is a template over its operands, which are atoms or parenthesised. Comparisons are C
conditions; the stack turns them into u32 where a number is needed.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from coilbox.wasm.opcodes import OPCODES
from coilbox.wasm.types import F32, F64, I32, I64


class Template(NamedTuple):
    """An instruction's C text.

    Attributes:
        text: format string over the operands.
        kind: value type of the result.
        condition: whether the text is a condition, 0 or 1 of type int.
        traps: whether it may trap, so that its place among other effects matters.
    """

    text: str
    kind: int
    condition: bool = False
    traps: bool = False


TEMPLATES: Final[dict[int, Template]] = {}
_KINDS: Final = {"i32": I32, "i64": I64, "f32": F32, "f64": F64}
_SIGNED: Final = {"i32": "i32", "i64": "i64"}
_COMPARE: Final = {"eq": "==", "ne": "!=", "lt": "<", "gt": ">", "le": "<=", "ge": ">="}
_OPERATORS: Final = {"add": "+", "sub": "-", "mul": "*", "and": "&", "or": "|", "xor": "^"}
_FLOAT_OPERATORS: Final = {"add": "+", "sub": "-", "mul": "*", "div": "/"}


def _integer(name: str, kind: str, op: str) -> Template | None:
    base, _, sign = op.partition("_")
    if base in _COMPARE:
        cast = f"({_SIGNED[kind]})" if sign == "s" else ""
        return Template(f"({cast}{{0}} {_COMPARE[base]} {cast}{{1}})", I32, condition=True)
    if op == "eqz":
        return Template("(!{0})", I32, condition=True)
    if op in _OPERATORS:
        return Template(f"({{0}} {_OPERATORS[op]} {{1}})", _KINDS[kind])
    if base in ("div", "rem"):
        return Template(f"{name}(self_ {{0}}, {{1}})", _KINDS[kind], traps=True)
    if op in ("clz", "ctz", "popcnt"):
        return Template(f"{name}({{0}})", _KINDS[kind])
    if base in ("shl", "shr", "rotl", "rotr"):
        return Template(f"{name}({{0}}, {{1}})", _KINDS[kind])
    return None


def _float(name: str, kind: str, op: str) -> Template | None:
    if op in _COMPARE:
        return Template(f"({{0}} {_COMPARE[op]} {{1}})", I32, condition=True)
    if op in _FLOAT_OPERATORS:
        return Template(f"({{0}} {_FLOAT_OPERATORS[op]} {{1}})", _KINDS[kind])
    if op == "neg":
        return Template("(-{0})", _KINDS[kind])
    if op in ("min", "max", "copysign"):
        return Template(f"{name}({{0}}, {{1}})", _KINDS[kind])
    if op in ("abs", "ceil", "floor", "trunc", "nearest", "sqrt"):
        return Template(f"{name}({{0}})", _KINDS[kind])
    return None


_CONVERSIONS: Final = {
    "i32.wrap_i64": "((u32){0})",
    "i64.extend_i32_s": "((u64)(i64)(i32){0})",
    "i64.extend_i32_u": "((u64){0})",
    "f32.convert_i32_s": "((f32)(i32){0})",
    "f32.convert_i32_u": "((f32){0})",
    "f32.convert_i64_s": "((f32)(i64){0})",
    "f32.convert_i64_u": "((f32){0})",
    "f64.convert_i32_s": "((f64)(i32){0})",
    "f64.convert_i32_u": "((f64){0})",
    "f64.convert_i64_s": "((f64)(i64){0})",
    "f64.convert_i64_u": "((f64){0})",
    "f32.demote_f64": "f32_demote_f64({0})",
    "f64.promote_f32": "((f64){0})",
    "i32.reinterpret_f32": "bits_f32({0})",
    "i64.reinterpret_f64": "bits_f64({0})",
    "f32.reinterpret_i32": "f32_bits({0})",
    "f64.reinterpret_i64": "f64_bits({0})",
    "i32.extend8_s": "((u32)(int8_t){0})",
    "i32.extend16_s": "((u32)(int16_t){0})",
    "i64.extend8_s": "((u64)(int8_t){0})",
    "i64.extend16_s": "((u64)(int16_t){0})",
    "i64.extend32_s": "((u64)(i32){0})",
}


def _enter_all() -> None:
    for code, info in OPCODES.items():
        kind, _, op = info.name.partition(".")
        if kind not in _KINDS or info.immediates or info.pops is None:
            continue
        name = info.name.replace(".", "_")
        template: Template | None
        if info.name in _CONVERSIONS:
            template = Template(_CONVERSIONS[info.name], _KINDS[kind])
        elif op.startswith("trunc_sat_"):
            template = Template(name.replace("trunc_sat", "trunc") + "_sat({0})", _KINDS[kind])
        elif op.startswith("trunc_f"):
            template = Template(f"{name}(self_ {{0}})", _KINDS[kind], traps=True)
        elif kind in _SIGNED:
            template = _integer(name, kind, op)
        else:
            template = _float(name, kind, op)
        if template is not None:
            TEMPLATES[code] = template


_enter_all()

LOADS: Final = {
    code: (info.name.replace(".", "_"), _KINDS[info.name[:3]])
    for code, info in OPCODES.items()
    if ".load" in info.name
}
STORES: Final = {
    code: info.name.replace(".", "_") for code, info in OPCODES.items() if ".store" in info.name
}


def load_bytes(code: int) -> int:
    """How many bytes a load reads."""
    name = OPCODES[code].name.split("load")[1].split("_")[0]
    if name:
        return int(name) // 8
    return 4 if OPCODES[code].name[1:3] == "32" else 8
