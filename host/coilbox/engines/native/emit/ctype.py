"""WebAssembly types and values in C."""

from __future__ import annotations

import re
import struct
from typing import Final

from coilbox.engines.native.emit.errors import EmitError
from coilbox.wasm.types import EXTERNREF, F32, F64, FUNCREF, I32, I64, FuncType

C_TYPES: Final = {I32: "u32", I64: "u64", F32: "f32", F64: "f64", FUNCREF: "ref", EXTERNREF: "ref"}
LETTERS: Final = {I32: "i", I64: "I", F32: "f", F64: "F", FUNCREF: "r", EXTERNREF: "r"}
_NAME_LETTERS: Final = {**LETTERS, EXTERNREF: "e"}
_TO_BITS: Final = {
    I32: "{}", I64: "{}", F32: "bits_f32({})", F64: "bits_f64({})",
    FUNCREF: "bits_ref({})", EXTERNREF: "bits_ref({})",
}  # fmt: skip
_FROM_BITS: Final = {
    I32: "(u32){}", I64: "{}", F32: "f32_bits((u32){})", F64: "f64_bits({})",
    FUNCREF: "ref_bits({})", EXTERNREF: "ref_bits({})",
}  # fmt: skip
_ZEROS: Final = {I32: "0", I64: "0", F32: "0", F64: "0", FUNCREF: "NULL", EXTERNREF: "NULL"}


def c_type(kind: int) -> str:
    """The C type of a value type."""
    try:
        return C_TYPES[kind]
    except KeyError:
        raise EmitError(f"value type {kind:#x} is not supported by the native engine") from None


def zero(kind: int) -> str:
    """The C literal of a type's default value (spec section 4.2.1)."""
    return _ZEROS[kind]


def letters(kinds: tuple[int, ...]) -> str:
    """The end of C names for these types; different types give different names."""
    return "".join(_NAME_LETTERS[kind] for kind in kinds)


def to_bits(kind: int, text: str) -> str:
    """A C expression of type u64 that holds a value's bits."""
    return _TO_BITS[kind].format(text)


def from_bits(kind: int, text: str) -> str:
    """The value whose bits are in a C expression of type u64."""
    return _FROM_BITS[kind].format(text)


def result_type(results: tuple[int, ...]) -> str:
    """The C type that a function returns: a struct for several results."""
    if not results:
        return "void"
    if len(results) == 1:
        return c_type(results[0])
    return "struct r_" + letters(results)


def result_struct(results: tuple[int, ...]) -> str:
    """The declaration of the struct that ``result_type`` names."""
    fields = " ".join(f"{c_type(kind)} v{index};" for index, kind in enumerate(results))
    return f"{result_type(results)} {{ {fields} }};"


def parameters(params: tuple[int, ...], prefix: str = "l") -> str:
    """A parameter list: the instance, then the parameters as the first locals."""
    if not params:
        return "SELF"
    return "SELF_ " + ", ".join(f"{c_type(k)} {prefix}{i}" for i, k in enumerate(params))


def arguments(values: list[str]) -> str:
    """An argument list behind the instance."""
    return f"self_ {', '.join(values)}" if values else "self"


def prototype(name: str, kind: FuncType) -> str:
    """A function's declarator with its result type."""
    return f"{result_type(kind.results)} {name}({parameters(kind.params)})"


def i32_literal(value: int) -> str:
    """An i32 constant, given signed."""
    value &= 0xFFFFFFFF
    return f"{value}u" if value < 0x10000 else f"{value:#x}u"


def i64_literal(value: int) -> str:
    """An i64 constant, given signed."""
    value &= 0xFFFFFFFFFFFFFFFF
    return f"{value}ull" if value < 0x10000 else f"{value:#x}ull"


def f32_literal(bits: int) -> str:
    """An f32 constant, exact: hexadecimal where C has a literal, else its bits."""
    if bits & 0x7F800000 == 0x7F800000:
        return f"f32_bits({bits:#x}u)"
    return _float(struct.unpack("<f", struct.pack("<I", bits))[0], "f")


def f64_literal(bits: int) -> str:
    """An f64 constant, exact: hexadecimal where C has a literal, else its bits."""
    if bits & 0x7FF0000000000000 == 0x7FF0000000000000:
        return f"f64_bits({bits:#x}ull)"
    return _float(struct.unpack("<d", struct.pack("<Q", bits))[0], "")


def _float(value: float, suffix: str) -> str:
    if value.is_integer() and 0 < abs(value) < 1e6:
        text = f"{value:.1f}"
    else:
        text = re.sub(r"\.?0*p", "p", value.hex())
    return f"({text}{suffix})" if text.startswith("-") else text + suffix


def symbol(text: str) -> str:
    """The part of a function's name that a C identifier can hold, for profilers and readers."""
    return re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9]", "_", text)).strip("_")[:60]


def c_string(text: str) -> str:
    """A C string literal of the text's UTF-8, with its embedded zeros."""
    out = []
    for byte in text.encode():
        plain = 32 <= byte < 127 and byte not in b'"\\?'
        out.append(chr(byte) if plain else f"\\{byte:03o}")
    return '"' + "".join(out) + '"'
