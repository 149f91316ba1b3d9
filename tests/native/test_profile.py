"""Profiles: counted by one build, used by the next."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coilbox.engines.native.build import COUNTERS, build_program
from coilbox.engines.native.emit import EmitOptions, Profile, emit_program
from coilbox.engines.native.emit.profile import Counters, Target
from coilbox.engines.native.program import NativeProgram
from coilbox.engines.native.toolchain import zig
from coilbox.errors import GuestTrap

from .test_emitter import parse

WAT = """
(module
  (type $unary (func (param i32) (result i32)))
  (table 3 funcref)
  (elem (i32.const 0) $double $negate $pair)
  (func $double (type $unary) (i32.shl (local.get 0) (i32.const 1)))
  (func $negate (type $unary) (i32.sub (i32.const 0) (local.get 0)))
  (func $pair (result i32 i32) (i32.const 1) (i32.const 2))
  (func $never (export "never") (param i32) (result i32) (local.get 0))
  (func $run (export "run") (param i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum)
        (call_indirect (type $unary) (local.get 0)
          (i32.eqz (i32.rem_u (local.get 0) (i32.const 10))))))
      (if (i32.eqz (i32.and (local.get 0) (i32.const 1023)))
        (then (local.set $sum (i32.add (local.get $sum) (i32.const 1)))))
      (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get $sum)))
"""
ROUNDS = 100_000


@pytest.fixture(scope="module")
def profile(native_runtime: Any, tmp_path_factory: pytest.TempPathFactory) -> Profile:
    folder = tmp_path_factory.mktemp("counted")
    wasm = parse(WAT).to_bytes()
    build_program(wasm, folder, zig(), options=EmitOptions(count=True))
    program = NativeProgram(native_runtime, folder, [])
    instance = program.instantiate(memory_limit=0)
    instance.call("run", ROUNDS)
    found = Profile.from_counters(json.loads((folder / COUNTERS).read_text()), program.counters())
    instance.close()
    program.close()
    return found


def test_counts_are_right(profile: Profile) -> None:
    assert {name: slots[0] for name, slots in profile.slots.items()} == {
        "0_double": ROUNDS * 9 // 10,
        "1_negate": ROUNDS // 10,
        "4_run": 1,
    }
    entry, majority, lead, calls, rare, rarely, again, again_true = profile.slots["4_run"]
    assert (entry, majority, calls) == (1, 0, ROUNDS)
    assert lead == ROUNDS * 8 // 10
    assert (rare, rarely) == (ROUNDS, ROUNDS // 1024)
    assert (again, again_true) == (ROUNDS, ROUNDS - 1)
    assert profile.entries("3_never") == 0


def test_a_profile_survives_being_written(profile: Profile) -> None:
    assert Profile.from_json(profile.to_json()).slots == profile.slots
    with pytest.raises(ValueError, match="not a profile of this version"):
        Profile.from_json('{"format": 0}')


def test_the_code_uses_it_and_does_the_same(
    profile: Profile, native_runtime: Any, tmp_path: Path
) -> None:
    options = EmitOptions(profile=profile)
    files = emit_program(parse(WAT), options).files
    assert sorted(files) == ["code_000.c", "data.c", "hot_000.c", "module.h"]
    assert "fn0_double" in files["hot_000.c"]
    assert "CHANCE(0.001," in files["code_000.c"]
    assert "CHANCE(0.999," in files["code_000.c"]
    assert "if (CHANCE(0.900, t" in files["code_000.c"]  # the indirect call, asked for directly
    results = []
    for number, tried in enumerate((options, EmitOptions())):
        folder = tmp_path / str(number)
        folder.mkdir()
        build_program(parse(WAT).to_bytes(), folder, replace(zig()), options=tried)
        program = NativeProgram(native_runtime, folder, [])
        instance = program.instantiate(memory_limit=0)
        results.append([instance.call("run", n) for n in (1, 10, 1024, 5000)])
        instance.close()
        program.close()
    assert results[0] == results[1]


SELDOM_WAT = """
(module
  (type $unary (func (param i32) (result i32)))
  (type $mixed (func (param i64 f64) (result f64)))
  (table 4 funcref)
  (elem (i32.const 0) $double $scale $trap)
  (func $double (type $unary) (i32.shl (local.get 0) (i32.const 1)))
  (func $scale (type $mixed) (f64.mul (f64.convert_i64_s (local.get 0)) (local.get 1)))
  (func $trap (type $unary) (unreachable))
  (func $step (param $n i32) (param $at i32) (result i32)
    (if (i32.eqz (local.get $n)) (then
      (return (i32.add (call_indirect (type $unary) (i32.const 21) (local.get $at))
        (i32.trunc_f64_s (call_indirect (type $mixed) (i64.const 3) (f64.const 1.5) (i32.const 1))
      )))))
    (local.get $n))
  (func (export "run") (param $n i32) (param $at i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (call $step (local.get $n) (local.get $at))))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $again (i32.ge_s (local.get $n) (i32.const 0))))
    (local.get $sum)))
"""


def test_indirect_calls_that_seldom_happen(native_runtime: Any, tmp_path: Path) -> None:
    # $step: entries, its condition, then two calls that were never made.
    profile = Profile({"3_step": [5000, 5000, 0, 0, 0, 0, 0, 0, 0], "4": [1, 5000, 4999]})
    wasm = parse(SELDOM_WAT).to_bytes()
    files = emit_program(parse(SELDOM_WAT), EmitOptions(profile=profile)).files
    assert files["hot_000.c"].count("seldom0_") == 2
    build_program(wasm, tmp_path, zig(), options=EmitOptions(profile=profile))
    program = NativeProgram(native_runtime, tmp_path, [])
    instance = program.instantiate(memory_limit=0)
    assert instance.call("run", 100, 0) == 5050 + 42 + 4
    for at, reason in ((1, "signature"), (2, "unreachable"), (3, "empty"), (4, "out of bounds")):
        with pytest.raises(GuestTrap, match=reason):
            instance.call("run", 100, at)
    instance.close()
    program.close()


@pytest.mark.parametrize(
    ("entries", "calls", "seldom"),
    [(999, 0, False), (1000, 0, True), (1000, 1, True), (1999, 2, False), (2000, 2, True)],
)
def test_seldom_is_one_call_in_a_thousand_entries(entries: int, calls: int, seldom: bool) -> None:
    assert Counters(None, [entries, 0, 0, calls]).target("x") == Target("x", None, seldom)


def test_a_profile_of_another_module_does_no_harm() -> None:
    strange = Profile({"4_run": [5, 77, 1000], "0_double": [9999, 1, 2, 3], "x": [1]})
    assert "fn4_run" in "".join(
        emit_program(parse(WAT), EmitOptions(profile=strange)).files.values()
    )
