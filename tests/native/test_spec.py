"""The specification's tests on every mode of the native engine.

`COILBOX_WASM_SPEC` names the folder of the .wast files; without it these tests are skipped.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from coilbox.engines.native.toolchain import Toolchain, system, zig
from coilbox_guest.native import EmitOptions

from .wast import Runner, scripts_in

SPEC = Path(
    os.environ.get("COILBOX_WASM_SPEC", Path(__file__).parents[3] / "shared/data/wasm-spec")
)
SCRIPTS = list(scripts_in(SPEC))
# Tail calls alone depend on the trampoline, memory alone on bounds checks.
_TAIL = ("return_call", "return_call_indirect", "switch", "call_indirect")
_MEMORY = ("memory", "data", "traps", "endianness", "address", "names")

pytestmark = pytest.mark.skipif(
    not SCRIPTS, reason=f"the specification's tests are not in {SPEC} (set COILBOX_WASM_SPEC)"
)


def _modes() -> dict[str, tuple[Toolchain, EmitOptions]]:
    """Toolchains and options by name."""
    clang = zig()
    fast = ("-O1",)
    modes = {
        "musttail": (Toolchain(clang.name, clang.command, optimize=fast), EmitOptions()),
        "musttail-plain": (
            Toolchain(clang.name, clang.command, optimize=fast, extra=("-DCB_NO_PRESERVE_NONE",)),
            EmitOptions(),
        ),
        "trampoline": (
            Toolchain(clang.name, clang.command, optimize=fast),
            EmitOptions(trampoline=True),
        ),
        "bounds": (
            Toolchain(clang.name, clang.command, optimize=fast, extra=("-DCB_CHECK_BOUNDS",)),
            EmitOptions(),
        ),
    }
    if shutil.which("gcc"):
        gcc = system("gcc")
        modes["gcc"] = (
            Toolchain(gcc.name, gcc.command, trampoline=True, optimize=fast),
            EmitOptions(trampoline=True),
        )
    return modes


MODES = _modes() if SCRIPTS else {}


def _cases() -> list[Any]:
    out = []
    for mode in MODES:
        for path in SCRIPTS:
            if mode in ("musttail-plain", "trampoline") and path.stem not in _TAIL:
                continue
            if mode == "bounds" and not path.stem.startswith(_MEMORY):
                continue
            marks = [pytest.mark.slow] if mode == "gcc" else []
            out.append(pytest.param(mode, path, id=f"{mode}-{path.stem}", marks=marks))
    return out


@pytest.mark.parametrize(("mode", "path"), _cases())
def test_script(
    mode: str, path: Path, tmp_path: Path, native_runtime: Any, native_units: Path
) -> None:
    toolchain, options = MODES[mode]
    runner = Runner(native_runtime, toolchain, options, native_units)
    runner.run(path, tmp_path)
    assert runner.failures == []
    assert runner.counts["passed"] or runner.counts["modules"] or runner.counts["not for an engine"]
