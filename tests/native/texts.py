"""Small modules that tests have as text."""

from __future__ import annotations

import subprocess
from pathlib import Path

from coilbox.engines.native.build import build_program
from coilbox.engines.native.toolchain import zig


def build_text(text: str, folder: Path) -> Path:
    """Compile a module's text into a folder, which is returned."""
    source, target = folder / "m.wat", folder / "m.wasm"
    source.write_text(text)
    subprocess.run(["wasm-tools", "parse", source, "-o", target], check=True)
    build_program(target.read_bytes(), folder, zig())
    return folder
