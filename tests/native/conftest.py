"""What the native engine's tests share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coilbox.engines.native.library import runtime, supported
from coilbox.engines.native.toolchain import zig
from coilbox.support.cache import Cache


@pytest.fixture(scope="session")
def native_cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    folder = tmp_path_factory.mktemp("native-cache")
    folder.chmod(0o700)
    return Cache(folder)


@pytest.fixture(scope="session")
def native_runtime(native_cache: Cache) -> Any:
    reason = supported()
    if reason is not None:
        pytest.skip(reason)
    return runtime(native_cache, zig(native_cache.root / "zig"))


@pytest.fixture(scope="session")
def native_units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where small modules are compiled, by content: modes that write the same C share it."""
    return tmp_path_factory.mktemp("native-units")
