"""Tail calls in every mode: the stack stays flat, and ordinary recursion still traps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coilbox.engines.native.program import NativeProgram
from coilbox.errors import GuestTrap

from .modes import ALL_MODES, modes
from .test_emitter import parse
from .wast import build_unit

WAT = """
(module
  (type $step (func (param i32) (result i32)))
  (table 3 funcref)
  (elem (i32.const 0) $even $odd $third)
  (func $even (export "even") (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
    (return_call $odd (i32.sub (local.get 0) (i32.const 1)) (i64.const 5) (f64.const 2)))
  (func $odd (param i32 i64 f64) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
    (return_call $even (i32.sub (local.get 0) (i32.const 1))))
  (func $third (export "rotate") (param i32) (result i32)
    (if (i32.lt_s (local.get 0) (i32.const 3)) (then (return (local.get 0))))
    (return_call_indirect (type $step) (i32.sub (local.get 0) (i32.const 3)) (i32.const 2)))
  (func $many (export "many") (param i32) (result i32)
    (return_call $wide (local.get 0) (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4)
      (i32.const 5) (i32.const 6) (i32.const 7) (i32.const 8) (i32.const 9) (i32.const 10)
      (i32.const 11) (i32.const 12) (i32.const 13) (i32.const 14) (i32.const 15)))
  (func $wide (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)
    (result i32)
    (if (i32.eqz (local.get 0)) (then (return (local.get 15))))
    (return_call $many (i32.sub (local.get 0) (i32.const 1))))
  (func $mixed (export "mixed") (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
    (i32.add (call $bounce (local.get 0)) (i32.const 1)))
  (func $bounce (param i32) (result i32)
    (return_call $mixed (i32.sub (local.get 0) (i32.const 1)))))
"""
DEPTH = 100_000_000


MODES = modes("-O2")


@pytest.fixture(scope="module", params=ALL_MODES)
def instance(request: pytest.FixtureRequest, native_runtime: Any, native_units: Path) -> Any:
    if request.param not in MODES:
        pytest.skip(f"{request.param} is not installed")
    folder = build_unit(parse(WAT).to_bytes(), native_units, *MODES[request.param])
    program = NativeProgram(native_runtime, folder, [])
    instance = program.instantiate(memory_limit=0)
    yield instance
    instance.close()
    program.close()


def test_mutual_recursion_in_constant_stack(instance: Any) -> None:
    assert instance.call("even", DEPTH) == 1
    assert instance.call("even", 1001) == 0


def test_indirect_recursion_in_constant_stack(instance: Any) -> None:
    assert instance.call("rotate", DEPTH) == DEPTH % 3


def test_more_arguments_than_registers(instance: Any) -> None:
    assert instance.call("many", 1_000_000) == 15


def test_pieces_and_ordinary_calls_in_turn(instance: Any) -> None:
    assert instance.call("mixed", 5000) == 5000
    with pytest.raises(GuestTrap, match="the native stack was used up"):
        instance.call("mixed", 10_000_000)
    assert instance.call("mixed", 50) == 50
