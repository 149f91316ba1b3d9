"""Exceptions of libraries: lowered code does what an engine with exceptions does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from coilbox.wasm import Module
from coilbox_guest.link import LinkError
from coilbox_guest.link.exceptions import has_exceptions, lower_exceptions
from tests.fuzzing import seeds

from .exception_modules import Generator

WORD = 960
MODULES = 40
_HEAD = """(module
  (import "env" "__memory_base" (global i32))
  (import "env" "__cpp_exception" (tag $e (param i32)))
  (import "env" "memory" (memory 1))"""


@pytest.fixture
def node() -> str:
    """The path of node, whose engine knows the legacy proposal."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed; it is the engine that lowered code is compared with")
    return found


def test_random_modules_do_the_same(wat: Callable[[str], bytes], node: str, tmp_path: Path) -> None:
    for seed in seeds():
        for number in range(MODULES):
            data = wat(Generator(seed * MODULES + number).module())
            (tmp_path / f"{number}.wasm").write_bytes(data)
            module = Module(data)
            lower_exceptions(module, WORD)
            assert not has_exceptions(module)
            (tmp_path / f"{number}.lowered.wasm").write_bytes(module.to_bytes())
        script = Path(__file__).with_name("run_modules.js")
        command = [node, str(script), str(tmp_path), str(MODULES), str(WORD)]
        done = subprocess.run(
            command, capture_output=True, text=True, env=dict(os.environ), check=False
        )
        assert done.returncode == 0, done.stderr
        totals = json.loads(done.stdout)
        assert not totals["different"], f"seed {seed}: {totals['different'][:3]}"
        assert totals["threw"] > totals["runs"] // 20


def test_functions_that_cannot_throw_stay_as_they_are(wat: Callable[[str], bytes]) -> None:
    data = wat(
        f"""{_HEAD}
        (func $plain (export "plain") (param i32) (result i32)
          (i32.add (local.get 0) (i32.const 1)))
        (func (export "calls") (result i32) (call $plain (i32.const 1)))
        (func (export "throws") (throw $e (i32.const 8))))"""
    )
    module = Module(data)
    before = list(module.code)
    report = lower_exceptions(module, WORD)
    assert module.code[:2] == before[:2]
    assert module.code[2] != before[2]
    assert (report.functions, report.throwing, report.checks) == (3, 1, 0)


def test_a_function_of_the_got_may_be_called_through_the_table(wat: Callable[[str], bytes]) -> None:
    module = Module(
        wat(
            f"""{_HEAD}
            (import "GOT.func" "throws" (global (mut i32)))
            (type $t (func))
            (table 1 funcref)
            (func (export "throws") (type $t) (throw $e (i32.const 8)))
            (func (export "calls") (call_indirect (type $t) (global.get 1))))"""
        )
    )
    assert lower_exceptions(module, WORD).throwing == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(module (tag $e (param i32)) (func (throw $e (i32.const 1))))", "only __cpp_exception"),
        (
            '(module (import "env" "other" (tag (param i32))))',
            r"exception tags \['other'\]: only __cpp_exception",
        ),
        (
            '(module (import "env" "__cpp_exception" (tag (param i32))))',
            "does not import __memory_base",
        ),
    ],
)
def test_other_exceptions_are_refused(wat: Callable[[str], bytes], text: str, message: str) -> None:
    with pytest.raises(LinkError, match=message):
        lower_exceptions(Module(wat(text)), WORD)
