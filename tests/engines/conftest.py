"""Instances of a small module, on both engines or on one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coilbox.engines.native.build import build_program
from coilbox.engines.native.toolchain import zig
from coilbox.engines.wasmtime import WasmtimeEngine

from .small import WAT, Make, maker, on_native, on_wasmtime


@pytest.fixture(scope="session")
def small(wat: Callable[[str], bytes]) -> bytes:
    """The small module."""
    return wat(WAT)


@pytest.fixture(scope="session")
def built(small: bytes, native_runtime: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small module, compiled for the native engine."""
    folder = tmp_path_factory.mktemp("small")
    build_program(small, folder, zig())
    return folder


@pytest.fixture
def native(built: Path, native_runtime: Any) -> Iterator[Make]:
    """Make instances on the native engine."""
    with maker(on_native(native_runtime, built)) as make:
        yield make


@pytest.fixture
def wasmtime(small: bytes) -> Iterator[Make]:
    """Make instances on Wasmtime."""
    with maker(on_wasmtime(WasmtimeEngine(), small)) as make:
        yield make


@pytest.fixture
def make(engine_name: str, request: pytest.FixtureRequest) -> Make:
    """Make instances, on each engine in turn."""
    found: Make = request.getfixturevalue(engine_name)
    return found
