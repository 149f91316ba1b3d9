"""The C of each construct, held against golden files, and what is refused.

``COILBOX_UPDATE_GOLDENS=1`` writes the golden files anew.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from coilbox_guest.native import EmitError, EmitOptions, emit_program
from coilbox_guest.wasm import Module

GOLDENS = Path(__file__).parent / "goldens"
UPDATE = os.environ.get("COILBOX_UPDATE_GOLDENS") == "1"
CASES = [(path.stem, False) for path in sorted(GOLDENS.glob("*.wat"))] + [("tail", True)]


def parse(text: str) -> Module:
    done = subprocess.run(
        ["wasm-tools", "parse", "-"], input=text.encode(), capture_output=True, check=True
    )
    return Module(done.stdout)


@pytest.mark.parametrize(("name", "trampoline"), CASES)
def test_golden(name: str, trampoline: bool) -> None:
    module = parse((GOLDENS / f"{name}.wat").read_text())
    program = emit_program(module, EmitOptions(trampoline=trampoline))
    text = "\n".join(
        f"/* ==== {file} ==== */\n{content}" for file, content in program.files.items()
    )
    golden = GOLDENS / f"{name}{'.trampoline' if trampoline else ''}.c"
    if UPDATE:
        golden.write_text(text)
    assert text == golden.read_text()


def test_equal_modules_give_equal_files() -> None:
    text = (GOLDENS / "calls.wat").read_text()
    assert emit_program(parse(text)) == emit_program(parse(text))


def test_functions_without_tail_calls_do_not_change_with_the_mode() -> None:
    module = parse((GOLDENS / "control.wat").read_text())
    direct, trampoline = (
        emit_program(module, EmitOptions(trampoline=mode)).files for mode in (False, True)
    )
    assert direct["code_000.c"] == trampoline["code_000.c"]
    assert direct["data.c"] == trampoline["data.c"]


def test_small_constants_move_into_offsets() -> None:
    module = parse("""(module (memory 1)
      (func (param i32) (result i32)
        (i32.store offset=4 (i32.add (local.get 0) (i32.const 12)) (local.get 0))
        (i32.load offset=16 (i32.add (local.get 0) (i32.const -8))))
      (func (param i32) (result i32)
        (i32.store (i32.add (local.get 0) (i32.const -8)) (local.get 0))
        (i32.load (i32.add (local.get 0) (i32.const 5000)))))""")
    code = emit_program(module, EmitOptions(fold_offsets=True)).files["code_000.c"]
    assert "i32_store(self_ l0, 16u, l0);" in code
    assert "i32_load(self_ l0, 8u)" in code
    assert "i32_store(self_ l0 + 0xfffffff8u, 0u, l0);" in code  # would reach below memory
    assert "i32_load(self_ l0 + 5000u, 0u)" in code
    exact = emit_program(module).files["code_000.c"]
    assert "i32_store(self_ l0 + 12u, 4u, l0);" in exact


def test_parts_hold_all_functions_once() -> None:
    module = parse((GOLDENS / "numeric.wat").read_text())
    whole = emit_program(module).files
    parts = emit_program(module, EmitOptions(part_bytes=1)).files
    assert sorted(parts) == [*(f"code_{i:03}.c" for i in range(5)), "data.c", "module.h"]
    assert parts["data.c"] == whole["data.c"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '(module (import "a" "b" (memory 1)))',
            r"the module imports a memory \(a\.b\); the native engine compiles whole programs",
        ),
        (
            '(module (import "a" "g" (global i32)))',
            r"the module imports a global \(a\.g\)",
        ),
        ("(module (func (param v128)))", "value type 0x7b is not supported"),
        ("(module (table 20000000 externref))", "table 0 has 20000000 elements"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(EmitError, match=message):
        emit_program(parse(text))
