"""Variants of the native engine that the benchmark compiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from coilbox import Image
from coilbox.bench.variants import VARIANTS, variant_folder
from coilbox.bench.wasm2c import build_wasm2c
from coilbox.engines.native.library import runtime
from coilbox.engines.native.program import NativeProgram
from coilbox.engines.native.toolchain import zig
from coilbox.engines.protocol import HostImport
from coilbox.errors import GuestTrap, UsageError
from coilbox.support.cache import Cache
from tests.tools import assemble, tool

WAT = """
(module
  (import "coilbox" "add" (func $add (param i32 i64) (result i32)))
  (type $unary (func (param i32) (result i32)))
  (memory (export "memory") 2 4)
  (data (i32.const 70000) "\\2a")
  (table 2 2 funcref)
  (elem (i32.const 0) $read $twice)
  (func $read (type $unary) (i32.load8_u (local.get 0)))
  (func $twice (type $unary) (call $add (local.get 0) (i64.extend_i32_u (local.get 0))))
  (func (export "run") (param i32 i32) (result i32)
    (call_indirect (type $unary) (local.get 1) (local.get 0)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "far") (param i32) (result i32) (i32.load (i32.const 0x7fffffff))))
"""


class FakeImage:
    def __init__(self, cache: Cache, wasm: bytes) -> None:
        self.cache, self.wasm, self.digest = cache, wasm, "0" * 64

    def read(self, name: str) -> bytes:
        return self.wasm


@pytest.fixture
def image(tmp_path: Path) -> Image:
    tmp_path.chmod(0o700)
    return cast(Image, FakeImage(Cache(tmp_path), assemble(WAT)))


def test_a_module_through_wasm2c_does_the_same(image: Image) -> None:
    tool("wasm2c")
    added: list[tuple[int, int]] = []

    def add(instance: object, left: int, right: int) -> int:
        added.append((left, right))
        return left + right

    folder = build_wasm2c(image)
    assert build_wasm2c(image) == folder  # from the cache
    imports = [HostImport("coilbox", "add", "iI", "i", add)]
    program: Any = NativeProgram(runtime(image.cache, zig()), folder, imports)
    first, second = (program.instantiate(memory_limit=3 << 16) for _ in range(2))
    assert first.call("run", 0, 70000) == 42
    assert first.call("run", 1, 21) == 42
    assert added == [(21, 21)]
    assert [first.call("grow", 1), first.call("grow", 1)] == [2, 0xFFFFFFFF]
    first.write(3 << 16 - 1, b"\x07")
    assert first.memory_size == 3 << 16
    assert second.memory_size == 2 << 16
    with pytest.raises(GuestTrap, match="out of bounds"):
        second.call("far", 0)
    for instance in (first, second):
        instance.close()
    program.close()


def test_what_cannot_be_measured(image: Image) -> None:
    with pytest.raises(UsageError, match="no profile of this image; take one: coilbox image comp"):
        variant_folder("pgo", image)
    with pytest.raises(UsageError, match=f"no variant 'fast'; there are {', '.join(VARIANTS)}"):
        variant_folder("fast", image)


@pytest.mark.parametrize("name", ["full", "quick", "trampoline"])
def test_variants_are_compiled(image: Image, name: str) -> None:
    folder = variant_folder(name, image)
    assert folder == variant_folder(name, image)
    assert len({variant_folder(other, image) for other in ("full", name)}) == (name != "full") + 1
