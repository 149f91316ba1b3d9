"""Damaged modules: the reader raises its own error or reads what it writes again."""

from __future__ import annotations

from collections.abc import Callable

from coilbox.wasm import Module, Scanner, WasmFormatError, decode_body, read_dylink
from coilbox.wasm.body import decode_expression
from tests.fuzzing import explore, mutated

TEXT = """(module $m
  (type $t (func (param i32 i64 f32 f64) (result i32)))
  (import "env" "f" (func $f (param i32) (result i32)))
  (import "env" "g" (global $g i32))
  (import "env" "m" (memory 1 10))
  (import "env" "t" (table 2 20 funcref))
  (global $own (mut i64) (i64.const -5))
  (global $float f64 (f64.const 1.5))
  (func $first (type $t) (local i32 i32 f64)
    (block $out (result i32)
      (loop $again
        (br_if $again (i32.eqz (local.get 0)))
        (br_table $again 1 (local.get 0)))
      (i32.const 7))
    (if (result i32) (then (call $f (i32.const -1))) (else (i32.load offset=8 (global.get $g)))))
  (func $second (result f64)
    (memory.fill (i32.const 0) (i32.const 1) (i32.const 2))
    (drop (i32.trunc_sat_f64_s (f64.const 1e300)))
    (drop (call_indirect (type $t) (i32.const 1) (i64.const 2) (f32.const 3) (f64.const 4)
                         (i32.const 0)))
    (f64.const nan))
  (func $tail (param i32) (result i32) (return_call $f (local.get 0)))
  (start $start) (func $start)
  (export "second" (func $second)) (export "own" (global $own))
  (elem (i32.const 0) func $first $second)
  (elem declare func $tail)
  (data (i32.const 8) "some data") (data "passive"))"""
LIBRARY = """(module (@dylink.0 (mem-info (memory 24 4) (table 1 0)) (needed "libc.so"))
  (import "env" "memory" (memory 1))
  (import "env" "__memory_base" (global $mb i32))
  (global (export "counter") i32 (i32.const 4))
  (func (export "f") (result i32) (i32.const 1))
  (data (global.get $mb) "abc"))"""


SCANNER = Scanner([0x10, 0x12])  # call, return_call


def read_all(module: Module) -> None:
    """Every part that is decoded when it is first used."""
    for name in ("types", "imports", "functions", "tables", "memories", "tags", "globals",
                 "exports", "elements", "data", "customs", "start", "data_count"):  # fmt: skip
        getattr(module, name)
    assert len(module.names.functions) >= 0
    read_dylink(module)
    for raw in module.code:
        decode_body(raw)
        SCANNER.find_in_body(raw)
    for item in module.globals:
        decode_expression(item.init)


def test_damaged_modules(wat: Callable[[str], bytes]) -> None:
    corpus = [wat(TEXT), wat(LIBRARY), wat("(module)")]
    for sound in corpus:
        read_all(Module(sound))

    def check(data: bytes) -> None:
        try:
            module = Module(data)
            read_all(module)
            again = module.to_bytes()
        except WasmFormatError as error:
            assert "at byte offset" in str(error)
            return
        assert again == data

    explore(mutated(corpus), check, few=500)
