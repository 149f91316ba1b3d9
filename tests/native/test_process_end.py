"""Native code that is first compiled while the process ends, when no thread can be started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from coilbox.engines.native.library import supported

PROGRAM = """
import atexit, sys
from pathlib import Path
from coilbox.engines.native.build import compile_all
from coilbox.engines.native.toolchain import Toolchain
from coilbox.support.progress import PlainProgress

def late():
    folder = Path(sys.argv[1])
    sources = [folder / name for name in ("a.c", "b.c")]
    for source in sources:
        source.write_text("int x;")
    toolchain = Toolchain("clang", (sys.argv[2],))
    made = compile_all(
        toolchain, sources, folder, include=[], depends=[], progress=PlainProgress()
    )
    print(all(path.exists() for path in made), len(made))

atexit.register(late)
"""
COMPILER = '#!/bin/sh\nfor last; do :; done\n: > "$last"\n'


@pytest.mark.parametrize("imported", [True, False])
def test_compiling_at_exit(tmp_path: Path, imported: bool) -> None:
    reason = supported()
    if reason is not None:
        pytest.skip(reason)
    script = tmp_path / "clang"
    script.write_text(COMPILER)
    script.chmod(0o700)
    program = ("import concurrent.futures.thread\n" if imported else "") + PROGRAM
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path, script],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=tmp_path,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("True 2\n", "", 0)
