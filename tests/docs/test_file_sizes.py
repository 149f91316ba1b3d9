"""Files stay small enough to be read at once."""

from __future__ import annotations

from fnmatch import fnmatch

from .pages import ROOT

MOST = 500
FOLDERS = ("host", "python-wasm", "extensions", "tests", "examples", "docs")
SUFFIXES = {".py", ".pyi", ".c", ".h", ".S"}
# Sent to interpreters that have no coilbox, so it is one file.
ALONE = {"host/coilbox/bench/worker.py"}


def test_no_file_of_code_is_long() -> None:
    generated = [
        line.split()[0]
        for line in (ROOT / ".gitattributes").read_text().splitlines()
        if line.endswith(" linguist-generated")
    ]
    long = {}
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix not in SUFFIXES:
                continue
            name = path.relative_to(ROOT).as_posix()
            lines = path.read_bytes().count(b"\n")
            written = not any(fnmatch(name, pattern) for pattern in generated)
            if lines > MOST and written and name not in ALONE:
                long[name] = lines
    assert long == {}, f"no file that people write has more than {MOST} lines: split it"
