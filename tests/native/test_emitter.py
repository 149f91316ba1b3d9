"""The C of each construct, held against golden files, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from coilbox.engines.native.emit import EmitError, EmitOptions, Profile, emit_program
from coilbox.engines.native.emit.function import HANDLERS
from coilbox.engines.native.emit.numeric import LOADS, STORES, TEMPLATES
from coilbox.wasm import Module, decode_body
from coilbox.wasm.opcodes import OPCODES
from tests.tools import assemble

from .modes import modes
from .wast import build_unit

GOLDENS = Path(__file__).parent / "goldens"
VARIANTS = {
    "tail.trampoline": EmitOptions(trampoline=True),
    "calls.counted": EmitOptions(count=True),
    "control.counted": EmitOptions(count=True),
    "calls.profiled": EmitOptions(
        profile=Profile({"3": [5000, 1, 1800, 2000], "1_add": [2000], "2_pair": [1]})
    ),
    "calls.seldom": EmitOptions(profile=Profile({"3": [5000, 0, 0, 0]})),
    "calls.hot": EmitOptions(hot=frozenset({"pair"})),
}
CASES = {**{path.stem: EmitOptions() for path in sorted(GOLDENS.glob("*.wat"))}, **VARIANTS}


def parse(text: str) -> Module:
    return Module(assemble(text))


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str, request: pytest.FixtureRequest) -> None:
    module = parse((GOLDENS / f"{name.partition('.')[0]}.wat").read_text())
    program = emit_program(module, CASES[name])
    text = "\n".join(
        f"/* ==== {file} ==== */\n{content}" for file, content in program.files.items()
    )
    golden = GOLDENS / f"{name}.c"
    if request.config.getoption("--update-goldens"):
        golden.write_text(text)
    assert text == golden.read_text(), "if it is right: --update-goldens"


def test_goldens_have_every_construct() -> None:
    """Numbers are templates, pinned by what they compute (test_instructions.py)."""
    modules = [parse(path.read_text()) for path in GOLDENS.glob("*.wat")]
    bodies = [decode_body(body) for module in modules for body in module.code]
    used = {instruction[0] for body in bodies for instruction in body.code}
    missing = set(HANDLERS) - set(TEMPLATES) - set(LOADS) - set(STORES) - used
    assert {OPCODES[code].name for code in missing} == set()


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


def test_both_kinds_of_references_in_results(native_units: Path) -> None:
    """Their C is the same but for its names, of which a compiler takes each once."""
    wasm = parse("""(module
      (func (export "f") (result funcref f64) (ref.null func) (f64.const 1))
      (func (export "e") (result externref f64) (ref.null extern) (f64.const 2))
      (func (export "tail f") (param i32) (result funcref) (return_call 4 (local.get 0)))
      (func (export "tail e") (result externref) (return_call 5 (i32.const 0) (i32.const 1)))
      (func (param i32) (result funcref) (ref.null func))
      (func (param i32 i32) (result externref) (ref.null extern)))""").to_bytes()
    for mode in modes().values():
        build_unit(wasm, native_units, *mode)


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
