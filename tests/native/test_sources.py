"""Time and randomness from the kernel: the engine answers itself exactly what it may."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coilbox.engines.native.instance import NativeInstance
from coilbox.engines.native.program import NativeProgram
from coilbox.engines.protocol import NO_SOURCES, HostImport, KernelSources

from .texts import build_text

PAGE = 65536
POLL = PAGE
SIZE = 3 * PAGE
WAT = """
(module
  (import "wasi_snapshot_preview1" "clock_time_get"
    (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 3)
  (func (export "clock") (param i32 i32) (result i32)
    (call $clock (local.get 0) (i64.const 1) (local.get 1)))
  (func (export "random") (param i32 i32) (result i32)
    (call $random (local.get 0) (local.get 1))))
"""
ASKED = 77  # what the host's functions answer here

Make = Callable[[KernelSources], NativeInstance]


@pytest.fixture
def asked() -> list[tuple[int, ...]]:
    """The arguments of calls that reached the host's functions."""
    return []


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_text(WAT, tmp_path_factory.mktemp("sources"))


@pytest.fixture
def make(built: Path, native_runtime: Any, asked: list[tuple[int, ...]]) -> Iterator[Make]:
    def note(instance: object, *arguments: int) -> int:
        asked.append(arguments)
        return ASKED

    wasi = "wasi_snapshot_preview1"
    imports = [
        HostImport(wasi, "clock_time_get", "iIi", "i", note),
        HostImport(wasi, "random_get", "ii", "i", note),
    ]
    program = NativeProgram(
        native_runtime, built, imports, poll_page=POLL, poll_size=PAGE, eval_breaker=0
    )
    opened: list[NativeInstance] = []

    def make(sources: KernelSources) -> NativeInstance:
        instance = program.instantiate(memory_limit=1 << 20, sources=sources)
        opened.append(instance)
        return instance

    yield make
    for instance in opened:
        instance.close()
    program.close()


def clock(instance: NativeInstance, number: int) -> int:
    assert instance.call("clock", number, 64) == 0
    return int.from_bytes(instance.read(64, 8), "little")


def test_clocks_are_the_kernels(make: Make, asked: list[tuple[int, ...]]) -> None:
    start = time.monotonic_ns() - 5_000_000_000
    instance = make(KernelSources(start, False))
    before = time.time_ns(), time.monotonic_ns()
    found = clock(instance, 0), clock(instance, 1) + start
    after = time.time_ns(), time.monotonic_ns()
    assert before[0] <= found[0] <= after[0]
    assert before[1] <= found[1] <= after[1]
    assert not asked


def test_random_bytes_fill_the_buffer_and_no_more(make: Make, asked: list[tuple[int, ...]]) -> None:
    instance = make(KernelSources(None, True))
    assert instance.call("random", 0, PAGE) == 0
    first = instance.read(0, PAGE)
    assert len(set(first)) == 256
    assert instance.call("random", 100, 1000) == 0
    second = instance.read(0, PAGE)
    assert second[:100] == first[:100]
    assert second[1100:] == first[1100:]
    assert second[100:1100] != first[100:1100]
    assert instance.call("random", 2 * PAGE, 0) == 0
    assert not asked


def test_what_is_not_the_kernels_is_the_hosts(make: Make, asked: list[tuple[int, ...]]) -> None:
    def answers(sources: KernelSources) -> tuple[int, int]:
        instance = make(sources)
        return instance.call("clock", 1, 64), instance.call("random", 64, 8)

    assert answers(NO_SOURCES) == (ASKED, ASKED)
    assert asked == [(1, 1, 64), (64, 8)]
    assert answers(KernelSources(0, False)) == (0, ASKED)
    assert answers(KernelSources(None, True)) == (ASKED, 0)


@pytest.mark.parametrize(
    ("export", "arguments"),
    [
        ("clock", (2, 64)),  # CPU time is the host's to know
        ("clock", (99, 64)),
        ("clock", (0xFFFFFFFF, 64)),
        ("clock", (1, SIZE - 7)),
        ("clock", (1, 0xFFFFFFFF)),
        ("clock", (1, POLL - 1)),
        ("clock", (1, POLL)),
        ("clock", (1, POLL + PAGE - 1)),
        ("random", (SIZE - 8, 9)),
        ("random", (SIZE + 1, 0)),
        ("random", (0xFFFFFFFF, 0xFFFFFFFF)),
        ("random", (POLL - 8, 9)),
        ("random", (POLL + PAGE - 1, 1)),
        ("random", (0, PAGE + 1)),
    ],
)
def test_what_is_to_be_refused_is_the_hosts(
    make: Make, asked: list[tuple[int, ...]], export: str, arguments: tuple[int, int]
) -> None:
    instance = make(KernelSources(0, True))
    before = instance.read(0, POLL) + instance.read(2 * PAGE, PAGE)
    assert instance.call(export, *arguments) == ASKED
    assert len(asked) == 1
    assert instance.read(0, POLL) + instance.read(2 * PAGE, PAGE) == before


def test_the_next_instance_has_its_own(make: Make, asked: list[tuple[int, ...]]) -> None:
    make(KernelSources(0, True)).close()
    instance = make(NO_SOURCES)
    assert instance.call("random", 64, 8) == ASKED
    assert instance.call("clock", 0, 64) == ASKED
