"""Every instruction in every mode, on numbers at edges: Wasmtime says what is right."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from coilbox.engines.native.emit.function import HANDLERS
from coilbox.engines.native.emit.numeric import LOADS, STORES, TEMPLATES
from coilbox.wasm import Module, decode_body
from coilbox.wasm.opcodes import OPCODES
from coilbox.wasm.types import F32, F64, I32, I64

from .differential import Call, callable_exports, on_native, on_wasmtime
from .modes import ALL_MODES, modes
from .test_emitter import GOLDENS, parse
from .wast import build_unit

# Exact, as some of the loads here trap whose values nothing needs.
MODES = {
    name: mode._replace(
        toolchain=replace(mode.toolchain, extra=(*mode.toolchain.extra, "-DCB_EXACT_LOADS"))
    )
    for name, mode in modes().items()
}
_OTHERS = (GOLDENS / "instructions.wat").read_text()
_VALUES = {
    I32: (0, 1, 2, 31, 33, 0x80, 0x8000, 0x12345678, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF),
    I64: (0, 1, 63, 65, 0x80, 0x8000, 0x80000000, 0x123456789ABCDEF0, 0x7FFFFFFFFFFFFFFF,
          0x8000000000000000, 0xFFFFFFFFFFFFFFFF),
    # 0, 1, .5, 1.5, 2.5, -.5, the least and the greatest, infinities, NaNs of each kind, and
    # numbers on both sides of the integers' bounds.
    F32: (0, 0x80000000, 0x3F800000, 0x3F000000, 0x3FC00000, 0x40200000, 0xBF000000, 0xBF7FFFFF,
          1, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000, 0x7FA00001, 0xFFC12345,
          0x4EFFFFFF, 0x4F000000, 0xCF000000, 0xCF000001, 0x4F7FFFFF, 0x4F800000,
          0x5EFFFFFF, 0x5F000000, 0xDF000000, 0xDF000001, 0x5F7FFFFF, 0x5F800000),
    F64: (0, 1 << 63, 0x3FF0000000000000, 0x3FE0000000000000, 0x3FF8000000000000,
          0x4004000000000000, 0xBFE0000000000000, 0xBFEFFFFFFFFFFFFF, 1, 0x7FEFFFFFFFFFFFFF,
          0x7FF0000000000000, 0xFFF0000000000000, 0x7FF8000000000000, 0x7FF4000000000001,
          0xFFF8123456789ABC, 0x41DFFFFFFFC00000, 0x41E0000000000000, 0xC1E0000000000000,
          0xC1E0000000200000, 0x41EFFFFFFFE00000, 0x41F0000000000000, 0x43DFFFFFFFFFFFFF,
          0x43E0000000000000, 0xC3E0000000000000, 0xC3E0000000000001, 0x43EFFFFFFFFFFFFF,
          0x43F0000000000000, 0x3810000000000001),
}  # fmt: skip
_BITS = {I32: "i32", I64: "i64", F32: "i32", F64: "i64"}
_GIVEN = {I32: "{}", I64: "{}", F32: "(f32.reinterpret_i32 {})", F64: "(f64.reinterpret_i64 {})"}
_TAKEN = {I32: "{}", I64: "{}", F32: "(i32.reinterpret_f32 {})", F64: "(i64.reinterpret_f64 {})"}
_QUIET = {F32: 0x7FC00000, F64: 0x7FF8000000000000}
# Of these the specification says each bit, also of a NaN.
_EXACT = ("abs", "neg", "copysign", "reinterpret")
_PLACES = (0, 1, 7, 65520, 65528, 65529, 65532, 65533, 65534, 65535, 65536, 0x80000000, 0xFFFFFFFF)


def _function(code: int, rest: str = "") -> str:
    """An instruction as an export whose arguments and results are bits."""
    info = OPCODES[code]
    assert info.pops is not None and info.pushes is not None
    params = "".join(f" {_BITS[kind]}" for kind in info.pops)
    given = [_GIVEN[k].format(f"(local.get {i})") for i, k in enumerate(info.pops)]
    text = f"({info.name}{rest} {' '.join(given)})"
    result = f"(result {_BITS[info.pushes[0]]})" if info.pushes else ""
    body = _TAKEN[info.pushes[0]].format(text) if info.pushes else text
    return f'(func (export "{info.name}") (param{params}) {result} {body})'


def _numeric() -> tuple[Module, list[Call]]:
    module = parse(f"(module {' '.join(map(_function, TEMPLATES))})")
    calls = []
    kinds = dict(callable_exports(module))
    for code in TEMPLATES:
        name, pops = OPCODES[code].name, OPCODES[code].pops
        assert pops is not None
        calls += [Call(name, kinds[name], a) for a in product(*(_VALUES[kind] for kind in pops))]
    return module, calls


def _memory() -> tuple[Module, list[Call]]:
    accesses = [*LOADS, *STORES]
    functions = " ".join(_function(code, " offset=3 align=1") for code in accesses)
    data = "".join(f"\\{byte:02x}" for byte in range(0x70, 0xA0))
    module = parse(
        f'(module (memory (export "memory") 1) {functions} '
        f'(data (i32.const 0) "{data}") (data (i32.const 65488) "{data}"))'
    )
    kinds = dict(callable_exports(module))
    calls = []
    for code in accesses:
        info = OPCODES[code]
        assert info.pops is not None
        values = [(_VALUES[kind][-4],) for kind in info.pops[1:]]
        calls += [Call(info.name, kinds[info.name], a) for a in product(_PLACES, *values)]
    return module, calls


def _others() -> tuple[Module, list[Call]]:
    module = parse(_OTHERS)
    places = (0, 1, 2, 3, 5, 100, 131066, 131072, 0xFFFFFFFF)
    return module, [Call(n, k, (p,)) for n, k in callable_exports(module) for p in places]


# What a C compiler may leave out for all numbers but a signalling NaN, which must become quiet.
_IDENTITIES = (
    "(K.mul X (K.const 1))", "(K.mul (K.const 1) X)", "(K.mul X (K.const -1))",
    "(K.div X (K.const 1))", "(K.div X (K.const -1))", "(K.sub X (K.const 0))",
    "(K.add X (K.const -0.0))", "(K.sub (K.const -0.0) X)", "(K.mul X (K.const 2))",
    "(K.div X (K.const 4))", "(K.min X (K.const inf))", "(K.max X (K.const -inf))",
    "(K.neg (K.mul X (K.const 1)))", "(K.abs (K.add X (K.const -0.0)))",
    "(K.mul (K.mul X (K.const 2)) (K.const 0.5))", "(K.mul X (local.get $one))",
    "(K.sub X (local.get $zero))", "(K.sub (K.const 0) (K.sub (K.const 0) X))",
    "(K.floor (K.ceil X))", "(K.sqrt (K.mul X (K.const 1)))",
)  # fmt: skip
_CONVERTED = {
    F32: "(f32.demote_f64 (f64.promote_f32 X))",
    F64: "(f64.promote_f32 (f32.demote_f64 X))",
}


def _folded() -> tuple[Module, list[Call]]:
    functions = []
    for kind, name in ((F32, "f32"), (F64, "f64")):
        for number, text in enumerate((*_IDENTITIES, _CONVERTED[kind])):
            given = _GIVEN[kind].format("(local.get 0)")
            body = _TAKEN[kind].format(text.replace("K.", f"{name}.").replace("X", given))
            bits = _BITS[kind]
            functions.append(
                f'(func (export "{name} {number}") (param {bits}) (result {bits})'
                f" (local $one {name}) (local $zero {name})"
                f" (local.set $one ({name}.const 1)) {body})"
            )
    module = parse(f"(module {' '.join(functions)})")
    return module, [
        Call(name, kind, (value,))
        for name, kind in callable_exports(module)
        for value in _VALUES[F32 if name.startswith("f32") else F64]
    ]


CASES = {"numeric": _numeric(), "memory": _memory(), "others": _others(), "folded": _folded()}


@pytest.fixture(scope="module")
def expected() -> dict[str, list[Any]]:
    engine = wasmtime.Engine()
    return {
        name: on_wasmtime(engine, module.to_bytes(), calls)
        for name, (module, calls) in CASES.items()
    }


def test_every_instruction_is_here() -> None:
    used = {
        instruction[0]
        for module, _ in CASES.values()
        for body in module.code
        for instruction in decode_body(body).code
    }
    assert {OPCODES[code].name for code in HANDLERS} <= {OPCODES[code].name for code in used}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("mode", ALL_MODES)
def test_instructions(
    mode: str, case: str, expected: dict[str, Any], native_runtime: Any, native_units: Path
) -> None:
    if mode not in MODES:
        pytest.skip(f"{mode} is not installed")
    module, calls = CASES[case]
    folder = build_unit(module.to_bytes(), native_units, *MODES[mode])
    found = on_native(native_runtime, folder, module, calls)
    wrong = [
        f"{call.name}({', '.join(map(hex, call.args))}): {_shown(one)}, not {_shown(right)}"
        for call, one, right in zip(calls, found, expected[case], strict=False)
        if not _equal(call, one, right)
    ]
    assert wrong == []
    # What is left is memory at the end, if the module has one.
    assert found[len(calls) :] == expected[case][len(calls) :]
    assert len(found) >= len(calls)


def _equal(call: Call, found: Any, right: Any) -> bool:
    info = next((OPCODES[code] for code in TEMPLATES if OPCODES[code].name == call.name), None)
    if found == right or info is None or isinstance(right, str) or isinstance(found, str):
        return bool(found == right)
    quiet = _QUIET.get(info.pushes[0]) if info.pushes else None
    if quiet is None or any(part in info.name for part in _EXACT):
        return False
    return bool(found[0] & quiet == right[0] & quiet == quiet)  # any quiet NaN will do


def _shown(result: Any) -> str:
    return result if isinstance(result, str) else " ".join(map(hex, result))
