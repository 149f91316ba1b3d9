"""Damaged libraries: the linker refuses them with its own error, or links what is still sound."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from coilbox.support.progress import Silent
from coilbox.wasm import Module, WasmFormatError
from coilbox_guest.link import LinkError, LinkSpec, SharedLibrary
from coilbox_guest.link.library import Library
from coilbox_guest.link.merge import merge, wanted_exports
from coilbox_guest.link.reserve import reserve
from coilbox_guest.link.toolchain import Toolchain
from tests.fuzzing import explore, mutated

LIBRARY = """(module (@dylink.0 (mem-info (memory 24 4) (table 1 0)))
  (import "env" "memory" (memory 1))
  (import "env" "__indirect_function_table" (table 0 funcref))
  (import "env" "__stack_pointer" (global $sp (mut i32)))
  (import "env" "__memory_base" (global $mb i32))
  (import "env" "__table_base" (global $tb i32))
  (import "GOT.mem" "counter" (global $counter (mut i32)))
  (import "GOT.func" "twice" (global $twice (mut i32)))
  (import "env" "abs" (func $abs (param i32) (result i32)))
  (func $twice (export "twice") (param i32) (result i32)
    (i32.mul (call $abs (local.get 0)) (i32.const 2)))
  (func $secret (param i32) (result i32) (i32.load (global.get $counter)))
  (func (export "__wasm_apply_data_relocs")
    (i32.store offset=4 (global.get $mb) (i32.add (global.get $mb) (i32.const 0)))
    (i32.store (i32.add (global.get $mb) (i32.const 8)) (global.get $twice)))
  (func (export "_initialize") (i32.store (global.get $counter) (i32.const 1)))
  (func $bss (memory.fill (i32.add (global.get $mb) (i32.const 12)) (i32.const 0) (i32.const 12)))
  (start $bss)
  (global (export "counter") i32 (i32.const 0))
  (elem (global.get $tb) func $secret)
  (data (global.get $mb) "\\07\\00\\00\\00"))"""
MAIN = """
extern int twice(int), counter;
void coilbox_construct(void);
int volatile data = 5;
int run(int what) { coilbox_construct(); return twice(what) + counter + data; }
"""


@pytest.fixture(scope="module")
def sound(wat: Callable[[str], bytes]) -> bytes:
    return wat(LIBRARY)


@pytest.fixture(scope="module")
def spec(sound: bytes, tmp_path_factory: pytest.TempPathFactory) -> LinkSpec:
    source = tmp_path_factory.mktemp("source") / "main.c"
    source.write_text(MAIN)
    return LinkSpec(
        sources=(source,),
        libraries=(SharedLibrary("first.so", sound),),
        exports=("run",),
        stack_size=65536,
        memory_maximum=64,
        grow=None,
    )


@pytest.fixture(scope="module")
def main(spec: LinkSpec, zig_work: Path) -> bytes:
    """The C side, linked for the sound library."""
    libraries = [Library(0, spec.libraries[0])]
    toolchain = Toolchain(zig_work, Silent())
    sources = (*spec.sources, reserve(libraries, zig_work))
    objects = toolchain.compile(sources, spec.include, spec.cflags)
    return toolchain.link(objects, wanted_exports(libraries, spec), spec.stack_size)


def test_damaged_libraries(main: bytes, sound: bytes, spec: LinkSpec) -> None:
    assert merge(Module(main), [Library(0, spec.libraries[0])], spec).module_bytes

    def check(data: bytes) -> None:
        try:
            library = Library(0, SharedLibrary("damaged.so", data))
            Module(merge(Module(main), [library], spec).module_bytes)
        except (LinkError, WasmFormatError):
            pass  # link() makes a LinkError of the latter

    explore(mutated([sound]), check, few=400)
