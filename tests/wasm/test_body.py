from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coilbox.wasm import (
    OPCODES,
    Body,
    Imm,
    Instr,
    Module,
    Scanner,
    WasmFormatError,
    decode_body,
    encode_body,
    encode_instr,
)
from coilbox.wasm.opcodes import BLOCK_OPS, END

_VALUES: dict[Imm, st.SearchStrategy[int]] = {
    Imm.BLOCK_TYPE: st.sampled_from([-0x40, -1, -4, 0, 70, 5000]),
    Imm.HEAP_TYPE: st.sampled_from([-0x10, -0x11]),
    Imm.ALIGN: st.integers(0, 3),
    Imm.CONST_I32: st.integers(-(2**31), 2**31 - 1),
    Imm.CONST_I64: st.integers(-(2**63), 2**63 - 1),
    Imm.CONST_F32: st.integers(0, 2**32 - 1),
    Imm.CONST_F64: st.integers(0, 2**64 - 1),
}
_U32 = st.integers(0, 2**32 - 1)


@st.composite
def instructions(draw: st.DrawFn) -> Instr:
    info = OPCODES[draw(st.sampled_from(sorted(set(OPCODES) - {END, *BLOCK_OPS})))]
    values = [info.code]
    for kind in info.immediates:
        if kind is Imm.LABELS:
            values += draw(st.lists(_U32, min_size=1, max_size=200))
        elif kind is Imm.VALUE_TYPES:
            values.append(0x7F)
        else:
            values.append(draw(_VALUES.get(kind, _U32)))
    return tuple(values)


@given(st.lists(instructions(), max_size=20))
def test_round_trip_and_scan(code: list[Instr]) -> None:
    body = Body(((3, 0x7F), (1, 0x7C)), [*code, (END,)])
    raw = encode_body(body)
    assert decode_body(raw) == body
    for wanted in ({0x10, 0x23}, {0x0E, 0x41}, set(OPCODES) - {END}):
        expected = [instr for instr in body.code if instr[0] in wanted]
        assert Scanner(wanted).find_in_body(raw) == expected


@pytest.mark.parametrize("op", sorted(OPCODES), ids=lambda op: OPCODES[op].name)
def test_every_opcode_alone(op: int) -> None:
    info = OPCODES[op]
    some = {Imm.BLOCK_TYPE: -0x40, Imm.HEAP_TYPE: -0x10, Imm.VALUE_TYPES: 0x7F, Imm.ALIGN: 2}
    instr: tuple[int, ...] = (op, *(some.get(kind, 5) for kind in info.immediates))
    code: list[tuple[int, ...]] = [(END,)] if op == END else [instr, (END,)]
    code += [(END,)] * (op in BLOCK_OPS)
    body = Body((), code)
    assert decode_body(encode_body(body)) == body
    if op != END:
        assert Scanner([op]).find_in_body(encode_body(body)) == [instr]
        assert (info.pops is None) == (info.pushes is None)


def test_opcodes_agree_with_wasm_tools(wat: Callable[[str], bytes]) -> None:
    """Names and stack signatures: every instruction with a fixed signature, assembled."""
    names = {0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64", 0x70: "funcref"}
    arguments = {
        "ref.func": "$f", "memory.init": "$d", "data.drop": "$d", "elem.drop": "$e",
        "table.init": "$e", "i32.const": "1", "i64.const": "1", "f32.const": "1", "f64.const": "1",
    }  # fmt: skip
    lines, codes = [], []
    for info in OPCODES.values():
        if info.pops is None or info.pushes is None:
            continue
        codes.append(info.code)
        operands = "".join(f"({names[t]}.const 1)" for t in info.pops)
        results = "".join(f"(result {names[t]})" for t in info.pushes)
        text = f"({info.name} {arguments.get(info.name, '')} {operands})"
        lines.append(f"(func {results} {text})")
    module = Module(
        wat(
            f"""(module (memory 1) (table 1 funcref) (func $f) (data $d "x") (elem $e func $f)
            (elem declare func $f) {" ".join(lines)})"""
        )
    )
    for code, body in zip(codes, module.code[1:], strict=True):
        assert decode_body(body).code[-2][0] == code
        assert encode_body(decode_body(body)) == body


@pytest.mark.parametrize(
    ("raw", "message", "offset"),
    [
        (b"", "unexpected end in a LEB128", 0),
        (b"\x01", "unexpected end in a LEB128", 1),
        (b"\x01\x01", "unexpected end in local declarations", 2),
        (b"\x01\x01\x33\x0b", "unknown value type 0x33", 2),
        (b"\x01\xff\xff\xff\xff\x0f\x7f\x0b", "more than 50000 locals", 1),
        (b"\x00", "unexpected end of code", 1),
        (b"\x00\x02\x40\x0b", "unexpected end of code", 4),
        (b"\x00\x0b\x0b", "bytes after the function's final end", 2),
        (b"\x00\x06\x0b", "unknown or unsupported opcode 06", 1),
        (b"\x00\xfd\x0c\x0b", "unknown or unsupported opcode fd", 1),
        (b"\x00\xfc\x7f\x0b", "unknown or unsupported opcode fc 7f", 1),
        (b"\x00\x44\x00\x0b", "unexpected end in a float constant", 2),
        (b"\x00\x0e\xff\xff\xff\x7f\x0b", "br_table with 268435456 items", 2),
        (b"\x00\x10\x80\x80\x80\x80\x80\x00\x0b", "LEB128 too long", 2),
        (b"\x00\x28\x42\x00\x00\x0b", "multiple memories", 2),
        (b"\x00\x02\x6a\x0b\x0b", "unknown block_type -22", 2),
    ],
)
def test_malformed_body(raw: bytes, message: str, offset: int) -> None:
    with pytest.raises(WasmFormatError, match=message) as caught:
        decode_body(raw)
    assert caught.value.offset == offset


@given(st.binary(max_size=60))
def test_arbitrary_bytes_decode_or_raise(raw: bytes) -> None:
    scanner = Scanner([0x10, 0x0E])
    try:
        decoded = decode_body(raw)
    except WasmFormatError:
        decoded = None
    try:
        found = scanner.find_in_body(raw)
    except WasmFormatError:
        found = None
    if decoded is not None and not any(i[0] == 0x1C and len(i) != 2 for i in decoded.code):
        assert found == [i for i in decoded.code if i[0] in (0x10, 0x0E)]


def test_wrong_number_of_immediates_is_refused() -> None:
    with pytest.raises(ValueError, match="call with 2 immediates"):
        encode_instr((0x10, 1, 2))


def test_every_function_of_the_library(libpython: bytes) -> None:
    for raw in Module(libpython).code:
        body = decode_body(raw)
        short = encode_body(body)
        # The library pads relocated integers, so equal bytes cannot be asked of the first round.
        assert decode_body(short) == body
        assert len(short) <= len(raw)
