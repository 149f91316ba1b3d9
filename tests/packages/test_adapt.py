"""Extension modules of WebAssembly wheels: what the guest has alike, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coilbox.errors import PackageError
from coilbox.wasm import Module, read_dylink
from coilbox_guest.packages.emscripten import adapt, init_name

Assemble = Callable[[str], bytes]


def library(imports: str = "", rest: str = "", start: str = "PyInit__core") -> str:
    return f"""(module (@dylink.0 (mem-info (memory 6 0) (table 0 0)))
      (import "env" "memory" (memory 1)) (import "env" "__memory_base" (global i32)) {imports}
      (func (export "{start}") (result i32) (i32.const 0)) {rest})"""


def test_names_and_adapters(wat: Assemble) -> None:
    text = library(
        '(import "env" "strlen" (func (param i32) (result i32)))'
        '(import "env" "PyLong_FromLong" (func (param i32) (result i32)))'
        '(import "env" "clock_gettime" (func (param i32 i32) (result i32)))'
    )
    adapted = Module(adapt(wat(text), "box._core", "box 1.0").data)
    names = [item.name for item in adapted.imports if item.module == "env"]
    assert names[2:] == ["strlen", "PyLong_FromLong", "emscripten_clock_gettime"]
    assert [item.name for item in adapted.exports] == [init_name("box._core")]


def test_init_names_differ() -> None:
    modules = ["a.b_c", "a_b.c", "a.b.c", "a_b_c", "a._b_c", "a_1b.c"]
    assert len({init_name(module) for module in modules}) == len(modules)


def test_exceptions_get_a_word_behind_the_memory(wat: Assemble) -> None:
    tag = '(import "env" "__cpp_exception" (tag $e (param i32)))'
    text = library(tag, '(func (export "f") (throw $e (i32.const 8)))')
    adapted = Module(adapt(wat(text), "_core", "box 1.0").data)
    dylink = read_dylink(adapted)
    assert dylink is not None
    assert (dylink.memory_size, dylink.memory_align) == (12, 2)


def test_all_lacks_are_named_at_once(wat: Assemble) -> None:
    text = library(
        '(import "env" "pthread_create" (func (param i32 i32 i32 i32) (result i32)))'
        '(import "env" "readdir" (func (param i32) (result i32)))'
    )
    with pytest.raises(PackageError) as caught:
        adapt(wat(text), "box._core", "box 1.0")
    assert str(caught.value) == (
        "box 1.0: box._core cannot be linked: the guest's C library lacks "
        "pthread_create (threads), readdir"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(module)", "it is not a shared library"),
        (library(start="PyInit_other"), "it does not export PyInit__core"),
    ],
)
def test_other_libraries(wat: Assemble, text: str, message: str) -> None:
    with pytest.raises(PackageError, match=f"box 1.0: box._core cannot be linked: {message}"):
        adapt(wat(text), "box._core", "box 1.0")
