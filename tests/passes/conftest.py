"""Fixtures for the passes' tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from coilbox_guest.wasm import Module


@pytest.fixture(scope="session")
def wat() -> Callable[[str], Module]:
    """Assemble WebAssembly text with wasm-tools."""
    beside = str(Path(sys.executable).parent)
    tool = shutil.which("wasm-tools", path=beside) or shutil.which("wasm-tools")
    if tool is None:
        pytest.skip("wasm-tools is not installed")

    def assemble(text: str) -> Module:
        return Module(
            subprocess.run(
                [tool, "parse", "-"], input=text.encode(), capture_output=True, check=True
            ).stdout
        )

    return assemble
