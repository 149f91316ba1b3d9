"""Small interpreters, split in every way, against the originals on random programs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coilbox.wasm import Module
from coilbox_guest.tailcall import (
    Dispatch,
    Options,
    TailcallResult,
    Transfer,
    replicate_dispatch,
    split_interpreter,
)

from . import machine
from .minivm import SHAPES, Shape, interpreter

LEAST = 6
CHOICES = {
    "direct": Options(min_handlers=LEAST),
    "central": Options(min_handlers=LEAST, dispatch=Dispatch.CENTRAL, max_params=2),
    "indirect": Options(min_handlers=LEAST, transfer=Transfer.INDIRECT),
    "indirect central": Options(
        min_handlers=LEAST, transfer=Transfer.INDIRECT, dispatch=Dispatch.CENTRAL, max_params=3
    ),
    "no frame": Options(min_handlers=LEAST, spill=False),
    "all in the frame": Options(min_handlers=LEAST, max_params=0),
    "all parameters": Options(min_handlers=LEAST, max_params=50),
}
ALL_LIVE = {"plain", "sparse", "results", "points", "assigned"}


def opcodes(shape: Shape) -> list[int]:
    return [shape.bias + number * shape.sparse for number in range(18)]


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_split(wat: Callable[[str], bytes], shape: Shape, choice: str) -> None:
    _compare(wat, shape, lambda module: split_interpreter(module, CHOICES[choice]))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_uniform(wat: Callable[[str], bytes], shape: Shape) -> None:
    options = Options(min_handlers=LEAST, transfer=Transfer.INDIRECT, uniform=True)
    module = _compare(wat, shape, lambda module: split_interpreter(module, options))
    kinds = set(module.functions[3:])
    assert len(kinds) == 1, "every piece has the handlers' signature"


@pytest.mark.parametrize("spill", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_replicated(wat: Callable[[str], bytes], shape: Shape, spill: bool) -> None:
    options = Options(min_handlers=LEAST, spill=spill)
    _compare(wat, shape, lambda module: replicate_dispatch(module, options))


def _compare(
    wat: Callable[[str], bytes], shape: Shape, change: Callable[[bytes], TailcallResult]
) -> Module:
    original = wat(interpreter(shape))
    codes = machine.programs(len(shape.name), opcodes(shape))
    result = change(original)
    machine.validate(result.module_bytes)
    assert machine.outcomes(result.module_bytes, codes) == machine.outcomes(original, codes)
    assert change(original).module_bytes == result.module_bytes, "the output is deterministic"
    before, after = Module(original), Module(result.module_bytes)
    others = [n for n in range(len(before.code)) if n != 2]
    assert [after.code[n] for n in others] == [before.code[n] for n in others]
    return after


def test_random_programs_do_something(wat: Callable[[str], bytes]) -> None:
    """The comparison would prove little if all programs ended alike."""
    shape = SHAPES[-1]
    found = machine.outcomes(wat(interpreter(shape)), machine.programs(7, opcodes(shape)))
    assert len({str(outcome) for outcome in found}) > len(found) // 2


@pytest.mark.parametrize("choice", ["direct", "central", "indirect"])
def test_a_million_dispatches_in_constant_stack(wat: Callable[[str], bytes], choice: str) -> None:
    """Opcode 1 forever: each dispatch is a tail call, so the native stack cannot grow."""
    shape = SHAPES[0]
    module = split_interpreter(wat(interpreter(shape)), CHOICES[choice]).module_bytes
    code = bytes((1, 0)) * 256
    found = machine.outcomes(module, [code], steps=1_000_000)
    assert found[0] == 0 and found[1] == 0


def test_names(wat: Callable[[str], bytes]) -> None:
    shape = next(shape for shape in SHAPES if shape.name == "sparse")
    opcodes_of = {3: "HALT", 16: "ADD", 29: "FOLD"}
    options = Options(min_handlers=LEAST, opcode_names=opcodes_of)
    names = Module(split_interpreter(wat(interpreter(shape)), options).module_bytes).names
    found = [names.functions[number] for number in sorted(names.functions)]
    assert found[:6] == [
        "helper", "helper_at", "interpret", "interpret.HALT", "interpret.default", "interpret.ADD",
    ]  # fmt: skip
    assert found[6:8] == ["interpret.FOLD", "interpret.op42"]
    assert found[-1].startswith("interpret.shared")


def test_report(wat: Callable[[str], bytes]) -> None:
    shape = next(shape for shape in SHAPES if shape.name == "frame")
    report = split_interpreter(wat(interpreter(shape)), CHOICES["direct"]).report
    data = report.to_json()
    assert data["handlers"] == 14 and data["function"] == "interpret"
    assert data["functions"] == data["handlers"] + data["shared_entries"] + 1
    assert data["return_calls"] and not data["indirect_return_calls"]
    assert data["code_after"] > data["code_before"]
    assert data["preparations"]["frame_pointers"] == 2 and data["frame_bytes"] > 0
    assert data["options"]["max_params"] == 4
