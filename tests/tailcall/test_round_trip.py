"""Functions through the graph and back to structured code, without a split."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import wasmtime

from coilbox.wasm import Module
from coilbox_guest.tailcall.body import encode_graph
from coilbox_guest.tailcall.build import build_graph
from coilbox_guest.tailcall.effects import Effects
from coilbox_guest.tailcall.simplify import remove_unread, simplify

from . import machine
from .minivm import SHAPES, Shape, interpreter
from .smith import observe, smith_module

SMITH_MODULES = 60


def round_trip(data: bytes, *, clean: bool = False) -> bytes:
    """Every function rebuilt from its graph; with `clean`, tidied on the way."""
    module = Module(data)
    effects = Effects(module)
    for number in range(len(module.code)):
        graph = build_graph(module, number + effects.imported_functions, effects)
        if clean:
            simplify(graph)
            remove_unread(graph)
        module.code[number] = encode_graph(graph, range(len(graph.type.params)))
    return module.to_bytes()


@pytest.mark.parametrize("clean", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_interpreters(wat: Callable[[str], bytes], shape: Shape, clean: bool) -> None:
    original = wat(interpreter(shape))
    codes = machine.programs(3, [shape.bias + n * shape.sparse for n in range(18)])
    rebuilt = round_trip(original, clean=clean)
    machine.validate(rebuilt)
    assert machine.outcomes(rebuilt, codes) == machine.outcomes(original, codes)


@pytest.mark.parametrize("seed", range(SMITH_MODULES))
def test_random_modules(seed: int) -> None:
    original = smith_module(seed)
    rebuilt = round_trip(original, clean=bool(seed % 2))
    machine.validate(rebuilt)
    assert observe(rebuilt, seed) == observe(original, seed)


@pytest.mark.slow
def test_every_function_of_cpython(libpython: bytes, tmp_path: Path) -> None:
    """That it behaves the same is seen in test_guest.py; here it only has to be valid."""
    rebuilt = round_trip(libpython)
    machine.validate(rebuilt)
    assert len(rebuilt) < len(libpython)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        # Values below a block's own are not touched by branches out of it.
        ("i32.const 1 (block (result i32) i32.const 2 i32.const 3 (br 0)) i32.add", 4),
        # A branch carries the top values and drops what lies between.
        ("(block (result i32) i32.const 7 i32.const 8 i32.const 9 (br 0))", 9),
        ("(block (result i32) i32.const 7 i32.const 8 (br_if 0 (i32.const 0)) i32.add)", 15),
        ("(block (result i32) i32.const 7 i32.const 8 (br_if 0 (i32.const 1)) i32.add)", 8),
        ("i32.const 5 (if (param i32) (result i32) (i32.const 0) (then i32.const 1 i32.add))", 5),
        ("i32.const 5 (if (param i32) (result i32) (i32.const 1) (then i32.const 1 i32.add))", 6),
        ("(block (result i32) i32.const 4 (br_table 0 1 0 (i32.const 1)))", 4),
        ("i32.const 3 i32.const 4 (return)", 4),
        ("i32.const 3 (loop (param i32) (result i32) i32.const 2 i32.mul)", 6),
        ("(if (result i32) (i32.const 1) (then (return (i32.const 2))) (else unreachable))", 2),
        ("(block (result i32) (br 0 (i32.const 6)) (drop) (i32.const 5))", 6),
    ],
)
def test_operands_across_blocks(wat: Callable[[str], bytes], text: str, result: int) -> None:
    original = wat(
        f'(module (memory (export "memory") 1) (func (export "run") (result i32) {text}))'
    )
    rebuilt = round_trip(original)
    machine.validate(rebuilt)
    for module in (original, rebuilt):
        store = wasmtime.Store()
        instance = wasmtime.Instance(store, wasmtime.Module(store.engine, module), [])
        run = instance.exports(store)["run"]
        assert isinstance(run, wasmtime.Func) and run(store) == result
