"""Coilbox's own files: digests of them, and files that are replaced under a running process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import coilbox
from coilbox.errors import SetupError
from coilbox.support import sources
from coilbox.support.sources import check_unchanged, source_digest, source_files


def test_a_replaced_file_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.h").write_text("one")
    changed = (tmp_path / "x" / "a.h").stat().st_ctime
    monkeypatch.setattr(sources, "_STARTED", changed)
    check_unchanged([tmp_path / "x"])
    monkeypatch.setattr(sources, "_STARTED", changed - 60)
    with pytest.raises(SetupError, match=r"coilbox's file x/a\.h was replaced .* start it anew"):
        check_unchanged([tmp_path / "x"])


def test_digests_have_the_names(tmp_path: Path) -> None:
    found = set()
    for name in ("a.c", "b.c"):
        path = tmp_path / name
        path.write_text("int x;")
        found.add(source_digest(source_files(path, name)))
    assert len(found) == 2


PROGRAM = """
import os, sys
from pathlib import Path
import coilbox
from coilbox.engines.native import library
from coilbox.engines.native.settings import Settings
from coilbox.support import sources
from coilbox.support.cache import Cache
sources._STARTED -= 60  # as if it had run for a minute
header = Path(library.RUNTIME) / "runtime.h"
header.write_text(header.read_text() + "/* another version */")
try:
    library.runtime(Cache(Path(sys.argv[1])), Settings().toolchain())
except coilbox.SetupError as error:
    print(error)
"""


def test_a_new_runtime_is_not_loaded_under_old_declarations(tmp_path: Path) -> None:
    package = Path(coilbox.__file__).parent
    ignore = shutil.ignore_patterns("extensions", "__pycache__")
    shutil.copytree(package, tmp_path / "coilbox", ignore=ignore)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path / "cache"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "was replaced while this process runs; start it anew" in done.stdout
