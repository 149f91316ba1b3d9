"""Fixtures for the wasm library's tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def libpython() -> bytes:
    """The published CPython shared library: COILBOX_TEST_LIBPYTHON, else the parts cache."""
    named = os.environ.get("COILBOX_TEST_LIBPYTHON")
    if named:
        return Path(named).read_bytes()
    pytest.skip("COILBOX_TEST_LIBPYTHON is not set: no shared library of CPython to read")


@pytest.fixture(scope="session")
def wat() -> Callable[[str], bytes]:
    """Assemble WebAssembly text with wasm-tools."""
    tool = shutil.which("wasm-tools", path=str(Path(sys.executable).parent)) or shutil.which(
        "wasm-tools"
    )
    if tool is None:
        pytest.skip("wasm-tools is not installed")

    def assemble(text: str) -> bytes:
        return subprocess.run(
            [tool, "parse", "-"], input=text.encode(), capture_output=True, check=True
        ).stdout

    return assemble
