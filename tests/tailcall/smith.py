"""Random modules from `wasm-tools smith`, and what can be seen of running them."""

from __future__ import annotations

import random
import re
import subprocess

import wasmtime

from coilbox.wasm import Module
from tests.tools import tool

_FLAGS = (
    "--min-funcs=3", "--max-funcs=12", "--max-imports=0", "--max-memories=1", "--max-tables=1",
    "--min-globals=1", "--max-instructions=120", "--max-data-segments=0",
    "--max-element-segments=1", "--export-everything=true", "--max-modules=0",
    "--bulk-memory-enabled=true", "--reference-types-enabled=true", "--simd-enabled=false",
    "--relaxed-simd-enabled=false", "--exceptions-enabled=false", "--gc-enabled=false",
    "--memory64-enabled=false", "--threads-enabled=false", "--multi-value-enabled=true",
    "--tail-call-enabled=true", "--custom-page-sizes-enabled=false",
    "--wide-arithmetic-enabled=false", "--extended-const-enabled=false",
    "--ensure-termination", "--fuel=500", "--max-memory32-bytes=262144", "--canonicalize-nans=true",
    "--shared-everything-threads-enabled=false",
)  # fmt: skip
_LEAST = 2
_ENGINE = wasmtime.Engine()


def smith_module(seed: int) -> bytes:
    """A valid module with functions, the same for the same seed."""
    attempts = (_smith(1000 * seed + attempt) for attempt in range(100))
    return next(module for module in attempts if len(Module(module).code) >= _LEAST)


def _smith(seed: int) -> bytes:
    data = random.Random(seed).randbytes(4000)
    traps = f"--disallow-traps={'false' if seed % 3 else 'true'}"
    found = subprocess.run(
        [tool("wasm-tools"), "smith", *_FLAGS, traps], input=data, capture_output=True
    )
    assert not found.returncode, found.stderr.decode()
    return found.stdout


def observe(module: bytes, seed: int) -> dict[str, list[object]]:
    """For each exported function: its results or trap, then globals and memory, in a new instance.

    Every run ends: smith puts a counter into each loop and function.
    """
    compiled = wasmtime.Module(_ENGINE, module)
    draw = random.Random(seed)
    found: dict[str, list[object]] = {}
    for item in compiled.exports:
        if not isinstance(item.type, wasmtime.FuncType):
            continue
        arguments = [_argument(draw, str(param)) for param in item.type.params]
        store = wasmtime.Store(_ENGINE)
        try:
            exports = wasmtime.Instance(store, compiled, []).exports(store)
            function = exports[item.name]
            assert isinstance(function, wasmtime.Func)
            seen: list[object] = [_text(function(store, *arguments))]
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            found[item.name] = [str(getattr(error, "trap_code", type(error)))]
            continue
        for other in compiled.exports:
            value = exports[other.name]
            if isinstance(value, wasmtime.Global):
                seen.append(_text(value.value(store)))
            elif isinstance(value, wasmtime.Memory):
                seen.append(bytes(value.read(store, 0, value.data_len(store))))
        found[item.name] = seen
    return found


def _text(value: object) -> str:
    """A result; references are only told from null."""
    return re.sub(r"<[^>]* object at [^>]*>", "reference", str(value))


def _argument(draw: random.Random, kind: str) -> object:
    if kind == "i32":
        return draw.randrange(-(1 << 31), 1 << 31) if draw.random() < 0.5 else draw.randrange(64)
    if kind == "i64":
        return draw.randrange(-(1 << 63), 1 << 63) if draw.random() < 0.5 else draw.randrange(64)
    if kind in ("f32", "f64"):
        return draw.uniform(-100, 100)
    return None
