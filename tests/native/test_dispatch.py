"""A ``br_table`` that a loop begins with: computed gotos, and the same results as a switch."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from coilbox.engines.native.build import build_program
from coilbox.engines.native.emit import emit_program
from coilbox.engines.native.program import NativeProgram
from coilbox.engines.native.toolchain import system, zig

from .test_emitter import parse

HANDLERS = 80
PROGRAM = bytes([3, 79, 0, 80, 200, 41, 255, 80, 7, 78, 66])


def interpreter(first: str = "") -> str:
    """Runs PROGRAM: handler n adds n + 1 to 31 times the sum; the last one ends the loop.

    Args: what stands between the loop's head and the ``br_table``.
    """
    text = f"(br_table {' '.join(map(str, range(HANDLERS + 1)))} (local.get $op))"
    for number in range(HANDLERS):
        body = f"""
          (local.set $sum (i32.mul (local.get $sum) (i32.const 31)))
          (local.set $sum (i32.add (local.get $sum) (i32.const {number + 1})))
          (br_if {HANDLERS - 1 - number} (i32.eq (local.get $at) (i32.const {len(PROGRAM)})))
          (local.set $op (i32.load8_u (local.get $at)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $again)"""
        if number == 7:  # a conditional branch to the loop, which leaves the operation as it is
            body = f"""
          (local.set $sum (i32.add (local.get $sum) (i32.const 1)))
          (br_if $again (i32.rem_u (local.get $sum) (i32.const 7))){body}"""
        text = f"(block {text}) {body}"
    data = "".join(f"\\{byte:02x}" for byte in PROGRAM)
    return f"""(module (memory 1) (data (i32.const 0) "{data}")
      (func (export "run") (param $op i32) (result i32) (local $at i32) (local $sum i32)
        (block $out
          (loop $again
            (block
              {first}
              {text})
            (local.set $sum (i32.sub (local.get $sum) (i32.const 5)))
            (br_if $out (i32.ge_u (local.get $at) (i32.const {len(PROGRAM)})))
            (local.set $op (i32.load8_u (local.get $at)))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br $again)))
        (local.get $sum)))"""


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
def test_dispatch(compiler: str, native_runtime: Any, tmp_path: Path) -> None:
    if compiler != "zig" and shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} on this machine")
    toolchain = zig() if compiler == "zig" else system(compiler)
    results = []
    # A loop that does something first is left as a switch: it says what is right. A load whose
    # value is dropped, by which a guest is stopped, goes along with each goto.
    firsts = {
        "gotos": "",
        "polls": "(drop (i32.load (i32.const 0xfffc)))",
        "switch": "(local.set $at (local.get $at)) (nop)",
    }
    for name, first in firsts.items():
        module = parse(interpreter(first))
        code = emit_program(module).files["code_000.c"]
        assert code.count("goto *to") == (HANDLERS + 3 if name != "switch" else 0)
        assert code.count("touch(self_") == (HANDLERS + 3 if name == "polls" else 0)
        folder = tmp_path / name
        folder.mkdir()
        build_program(module.to_bytes(), folder, toolchain)
        program = NativeProgram(native_runtime, folder, [])
        instance = program.instantiate(memory_limit=1 << 20)
        results.append([instance.call("run", op) for op in (0, 7, 79, 80, 81, 0xFFFFFFFF)])
        instance.close()
        program.close()
    assert results[0] == results[1]
    assert len(set(results[0])) == 4, results
