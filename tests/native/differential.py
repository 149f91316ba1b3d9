"""The same calls on Wasmtime and on native code: results, traps and memory must agree.

After an access out of bounds both go on with fresh instances. The C compiler orders accesses and
changes of globals as it likes, so native code may have done a little more, or less, when it traps;
coilbox never runs an instance on that trapped.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, NamedTuple

import wasmtime

from coilbox.engines.native.program import NativeProgram
from coilbox.errors import GuestTrap
from coilbox.wasm import FuncType, Module
from coilbox.wasm.types import FUNC, MEMORY, VALUE_TYPES

from .wast import MEMORY_LIMIT

_PLAIN = ("i32", "i64", "f32", "f64")
_MASK = {"i32": 0xFFFFFFFF, "f32": 0xFFFFFFFF}


class Call(NamedTuple):
    """A call of an export; arguments as bits."""

    name: str
    kind: FuncType
    args: tuple[int, ...]


def callable_exports(module: Module) -> list[tuple[str, FuncType]]:
    """The exported functions that take and give numbers only."""
    types = module.function_types()
    out = []
    for item in module.exports:
        if item.kind == FUNC:
            kind = module.types[types[item.index]]
            if all(VALUE_TYPES[t] in _PLAIN for t in (*kind.params, *kind.results)):
                out.append((item.name, kind))
    return out


def on_wasmtime(engine: Any, wasm: bytes, calls: list[Call]) -> list[Any]:
    """What calls return, or the kind of trap each ends in; memory at the end, if exported."""
    module = wasmtime.Module(engine, wasm)
    store = wasmtime.Store(engine)
    try:
        exports = wasmtime.Instance(store, module, []).exports(store)
    except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
        return ["start", _kind(str(error))]
    out: list[Any] = []
    for name, kind, args in calls:
        given = [
            _from_bits(VALUE_TYPES[t], bits) for t, bits in zip(kind.params, args, strict=True)
        ]
        try:
            function = exports[name]
            assert isinstance(function, wasmtime.Func)
            found = function(store, *given)
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            out.append(_kind(str(error)))
            if out[-1] == "stack":
                return out
            if out[-1] == "memory":
                store = wasmtime.Store(engine)
                exports = wasmtime.Instance(store, module, []).exports(store)
            continue
        values = [] if found is None else found if isinstance(found, list) else [found]
        out.append([_to_bits(VALUE_TYPES[t], v) for t, v in zip(kind.results, values, strict=True)])
    memories = [item for item in exports.values() if isinstance(item, wasmtime.Memory)]
    return [*out, *(bytes(memory.read(store)) for memory in memories[:1])]


def on_native(runtime: Any, folder: Path, module: Module, calls: list[Call]) -> list[Any]:
    """The same on the native engine."""
    memory = any(item.kind == MEMORY for item in module.exports)
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
                found = instance.call_bits(name, args)
            except GuestTrap as trap:
                out.append(_kind(str(trap)))
                if out[-1] == "stack":
                    return out
                if out[-1] == "memory":
                    instance.close()
                    instance = program.instantiate(memory_limit=MEMORY_LIMIT)
                continue
            kinds = [VALUE_TYPES[t] for t in kind.results]
            out.append([_comparable(k, b) for k, b in zip(kinds, found, strict=True)])
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


def _comparable(kind: str, bits: int) -> int:
    """Bits as Wasmtime's Python package gives them: its f32 becomes a f64, which quiets NaNs."""
    bits &= _MASK.get(kind, -1)
    nan = kind == "f32" and bits & 0x7FFFFFFF > 0x7F800000
    return bits | 0x400000 if nan else bits


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
