"""The instructions: codes, names, immediates and stack signatures.

WebAssembly 2.0 without SIMD (spec section 5.4), tail calls and typed function-reference calls
(3.0). An opcode of the 0xFC page is 0xFC00 plus its number.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from coilbox.wasm.types import EXTERNREF, F32, F64, FUNCREF, I32, I64


class Imm(IntEnum):
    """Kinds of immediates, each one integer of an `Instr` (LABELS and VALUE_TYPES: several)."""

    BLOCK_TYPE = 0
    LABEL = 1
    LABELS = 2
    FUNC = 3
    TYPE = 4
    LOCAL = 5
    GLOBAL = 6
    TABLE = 7
    MEMORY = 8
    ELEMENT = 9
    DATA = 10
    ALIGN = 11
    OFFSET = 12
    CONST_I32 = 13
    CONST_I64 = 14
    CONST_F32 = 15
    CONST_F64 = 16
    VALUE_TYPES = 17
    HEAP_TYPE = 18


class OpInfo(NamedTuple):
    """One instruction. `pops` and `pushes` are None where they depend on the context."""

    code: int
    name: str
    immediates: tuple[Imm, ...]
    pops: tuple[int, ...] | None
    pushes: tuple[int, ...] | None


_LETTERS: Final = {"i": I32, "l": I64, "f": F32, "d": F64, "p": FUNCREF, "e": EXTERNREF}
OPCODES: Final[dict[int, OpInfo]] = {}
BY_NAME: Final[dict[str, int]] = {}


def _op(code: int, name: str, signature: str = "", *immediates: Imm) -> None:
    """Enter an instruction; signature "ii>i", or empty when it depends on the context."""
    pops: tuple[int, ...] | None = None
    pushes: tuple[int, ...] | None = None
    if signature:
        before, after = signature.split(">")
        pops = tuple(_LETTERS[c] for c in before)
        pushes = tuple(_LETTERS[c] for c in after)
    OPCODES[code] = OpInfo(code, name, immediates, pops, pushes)
    BY_NAME[name] = code


def _run(first: int, signature: str, prefix: str, names: str) -> None:
    for code, name in enumerate(names.split(), first):
        _op(code, prefix + name, signature)


def _loads_and_stores() -> None:
    names = """i32.load i64.load f32.load f64.load i32.load8_s i32.load8_u i32.load16_s
        i32.load16_u i64.load8_s i64.load8_u i64.load16_s i64.load16_u i64.load32_s i64.load32_u
        i32.store i64.store f32.store f64.store i32.store8 i32.store16 i64.store8 i64.store16
        i64.store32"""
    letter = {"i32": "i", "i64": "l", "f32": "f", "f64": "d"}
    for code, name in enumerate(names.split(), 0x28):
        value = letter[name[:3]]
        signature = f"i>{value}" if "load" in name else f"i{value}>"
        _op(code, name, signature, Imm.ALIGN, Imm.OFFSET)


def _control() -> None:
    _op(0x00, "unreachable")
    _op(0x01, "nop", ">")
    _op(0x02, "block", "", Imm.BLOCK_TYPE)
    _op(0x03, "loop", "", Imm.BLOCK_TYPE)
    _op(0x04, "if", "", Imm.BLOCK_TYPE)
    _op(0x05, "else")
    _op(0x0B, "end")
    _op(0x0C, "br", "", Imm.LABEL)
    _op(0x0D, "br_if", "", Imm.LABEL)
    _op(0x0E, "br_table", "", Imm.LABELS)
    _op(0x0F, "return")
    _op(0x10, "call", "", Imm.FUNC)
    _op(0x11, "call_indirect", "", Imm.TYPE, Imm.TABLE)
    _op(0x12, "return_call", "", Imm.FUNC)
    _op(0x13, "return_call_indirect", "", Imm.TYPE, Imm.TABLE)
    _op(0x14, "call_ref", "", Imm.TYPE)
    _op(0x15, "return_call_ref", "", Imm.TYPE)
    _op(0x1A, "drop")
    _op(0x1B, "select")
    _op(0x1C, "select_t", "", Imm.VALUE_TYPES)
    _op(0x20, "local.get", "", Imm.LOCAL)
    _op(0x21, "local.set", "", Imm.LOCAL)
    _op(0x22, "local.tee", "", Imm.LOCAL)
    _op(0x23, "global.get", "", Imm.GLOBAL)
    _op(0x24, "global.set", "", Imm.GLOBAL)
    _op(0x25, "table.get", "", Imm.TABLE)
    _op(0x26, "table.set", "", Imm.TABLE)
    _op(0x3F, "memory.size", ">i", Imm.MEMORY)
    _op(0x40, "memory.grow", "i>i", Imm.MEMORY)
    _op(0x41, "i32.const", ">i", Imm.CONST_I32)
    _op(0x42, "i64.const", ">l", Imm.CONST_I64)
    _op(0x43, "f32.const", ">f", Imm.CONST_F32)
    _op(0x44, "f64.const", ">d", Imm.CONST_F64)
    _op(0xD0, "ref.null", "", Imm.HEAP_TYPE)
    _op(0xD1, "ref.is_null")
    _op(0xD2, "ref.func", ">p", Imm.FUNC)


def _numeric() -> None:
    _op(0x45, "i32.eqz", "i>i")
    _run(0x46, "ii>i", "i32.", "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u")
    _op(0x50, "i64.eqz", "l>i")
    _run(0x51, "ll>i", "i64.", "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u")
    _run(0x5B, "ff>i", "f32.", "eq ne lt gt le ge")
    _run(0x61, "dd>i", "f64.", "eq ne lt gt le ge")
    binary = "add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr"
    _run(0x67, "i>i", "i32.", "clz ctz popcnt")
    _run(0x6A, "ii>i", "i32.", binary)
    _run(0x79, "l>l", "i64.", "clz ctz popcnt")
    _run(0x7C, "ll>l", "i64.", binary)
    unary = "abs neg ceil floor trunc nearest sqrt"
    _run(0x8B, "f>f", "f32.", unary)
    _run(0x92, "ff>f", "f32.", "add sub mul div min max copysign")
    _run(0x99, "d>d", "f64.", unary)
    _run(0xA0, "dd>d", "f64.", "add sub mul div min max copysign")
    page = 0xA7
    for target, sources in (
        ("i", "l i32.wrap_i64 f i32.trunc_f32_s f i32.trunc_f32_u"),
        ("i", "d i32.trunc_f64_s d i32.trunc_f64_u"),
        ("l", "i i64.extend_i32_s i i64.extend_i32_u f i64.trunc_f32_s f i64.trunc_f32_u"),
        ("l", "d i64.trunc_f64_s d i64.trunc_f64_u"),
        ("f", "i f32.convert_i32_s i f32.convert_i32_u l f32.convert_i64_s l f32.convert_i64_u"),
        ("f", "d f32.demote_f64"),
        ("d", "i f64.convert_i32_s i f64.convert_i32_u l f64.convert_i64_s l f64.convert_i64_u"),
        ("d", "f f64.promote_f32"),
        ("i", "f i32.reinterpret_f32"),
        ("l", "d i64.reinterpret_f64"),
        ("f", "i f32.reinterpret_i32"),
        ("d", "l f64.reinterpret_i64"),
        ("i", "i i32.extend8_s i i32.extend16_s"),
        ("l", "l i64.extend8_s l i64.extend16_s l i64.extend32_s"),
    ):
        words = sources.split()
        for source, name in zip(words[::2], words[1::2], strict=True):
            _op(page, name, f"{source}>{target}")
            page += 1


def _page_fc() -> None:
    for number, (target, source) in enumerate(
        (t, s) for t in ("i32", "i64") for s in ("f32_s", "f32_u", "f64_s", "f64_u")
    ):
        signature = ("f" if source[1:3] == "32" else "d") + (">i" if target == "i32" else ">l")
        _op(0xFC00 + number, f"{target}.trunc_sat_{source}", signature)
    _op(0xFC08, "memory.init", "iii>", Imm.DATA, Imm.MEMORY)
    _op(0xFC09, "data.drop", ">", Imm.DATA)
    _op(0xFC0A, "memory.copy", "iii>", Imm.MEMORY, Imm.MEMORY)
    _op(0xFC0B, "memory.fill", "iii>", Imm.MEMORY)
    _op(0xFC0C, "table.init", "iii>", Imm.ELEMENT, Imm.TABLE)
    _op(0xFC0D, "elem.drop", ">", Imm.ELEMENT)
    _op(0xFC0E, "table.copy", "iii>", Imm.TABLE, Imm.TABLE)
    _op(0xFC0F, "table.grow", "", Imm.TABLE)
    _op(0xFC10, "table.size", ">i", Imm.TABLE)
    _op(0xFC11, "table.fill", "", Imm.TABLE)


_control()
_loads_and_stores()
_numeric()
_page_fc()

BLOCK_OPS: Final = (0x02, 0x03, 0x04)
LOOP: Final = BY_NAME["loop"]
END: Final = BY_NAME["end"]
CALL: Final = BY_NAME["call"]
CALL_INDIRECT: Final = BY_NAME["call_indirect"]
RETURN_CALL: Final = BY_NAME["return_call"]
RETURN_CALL_INDIRECT: Final = BY_NAME["return_call_indirect"]
GLOBAL_GET: Final = BY_NAME["global.get"]
GLOBAL_SET: Final = BY_NAME["global.set"]
LOCAL_GET: Final = BY_NAME["local.get"]
LOCAL_SET: Final = BY_NAME["local.set"]
LOCAL_TEE: Final = BY_NAME["local.tee"]
I32_CONST: Final = BY_NAME["i32.const"]
I32_ADD: Final = BY_NAME["i32.add"]
I32_SUB: Final = BY_NAME["i32.sub"]
I32_LOAD: Final = BY_NAME["i32.load"]
I32_STORE: Final = BY_NAME["i32.store"]
REF_FUNC: Final = BY_NAME["ref.func"]
EMPTY_BLOCK: Final = -0x40
"""The BLOCK_TYPE immediate of a block without parameters and results; a single result type
t is `t - 0x80`; a number from 0 is a type index (spec section 5.4.1)."""
