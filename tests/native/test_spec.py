"""The specification's tests on every mode of the native engine.

`COILBOX_WASM_SPEC` names the folder of the .wast files; without it these tests are skipped.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from .modes import ALL_MODES, modes
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


MODES = modes() if SCRIPTS else {}


def _always(mode: str, stem: str) -> bool:
    """Whether the script says something of this mode that it does not say of the first."""
    if mode in ("musttail-plain", "trampoline"):
        return stem in _TAIL
    return stem.startswith(_MEMORY) if mode == "bounds" else mode == "musttail"


def _cases() -> list[Any]:
    return [
        pytest.param(
            mode,
            path,
            id=f"{mode}-{path.stem}",
            marks=[] if _always(mode, path.stem) else [pytest.mark.slow],
        )
        for mode in ALL_MODES
        for path in SCRIPTS
    ]


@pytest.mark.parametrize(("mode", "path"), _cases())
def test_script(
    mode: str, path: Path, tmp_path: Path, native_runtime: Any, native_units: Path
) -> None:
    if mode not in MODES:
        pytest.skip(f"{mode} is not installed")
    toolchain, options = MODES[mode]
    runner = Runner(native_runtime, toolchain, options, native_units)
    runner.run(path, tmp_path)
    assert runner.failures == []
    assert runner.counts["passed"] or runner.counts["modules"] or runner.counts["not for an engine"]
