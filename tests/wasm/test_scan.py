import sys
from collections.abc import Callable

import pytest

from coilbox.wasm import (
    Body,
    IndexMap,
    Module,
    Rewriter,
    Scanner,
    WasmFormatError,
    decode_body,
    encode_body,
    encode_instr,
)

ALL_INDICES = """(module (type $v (func)) (type $i (func (param i32) (result i32)))
  (memory 1) (table $t 1 funcref) (global $g (mut i32) (i32.const 0)) (data $d "x")
  (func $f) (elem $e func $f)
  (func (param i32) (local i64)
    (block (type $v)) (loop) (if (i32.const 1) (then))
    (drop (block (type $i) (param i32) (result i32) (i32.const 1)))
    (global.set $g (global.get $g)) (call $f) (drop (ref.func $f))
    (drop (call_indirect (type $i) (i32.const 1) (i32.const 0)))
    (memory.init $d (i32.const 0) (i32.const 0) (i32.const 0)) (data.drop $d)
    (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 0)) (elem.drop $e)
    (drop (table.size $t)) (return_call $f)))"""


def test_every_index_space_is_renumbered(wat: Callable[[str], bytes]) -> None:
    body = Module(wat(ALL_INDICES)).code[1]
    shifted = IndexMap(
        types=range(100, 200), functions=range(200, 300), tables=[7], memories=[0],
        globals={0: 9}, elements=[3], data=[4],
    )  # fmt: skip
    found = decode_body(shifted.rewriter().rewrite_body(body)).code
    assert (0x10, 200) in found and (0x12, 200) in found and (0xD2, 200) in found
    assert (0x02, 100) in found or (0x02, -0x40) in found
    assert (0x02, 101) in found and (0x03, -0x40) in found
    assert (0x23, 9) in found and (0x24, 9) in found
    assert (0x11, 101, 7) in found
    assert (0xFC08, 4, 0) in found and (0xFC09, 4) in found
    assert (0xFC0C, 3, 7) in found and (0xFC0D, 3) in found and (0xFC10, 7) in found
    same = IndexMap(types=range(9), functions=range(9), globals=range(9)).rewriter()
    assert same.rewrite_body(body) == body


def test_constants_replace_globals() -> None:
    body = encode_body(Body((), [(0x23, 4), (0x23, 5), (0x6A,), (0x1A,), (0x0B,)]))
    rewriter = IndexMap(constants={4: encode_instr((0x41, 99))}).rewriter()
    code = decode_body(rewriter.rewrite_body(body)).code
    assert code[:2] == [(0x41, 99), (0x23, 5)]
    with pytest.raises(ValueError, match="constant global 4 is assigned"):
        rewriter.rewrite_body(encode_body(Body((), [(0x41, 0), (0x24, 4), (0x0B,)])))


def test_bytes_after_each_loop() -> None:
    loop = [(0x03, -0x40), (0x03, 5), (0x0B,), (0x0B,), (0x0B,)]
    rewriter = Rewriter([0x03], lambda instr: encode_instr(instr) + b"\x01")
    code = decode_body(rewriter.rewrite_body(encode_body(Body((), loop)))).code
    nop = (0x01,)
    assert code == [(0x03, -0x40), nop, (0x03, 5), nop, (0x0B,), (0x0B,), (0x0B,)]


def test_long_br_table_and_padding_survive() -> None:
    long = (0x0E, *range(300))
    raw = encode_body(Body((), [(0x10, 1), long, (0x10, 2), (0x0B,)]))
    padded = raw.replace(b"\x10\x02", b"\x10\x82\x80\x80\x80\x00")
    assert Scanner([0x10]).find_in_body(padded) == [(0x10, 1), (0x10, 2)]
    assert Scanner([0x0E]).find_in_body(padded) == [long]
    kept = Rewriter([0x10], lambda instr: None).rewrite_body(padded)
    assert kept == padded


@pytest.mark.parametrize(
    ("raw", "message", "offset"),
    [
        (b"\x00\x10\x05\xfd\x00\x0b", "opcode fd", 3),
        (b"\x00\x10", "unexpected end in a LEB128", 2),
        # Python before 3.11.5 may leave a possessive repeat at the wrong place when its body fails.
        pytest.param(
            *(b"\x00\x0e\x05\x00\x0b", "unexpected end in br_table", 1),
            marks=pytest.mark.skipif(sys.version_info < (3, 11, 5), reason="a bug of re"),
        ),
        (b"\x00\x10\x05", "does not end with `end`", 3),
        (b"\x00\x10\xff\xff\xff\xff\x1f\x0b", "integer too large for u32", 1),
    ],
)
def test_malformed_code(raw: bytes, message: str, offset: int) -> None:
    with pytest.raises(WasmFormatError, match=message) as caught:
        Rewriter([0x10], lambda instr: None).rewrite_body(raw)
    assert caught.value.offset == offset


def test_whole_library(libpython: bytes) -> None:
    code = Module(libpython).code
    same = IndexMap(types=range(1000), functions=range(1 << 20), globals=range(1 << 16)).rewriter()
    assert [same.rewrite_body(body) for body in code] == code


def test_scanner_agrees_with_decoder_on_the_library(libpython: bytes) -> None:
    scanner = Scanner([0x10, 0x11, 0x23, 0x0E, 0x03])
    for body in Module(libpython).code:
        expected = [instr for instr in decode_body(body).code if instr[0] in scanner.ops]
        assert scanner.find_in_body(body) == expected
