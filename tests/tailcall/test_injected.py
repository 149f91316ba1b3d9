"""Random code with a dispatch loop put around it, split and compared.

The functions of a random module become the handlers of one new function: arguments come from a few
registers, results go back to them, and a byte of a number decides which is next.
"""

from __future__ import annotations

import random

import pytest

from coilbox.wasm import BY_NAME, Export, FuncType, Instr, Module
from coilbox.wasm.types import FUNC, I32, I64
from coilbox_guest.tailcall import (
    Dispatch,
    Options,
    Transfer,
    replicate_dispatch,
    split_interpreter,
)
from coilbox_guest.tailcall.body import encode_graph
from coilbox_guest.tailcall.build import build_graph
from coilbox_guest.tailcall.effects import Effects
from coilbox_guest.tailcall.graph import LOCAL_GET, LOCAL_SET, WRITES_LOCAL, Block, Exit, Graph

from . import machine
from .smith import observe, smith_module

MODULES = 40
CHOICES = (
    Options(function="injected", min_handlers=2),
    Options(function="injected", min_handlers=2, dispatch=Dispatch.CENTRAL),
    Options(function="injected", min_handlers=2, transfer=Transfer.INDIRECT),
)


def inject(data: bytes, seed: int) -> bytes:
    """The module with one more function, `injected`, whose handlers are the module's functions."""
    module = Module(data)
    effects = Effects(module)
    kinds = sorted({kind for f in effects.function_types for kind in (*f.params, *f.results)})
    whole = Graph(FuncType((I64,), (I64,)), [I64, I32, *kinds, *kinds], {}, 0)
    registers = {kind: 2 + n for n, kind in enumerate(kinds)}
    whole.new_block([(BY_NAME["i32.const"], 12), (LOCAL_SET, 1)], Exit.JUMP, [1])
    done = whole.new_block([], Exit.TRAP, [])
    whole.blocks[done] = Block([(LOCAL_GET, 0)], Exit.RETURN, [])
    point = whole.new_block([], Exit.TRAP, [])
    whole.blocks[0].targets = [point]
    entries = [
        _inline(whole, build_graph(module, number + effects.imported_functions, effects),
                registers, point)
        for number in range(len(module.code))
    ]  # fmt: skip
    for odd in (3, 5, 7):  # some handlers that surely lead back
        code = [(LOCAL_GET, 0), (BY_NAME["i64.const"], odd), (BY_NAME["i64.xor"],), (LOCAL_SET, 0)]
        entries.append(whole.new_block(code, Exit.JUMP, [point]))
    draw = random.Random(seed)
    targets = [draw.choice(entries) for _ in range(14)] + entries + [done, done]
    constant, shift = BY_NAME["i64.const"], BY_NAME["i64.shr_u"]
    step: list[Instr] = [
        # registers from the number, the number rotated, and at most twelve steps
        (LOCAL_GET, 0), (constant, 0x2545F4914F6CDD1D), (BY_NAME["i64.mul"],), (constant, 9),
        (BY_NAME["i64.add"],), (LOCAL_SET, 0),
        (LOCAL_GET, 1), (BY_NAME["i32.const"], 1), (BY_NAME["i32.sub"],), (LOCAL_SET, 1),
        (BY_NAME["i32.const"], len(targets) - 1),
        (LOCAL_GET, 0), (constant, 32), (shift,), (BY_NAME["i32.wrap_i64"],),
        (BY_NAME["i32.const"], len(targets)), (BY_NAME["i32.rem_u"],),
        (LOCAL_GET, 1), (BY_NAME["i32.eqz"],), (BY_NAME["select"],),
    ]  # fmt: skip
    whole.blocks[point] = Block(step, Exit.SWITCH, targets)
    module.functions.append(module.type_index(whole.type))
    module.code.append(encode_graph(whole, (0,)))
    index = effects.imported_functions + len(module.code) - 1
    module.exports.append(Export("injected", FUNC, index))
    return module.to_bytes()


def _inline(whole: Graph, graph: Graph, registers: dict[int, int], point: int) -> int:
    """Add a function's blocks; returns lead to `point`. The block to enter it by."""
    base = len(whole.locals)
    whole.locals += graph.locals
    number_of = {number: whole.new_block([], Exit.TRAP, []) for number in graph.blocks}
    for number, block in graph.blocks.items():
        code: list[Instr] = [
            (instr[0], instr[1] + base)
            if instr[0] == LOCAL_GET or instr[0] in WRITES_LOCAL
            else instr
            for instr in block.code
        ]
        exit, targets = block.exit, [number_of[target] for target in block.targets]
        if exit is Exit.RETURN:
            code += [(LOCAL_SET, registers[kind]) for kind in reversed(graph.type.results)]
            exit, targets = Exit.JUMP, [point]
        elif exit is Exit.TAIL:
            # Its own tail calls would leave the interpreter: end there instead.
            code, exit = [], Exit.TRAP
        whole.blocks[number_of[number]] = Block(code, exit, targets)
    start: list[Instr] = []
    for local in range(len(graph.type.params)):
        start += [(LOCAL_GET, registers[graph.locals[local]]), (LOCAL_SET, base + local)]
    return whole.new_block(start, Exit.JUMP, [number_of[graph.entry]])


@pytest.mark.parametrize("seed", range(MODULES))
def test_injected(seed: int) -> None:
    original = inject(smith_module(1000 + seed), seed)
    machine.validate(original)
    seen = observe(original, seed)
    for options in CHOICES:
        changed = split_interpreter(original, options).module_bytes
        machine.validate(changed)
        assert observe(changed, seed) == seen, options
    changed = replicate_dispatch(original, CHOICES[0]).module_bytes
    machine.validate(changed)
    assert observe(changed, seed) == seen
