from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coilbox.wasm import (
    Export,
    FuncType,
    Limits,
    MemoryType,
    Module,
    NameSection,
    WasmFormatError,
    read_dylink,
)
from coilbox.wasm.sections import CODECS

LISTS = ("types", "imports", "functions", "tables", "memories", "tags", "globals", "exports",
         "elements", "code", "data")  # fmt: skip
HEADER = b"\0asm\1\0\0\0"

EVERYTHING = """(module $name
  (import "m" "f" (func $f (param i32))) (import "m" "t" (table 1 2 funcref))
  (import "m" "g" (global (mut i64))) (import "m" "tag" (tag (param i32)))
  (memory 1 5) (tag (param i64))
  (table $t2 3 funcref) (table $t3 externref (elem))
  (global $h f64 (f64.const -0.5)) (global $x (mut i32) (i32.const -7))
  (func $start) (func $two (param i32) (result i32 i64) (local $l f32)
    (call $f (local.get 0)) (i32.const 1) (i64.const 2))
  (export "two" (func $two)) (export "mem" (memory 0)) (start $start)
  (elem (i32.const 0) func $f $start)
  (elem func $f)
  (elem (table $t2) (i32.const 0) func $f)
  (elem declare func $two)
  (elem (i32.const 0) funcref (ref.func $f) (ref.null func))
  (elem funcref (ref.func $f))
  (elem (table $t2) (i32.const 1) funcref (ref.null func))
  (elem declare funcref (ref.func $two))
  (data (i32.const 8) "active") (data "passive"))"""


def test_all_sections_round_trip(wat: Callable[[str], bytes]) -> None:
    raw = wat(EVERYTHING)
    module = Module(raw)
    for name in LISTS:
        assert getattr(module, name), name
    assert sorted({e.flags for e in module.elements}) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert module.to_bytes() == raw
    for number, codec in CODECS.items():
        payload = module._find(number).payload  # type: ignore[union-attr]
        assert codec.encode(codec.decode(payload, 0)) == payload, codec.name
    assert module.names.functions == {0: "f", 1: "start", 2: "two"}
    assert module.names.locals == {2: {1: "l"}}
    assert module.names.module == "name"
    assert module.names.encode() == module.custom("name")


def test_changes_keep_the_rest(wat: Callable[[str], bytes]) -> None:
    module = Module(wat(EVERYTHING))
    module.exports.clear()
    module.exports.append(Export("only", 0, 1))
    module.start = None
    again = Module(module.to_bytes())
    assert again.exports == [Export("only", 0, 1)]
    assert again.start is None
    assert again.elements == module.elements


def test_new_module_is_valid(wat: Callable[[str], bytes]) -> None:
    module = Module()
    index = module.type_index(FuncType((), (0x7F,)))
    assert module.type_index(FuncType((), (0x7F,))) == index
    module.code.append(b"\x00\x41\x2a\x0b")
    module.functions.append(index)
    module.memories.append(MemoryType(Limits(1, 2)))
    module.exports.append(Export("f", 0, 0))
    module.set_names(NameSection(functions={0: "answer"}))
    expected = """(module (type (func (result i32))) (memory 1 2)
        (func $answer (result i32) i32.const 42) (export "f" (func $answer)))"""
    raw = wat(expected)
    assert module.to_bytes()[: len(raw) - 20] == raw[: len(raw) - 20]
    assert Module(module.to_bytes()).names.functions == {0: "answer"}


def test_padded_sections_survive() -> None:
    raw = HEADER + b"\x01\x87\x80\x00" + b"\x81\x80\x80\x00\x60\x00\x00"
    module = Module(raw)
    assert module.types == [FuncType((), ())]
    assert module.to_bytes() == raw
    module.types.append(FuncType((0x7E,), ()))
    assert module.to_bytes() == HEADER + b"\x01\x08\x02\x60\x00\x00\x60\x01\x7e\x00"


@pytest.mark.parametrize(
    ("raw", "message", "offset"),
    [
        (b"", "not a core WebAssembly module", 0),
        (b"\0asm\x0d\0\1\0", "not a core WebAssembly module", 0),
        (HEADER + b"\x01", "unexpected end in a LEB128", 9),
        (HEADER + b"\x01\xff\xff\xff\xff\x0f\x00", "4294967295 bytes wanted, 1 left", 14),
        (HEADER + b"\x0e\x00", "unknown section 14", 8),
        (HEADER + b"\x02\x01\x00\x01\x01\x00", "section 1 out of order", 11),
        (HEADER + b"\x01\x01\x00\x01\x01\x00", "section 1 out of order", 11),
        (HEADER + b"\x00\x02\x01\xff", "name is not UTF-8", 10),
        (HEADER + b"\x08\x02\x00\x00", "1 bytes too many", 11),
    ],
)
def test_malformed_module(raw: bytes, message: str, offset: int) -> None:
    with pytest.raises(WasmFormatError, match=message) as caught:
        Module(raw)
    assert caught.value.offset == offset


@pytest.mark.parametrize(
    ("part", "raw", "message", "offset"),
    [
        ("types", b"\x01\x06\xff\xff\xff\xff\x0f\x60", "vector of 4294967295 items", 10),
        ("types", b"\x01\x02\x01\x5f", "type form 0x5f is not a function type", 11),
        ("types", b"\x01\x04\x01\x60\x01\x11", "unknown or unsupported value type 0x11", 13),
        ("memories", b"\x05\x03\x01\x04\x00", "limits flags 0x4", 11),
        ("imports", b"\x02\x04\x01\x00\x00\x09", "unknown kind 9 of import", 13),
        ("globals", b"\x06\x03\x01\x7f\x02", "mutability 2", 12),
        ("globals", b"\x06\x04\x01\x7f\x00\x41", "unexpected end in a LEB128", 14),
        ("elements", b"\x09\x02\x01\x08", "unknown kind 8 of element segment", 11),
        ("data", b"\x0b\x03\x01\x01\x7f", "127 bytes wanted, 0 left", 13),
        ("code", b"\x0a\x03\x02\x00\x05", "5 bytes wanted, 0 left", 13),
    ],
)
def test_malformed_section(part: str, raw: bytes, message: str, offset: int) -> None:
    module = Module(HEADER + raw)
    with pytest.raises(WasmFormatError, match=message) as caught:
        getattr(module, part)
    assert caught.value.offset == offset


@given(st.binary(max_size=80))
def test_arbitrary_bytes_parse_or_raise(raw: bytes) -> None:
    try:
        module = Module(HEADER + raw)
        for name in LISTS:
            getattr(module, name)
        _ = module.names
        read_dylink(module)
    except WasmFormatError:
        return
    assert module.to_bytes() == HEADER + raw


def test_unknown_name_subsections_are_kept() -> None:
    raw = b"\x00\x02\x01m\x63\x03abc"
    names = NameSection.decode(raw)
    assert (names.module, names.unknown) == ("m", {0x63: b"abc"})
    assert names.encode() == raw


def test_dylink() -> None:
    module = Module()
    module.set_custom("dylink.0", b"\x01\x04\x10\x02\x03\x00\x02\x04\x01\x02ab")
    dylink = read_dylink(module)
    assert dylink is not None
    assert (dylink.memory_size, dylink.memory_align, dylink.table_size) == (16, 2, 3)
    assert dylink.needed == ("ab",)
    assert read_dylink(Module()) is None


def test_library_round_trip(libpython: bytes) -> None:
    module = Module(libpython)
    for name in LISTS:
        getattr(module, name)
    assert module.to_bytes() == libpython
    assert module.names.encode() == module.custom("name")
    assert read_dylink(module) is not None
