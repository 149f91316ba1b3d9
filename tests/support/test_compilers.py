"""Running a C compiler: each run has a folder of its own, and a run that fails is repeated."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from coilbox.engines.native.toolchain import Toolchain
from coilbox.errors import EngineError, SetupError
from coilbox.support import compilers

# Fails as often as the file "failures" says, as zig did when its cache was emptied under it.
SCRIPT = """#!/bin/sh
echo "$ZIG_LOCAL_CACHE_DIR" >> runs
left=$(cat failures)
[ -d "$ZIG_LOCAL_CACHE_DIR" ] || exit 9
[ "$left" -eq 0 ] || { echo $((left - 1)) > failures; echo "failed to parse 'x.o.d'" >&2; exit 1; }
for last; do :; done
: > "$last"
"""


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toolchain:
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "clang"
    script.write_text(SCRIPT)
    script.chmod(0o700)
    return Toolchain("clang", (str(script),))


def compile_(compiler: Toolchain, failures: int) -> list[str]:
    Path("failures").write_text(str(failures))
    Path("runs").unlink(missing_ok=True)
    compiler.compile(Path("x.c").absolute(), Path("x.o").absolute(), [])
    return Path("runs").read_text().split()


def test_a_run_that_fails_once_is_repeated(compiler: Toolchain, tmp_path: Path) -> None:
    assert len(compile_(compiler, 0)) == 1
    folders = compile_(compiler, 1)
    assert (tmp_path / "x.o").exists()
    assert len(set(folders)) == 2
    assert {Path(folder).parent for folder in folders} == {tmp_path}
    assert not any(Path(folder).exists() for folder in folders)


def test_a_run_that_always_fails_is_an_error(compiler: Toolchain) -> None:
    with pytest.raises(EngineError, match=r"compiler clang failed \(status 1\):\nfailed to parse"):
        compile_(compiler, 100)
    assert len(Path("runs").read_text().split()) == 2


def test_zig_is_found_in_one_way(monkeypatch: pytest.MonkeyPatch) -> None:
    assert os.access(compilers.zig(), os.X_OK)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SetupError, match="run: pip install ziglang"):
        compilers.zig()
