"""Fixtures for the linker's tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def wat() -> Callable[[str], bytes]:
    """Assemble WebAssembly text with wasm-tools."""
    beside = str(Path(sys.executable).parent)
    tool = shutil.which("wasm-tools", path=beside) or shutil.which("wasm-tools")
    if tool is None:
        pytest.skip("wasm-tools is not installed")

    def assemble(text: str) -> bytes:
        return subprocess.run(
            [tool, "parse", "-"], input=text.encode(), capture_output=True, check=True
        ).stdout

    return assemble


@pytest.fixture(scope="session")
def zig_work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder with zig's cache; COILBOX_TEST_ZIG_WORK keeps it between runs."""
    named = os.environ.get("COILBOX_TEST_ZIG_WORK")
    return Path(named) if named else tmp_path_factory.mktemp("zig")
