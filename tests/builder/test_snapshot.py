"""The snapshot: what it carries over, what it refuses, and that instances start from it at once."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import coilbox
from coilbox import Image
from coilbox.engines.wasmtime.library import ffi
from coilbox.engines.wasmtime.program import WasmtimeProgram
from coilbox.errors import BuildError
from coilbox.images import ImageInfo
from coilbox.session.programs import load_program
from coilbox.wasm import (
    Data,
    Export,
    Global,
    GlobalType,
    Limits,
    MemoryType,
    Module,
    decode_expression,
)
from coilbox.wasm.types import FUNC, I32, MEMORY, FuncType
from coilbox_guest.snapshot import (
    KEPT_EXPORTS,
    check_state,
    clear_stack,
    find_segments,
    freeze,
    make_dense,
    stage_module,
)

ZERO = b"\x41\0\x0b"


def linked() -> Module:
    """As much of a linked module as a snapshot looks at."""
    module = Module()
    module.types.append(FuncType((), (I32,)))
    module.memories.append(MemoryType(Limits(1, 16)))
    module.globals.append(Global(GlobalType(I32, True), ZERO))
    for number, name in enumerate(sorted({*KEPT_EXPORTS, "coilbox_boot"} - {"memory"})):
        module.functions.append(0)
        module.code.append(b"\0" + ZERO)
        module.exports.append(Export(name, FUNC, number))
    module.exports.append(Export("memory", MEMORY, 0))
    module.data.append(Data(0, 0, ZERO, b"old"))
    return module


def test_freeze_replaces_data_and_drops_boot() -> None:
    module = Module(linked().to_bytes())
    memory = bytearray(3 * 65536)
    memory[70000:70003] = b"new"
    freeze(module, memory, find_segments(memory))
    frozen = Module(module.to_bytes())
    assert frozen.memories[0].limits == Limits(3, 16)
    assert {item.name for item in frozen.exports} == KEPT_EXPORTS
    (segment,) = frozen.data
    (start,) = (instr[1] for instr in decode_expression(segment.offset)[0][:1])
    assert (start, len(segment.payload)) == (69632, 4096)
    assert segment.payload[70000 - start :][:3] == b"new"


def test_freeze_needs_the_whole_abi() -> None:
    module = linked()
    module.exports[:] = [item for item in module.exports if item.name != "coilbox_info"]
    with pytest.raises(BuildError, match="the linked module does not export coilbox_info"):
        freeze(module, bytearray(65536), [])


def test_segments_are_pages_that_are_not_zero() -> None:
    memory = bytearray(10 * 4096)
    memory[0] = memory[4096 * 2 - 1] = memory[4096 * 5] = 1
    assert find_segments(memory) == [(0, 8192), (20480, 24576)]
    assert find_segments(bytearray(8192)) == []


def test_density() -> None:
    page = 4096
    sparse = [(0, 5 * page), (9 * page, 12 * page), (22 * page, 24 * page)]
    assert make_dense(sparse) == [(0, 12 * page), (22 * page, 24 * page)]
    alone = [(page, 5 * page)]
    assert make_dense(alone) == alone


def test_the_stack_is_cleared() -> None:
    memory = bytearray(b"x" * 100)
    clear_stack(memory, ImageInfo(0, 1, 0, 0, 0, 0, stack_low=10, stack_high=90))
    assert memory == b"x" * 10 + bytes(80) + b"x" * 10


def test_the_probe_reads_the_stack_pointer() -> None:
    module = Module(stage_module(linked().to_bytes()))
    assert module.exports[-1].name == "coilbox_stack_pointer"
    assert module.code[-1] == b"\0\x23\0\x0b"
    check_state(module)


def second_global(module: Module) -> None:
    module.globals.append(Global(GlobalType(I32, True), ZERO))


def table_set(module: Module) -> None:
    module.code[0] = b"\0\x41\0\xd0\x70\x26\0\x41\0\x0b"


def start_function(module: Module) -> None:
    module.start = 0


def passive_data(module: Module) -> None:
    module.data.append(Data(1, 0, b"", b"later"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (second_global, "0 imported and 2 mutable globals; a snapshot allows only the stack point"),
        (table_set, "has instructions that change the table"),
        (start_function, "has a start function or passive data"),
        (passive_data, "has a start function or passive data"),
    ],
)
def test_state_that_cannot_be_carried_over(change: Callable[[Module], None], words: str) -> None:
    module = linked()
    check_state(module)
    change(module)
    with pytest.raises(BuildError, match=words):
        check_state(module)


def test_the_image_has_the_abi_and_nothing_more(image: Image) -> None:
    module = Module(image.read("guest.wasm"))
    assert {item.name for item in module.exports} == KEPT_EXPORTS
    assert module.start is None
    assert module.memories[0].limits.minimum * 65536 == image.memory_bytes
    modules = {item.module for item in module.imports}
    assert modules == {"wasi_snapshot_preview1", "coilbox"}


def test_nothing_of_the_build_machine_is_in_the_image(image: Image) -> None:
    wasm = image.read("guest.wasm")
    folders = [Path(__file__).parent, image.cache.root, Path(coilbox.__file__).parents[1]]
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - there may be none
    for folder in [*folders, *([home] if len(home.parts) > 1 else [])]:
        assert f"{folder}/".encode() not in wasm


def test_memory_is_mapped_and_not_copied(image: Image) -> None:
    """A fresh guest has few pages of its own: the others are the image's."""
    _, program = load_program(image, "wasmtime")
    assert isinstance(program, WasmtimeProgram)
    store = program.stores._make()  # a new one, not one that a guest has used
    try:
        start = int(ffi.cast("uintptr_t", store.base))
        end = start + store.memory_size()
        own, inside = 0, False
        for line in Path("/proc/self/smaps").read_text().splitlines():
            if mapping := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
                inside = start <= int(mapping[1], 16) < end
            elif inside and line.startswith("Anonymous:"):
                own += int(line.split()[1]) * 1024
    finally:
        store.delete()
    assert end - start > 10 << 20
    assert own < 1 << 20
