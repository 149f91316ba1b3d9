"""One small module on each engine, with its imports given by a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from coilbox.engines.native.instance import NativeInstance
from coilbox.engines.native.program import NativeProgram
from coilbox.engines.protocol import HostImport
from coilbox.engines.wasmtime import WasmtimeEngine
from coilbox.engines.wasmtime.instance import WasmtimeInstance
from coilbox.engines.wasmtime.library import capi, check, ffi
from coilbox.engines.wasmtime.program import WasmtimeProgram

POLL = 65536
AFTER_POLL = b"of the guest"
WAT = """
(module
  (import "host" "two" (func $two (param i32 i64) (result i32)))
  (import "host" "none" (func $none))
  (memory (export "memory") 4)
  (data (i32.const 16) "snapshot")
  (data (i32.const 131072) "of the guest")
  (global $counter (mut i32) (i32.const 7))
  (func (export "two") (param i32) (result i32)
    (call $two (local.get 0) (i64.const -1)))
  (func (export "none") (param i32) (result i32) (call $none) (local.get 0))
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "far") (param i32) (result i32) (i32.load offset=0xffffffff (local.get 0)))
  (func (export "store") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "divide") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
  (func (export "count") (result i32)
    (global.set $counter (i32.add (global.get $counter) (i32.const 1))) (global.get $counter))
  (func $deep (export "deep") (param i32) (result i32)
    (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
  (func $endless (export "endless") (param i32) (result i32)
    (call $endless (i32.add (local.get 0) (i32.const 1))))
  (func $down (export "down") (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.add (call $down (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
      (else (call $none) (i32.const 0))))
  (func (export "spin") (param i32) (result i32)
    (loop $again
      (drop (i32.load (i32.const 65536)))
      (br $again))
    (local.get 0)))
"""

Instance = NativeInstance | WasmtimeInstance
Program = NativeProgram | WasmtimeProgram
Load = Callable[[list[HostImport]], Program]
Make = Callable[..., Any]


def two(instance: object, a: int, b: int) -> int:
    return a


def none(instance: object) -> None:
    return None


def imports(two: Callable[..., int] = two, none: Callable[..., None] = none) -> list[HostImport]:
    return [HostImport("host", "two", "iI", "i", two), HostImport("host", "none", "", "", none)]


def on_native(runtime: Any, built: Path) -> Load:
    def load(imports: list[HostImport]) -> NativeProgram:
        return NativeProgram(
            runtime, built, imports, poll_page=POLL, poll_size=65536, eval_breaker=0
        )

    return load


def on_wasmtime(engine: WasmtimeEngine, wasm: bytes) -> Load:
    def load(imports: list[HostImport]) -> WasmtimeProgram:
        module = ffi.new("wasmtime_module_t **")
        source = ffi.from_buffer("uint8_t[]", wasm)
        check(capi().wasmtime_module_new(engine._engine, source, len(wasm), module), "test module")
        return WasmtimeProgram(
            engine._engine, module[0], imports, poll_page=POLL, poll_size=65536, eval_breaker=0
        )

    return load


@contextmanager
def maker(load: Load) -> Iterator[Make]:
    """Make instances, whose programs are shared by those with the same imports."""
    opened: list[Instance | Program] = []
    programs: dict[object, Program] = {}

    def make(
        two: Callable[..., int] = two,
        none: Callable[..., None] = none,
        memory_limit: int = 1 << 24,
    ) -> Instance:
        program = programs.get((two, none))
        if program is None:
            program = programs[two, none] = load(imports(two, none))
            opened.append(program)
        instance = program.instantiate(memory_limit=memory_limit)
        opened.insert(0, instance)
        return instance

    yield make
    for item in opened:
        item.close()
