"""Small modules that tests have as text."""

from __future__ import annotations

from pathlib import Path

from coilbox.engines.native.build import build_program
from coilbox.engines.native.toolchain import zig
from tests.tools import assemble


def build_text(text: str, folder: Path) -> Path:
    """Compile a module's text into a folder, which is returned."""
    build_program(assemble(text), folder, zig())
    return folder
