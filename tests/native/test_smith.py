"""Random modules of ``wasm-tools smith``: results and memory are Wasmtime's.

`COILBOX_SMITH` says how many; the seeds are the numbers from 0.
"""

from __future__ import annotations

import os
import random
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from coilbox.engines.native.program import NativeProgram
from coilbox.engines.native.toolchain import Toolchain, zig
from coilbox.errors import GuestTrap
from coilbox_guest.native import EmitOptions
from coilbox_guest.wasm import Module
from coilbox_guest.wasm.types import FUNC, VALUE_TYPES, FuncType

from .wast import MEMORY_LIMIT, build_unit

COUNT = int(os.environ.get("COILBOX_SMITH", "2000"))
BATCH = 100
_VALUES = {
    "max-imports": "0", "min-funcs": "2", "max-memories": "1", "max-tables": "3",
    "max-memory32-bytes": "1048576", "max-table-elements": "1000", "max-instructions": "300",
    "min-data-segments": "1", "max-data-segments": "4",
}  # fmt: skip
_ON = """export-everything canonicalize-nans tail-call-enabled extended-const-enabled
    reference-types-enabled memory-max-size-required table-max-size-required
    allow-start-export"""
_OFF = """simd-enabled relaxed-simd-enabled gc-enabled exceptions-enabled memory64-enabled
    threads-enabled custom-page-sizes-enabled wide-arithmetic-enabled compact-imports-enabled
    custom-descriptors-enabled shared-everything-threads-enabled generate-custom-sections"""
_VALUES.update(dict.fromkeys(_ON.split(), "true"), **dict.fromkeys(_OFF.split(), "false"))
_FLAGS = ["--ensure-termination", *(f"--{name}={value}" for name, value in _VALUES.items())]
_PLAIN = ("i32", "i64", "f32", "f64")
_MASK = {"i32": 0xFFFFFFFF, "f32": 0xFFFFFFFF}


def smith(seed: int, folder: Path) -> bytes:
    """A valid module that ends, made from a seed."""
    entropy = random.Random(seed).randbytes(random.Random(-seed).choice((300, 1000, 3000)))
    done = subprocess.run(
        ["wasm-tools", "smith", *_FLAGS], input=entropy, capture_output=True, check=False
    )
    return done.stdout if done.returncode == 0 else b""


def _callable(module: Module) -> list[tuple[str, FuncType]]:
    types = module.function_types()
    out = []
    for item in module.exports:
        if item.kind == FUNC:
            kind = module.types[types[item.index]]
            if all(VALUE_TYPES[t] in _PLAIN for t in (*kind.params, *kind.results)):
                out.append((item.name, kind))
    return out


def _on_wasmtime(engine: Any, wasm: bytes, calls: list[Any]) -> list[Any]:
    store = wasmtime.Store(engine)
    try:
        instance = wasmtime.Instance(store, wasmtime.Module(engine, wasm), [])
    except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
        return ["start", _kind(str(error))]
    exports = instance.exports(store)
    out: list[Any] = []
    for name, kind, args in calls:
        given = [
            _from_bits(VALUE_TYPES[t], bits) for t, bits in zip(kind.params, args, strict=True)
        ]
        try:
            found = exports[name](store, *given)
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            out.append(_kind(str(error)))
            if out[-1] == "stack":
                return out
            continue
        values = [] if found is None else found if isinstance(found, list) else [found]
        out.append([_to_bits(VALUE_TYPES[t], v) for t, v in zip(kind.results, values, strict=True)])
    memories = [item for item in exports.values() if isinstance(item, wasmtime.Memory)]
    return [*out, *(bytes(memory.read(store)) for memory in memories[:1])]


def _on_native(runtime: Any, folder: Path, calls: list[Any], memory: bool) -> list[Any]:
    program = NativeProgram(runtime, folder, [])
    try:
        instance = program.instantiate(memory_limit=MEMORY_LIMIT)
    except GuestTrap as trap:
        program.close()
        return ["start", _kind(str(trap))]
    out: list[Any] = []
    try:
        for name, kind, args in calls:
            try:
                found = instance.call_bits(name, tuple(args))
            except GuestTrap as trap:
                out.append(_kind(str(trap)))
                if out[-1] == "stack":
                    return out
                continue
            kinds = [VALUE_TYPES[t] for t in kind.results]
            out.append([b & _MASK.get(k, -1) for k, b in zip(kinds, found, strict=True)])
        return [*out, *([instance.read(0, instance.memory_size)] if memory else [])]
    finally:
        instance.close()
        program.close()


_KINDS = {
    "out of bounds memory": "memory", "memory access out of bounds": "memory",
    "table access": "table", "undefined element": "table", "out of bounds table": "table",
    "uninitialized element": "null", "empty table": "null",
    "indirect call type mismatch": "signature", "wrong signature": "signature",
    "divide by zero": "divide", "division by zero": "divide", "integer overflow": "overflow",
    "invalid conversion": "convert", "conversion of a number": "convert",
    "unreachable": "unreachable", "call stack exhausted": "stack", "stack was used up": "stack",
}  # fmt: skip


def _kind(text: str) -> str:
    return next((kind for known, kind in _KINDS.items() if known in text), text)


def _from_bits(kind: str, bits: int) -> Any:
    if kind == "f32":
        return struct.unpack("<f", struct.pack("<I", bits))[0]
    if kind == "f64":
        return struct.unpack("<d", struct.pack("<Q", bits))[0]
    width = 32 if kind == "i32" else 64
    return bits - (1 << width) if bits >> (width - 1) else bits


def _to_bits(kind: str, value: Any) -> int:
    if kind == "f32":
        return int(struct.unpack("<I", struct.pack("<f", value))[0])
    if kind == "f64":
        return int(struct.unpack("<Q", struct.pack("<d", value))[0])
    return int(value) & ((1 << (32 if kind == "i32" else 64)) - 1)


_ARGUMENTS = {"i32": (0, 1, 0x80000000), "i64": (0, 1 << 63, 12345), "f32": (0, 0x3FC00000),
              "f64": (0, 0xBFF8000000000000)}  # fmt: skip


def _calls(module: Module, seed: int) -> list[Any]:
    chance = random.Random(seed)
    return [
        (name, kind, [chance.choice(_ARGUMENTS[VALUE_TYPES[t]]) for t in kind.params])
        for name, kind in _callable(module)
        for _ in range(2)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, COUNT, BATCH))
def test_random_modules(
    first: int, native_runtime: Any, native_units: Path, tmp_path: Path
) -> None:
    engine = wasmtime.Engine()
    clang = zig()
    toolchain = Toolchain("zig", clang.command, optimize=("-O1",), extra=("-DCB_EXACT_LOADS",))
    ran = 0
    for seed in range(first, min(first + BATCH, COUNT)):
        wasm = smith(seed, tmp_path)
        if not wasm:
            continue
        module = Module(wasm)
        calls = _calls(module, seed)
        # Both ways of tail calls, in turn.
        options = EmitOptions(trampoline=bool(seed % 2))
        folder = build_unit(wasm, native_units, toolchain, options)
        expected = _on_wasmtime(engine, wasm, calls)
        memory = bool(expected) and isinstance(expected[-1], bytes)
        found = _on_native(native_runtime, folder, calls, memory)
        assert found == expected, f"seed {seed}"
        ran += 1
    assert ran > BATCH // 2
