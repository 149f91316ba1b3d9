"""Programs that tests call; a test skips, and says why, where one of them is not installed.

They are sought in PATH, which the suite's ``conftest.py`` begins with the folder of this Python:
pip puts programs there, also where nobody activated the environment.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_FROM_PIP = frozenset({"mypy", "wasm-tools", "wasm2c", "wat2wasm"})


def seek_beside_python() -> None:
    """Begin PATH, of this process and those that it starts, with the folder of this Python."""
    folder = str(Path(sys.executable).parent)
    known = os.environ.get("PATH", os.defpath)
    if folder not in known.split(os.pathsep):
        os.environ["PATH"] = folder + os.pathsep + known


def tool(name: str) -> str:
    """The path of a program; the test skips if there is none."""
    path = shutil.which(name)
    if path is None:
        hint = "; run: pip install -e '.[dev]'" if name in _FROM_PIP else ""
        pytest.skip(f"{name} is not installed{hint}")
    return path


def python_module(name: str) -> list[str]:
    """The command that runs a Python module, such as pip; the test skips if there is none."""
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed in this environment")
    return [sys.executable, "-m", name]


def assemble(text: str) -> bytes:
    """The module that WebAssembly text stands for, by wasm-tools."""
    command = [tool("wasm-tools"), "parse", "-"]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
