"""Hosts that are refused: subinterpreters, and Python without its GIL."""

from __future__ import annotations

import subprocess
import sys

import pytest

from coilbox import Sandbox, SetupError
from coilbox.support.interpreter import check_interpreter

PROGRAM = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
interpreters.run_string(interpreters.create(), '''
import coilbox
try:
    coilbox.Sandbox(engine="wasmtime")
except coilbox.SetupError as error:
    print(error, flush=True)
''')
"""


def test_a_subinterpreter() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert "coilbox runs in the main interpreter of a process" in done.stdout, done.stderr


def test_without_the_gil(monkeypatch: pytest.MonkeyPatch) -> None:
    check_interpreter.cache_clear()
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    with pytest.raises(SetupError, match="not tried on free-threaded Python; set PYTHON_GIL=1"):
        Sandbox(engine="wasmtime")
    monkeypatch.undo()
    check_interpreter()
