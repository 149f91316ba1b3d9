"""Every module of the standard library either imports or is known not to, with the reason."""

from __future__ import annotations

from typing import Any

# What cannot work without processes, threads, a terminal, a display or a C library of the system.
ABSENT = {
    "_tkinter, a display": {"tkinter", "turtle", "turtledemo", "idlelib"},
    "left out: they make environments of an installed Python": {"ensurepip", "venv"},
    "C extensions that are not compiled in": {
        *("lzma", "curses", "dbm.gnu", "dbm.ndbm", "readline", "ctypes", "ssl", "zstd"),
        *("mmap", "termios", "tty", "pty", "resource", "syslog", "fcntl", "grp", "pwd"),
        *("nis", "crypt", "winreg", "winsound", "msvcrt", "nt", "_winapi"),
    },
}

PROGRAM = """
import sys, warnings
warnings.simplefilter("ignore")
broken = {}
for name in sorted(sys.stdlib_module_names):
    if name.startswith("_") or name in ("antigravity", "this", "idlelib", "turtledemo"):
        continue
    try:
        __import__(name)
    except BaseException as error:
        broken[name] = f"{type(error).__name__}: {error}"
broken
"""


def test_what_cannot_be_imported_is_known(sandbox: Any) -> None:
    broken = sandbox().run(PROGRAM).check().value
    unknown = {
        name: why for name, why in broken.items() if name not in set().union(*ABSENT.values())
    }
    assert unknown == {}
    assert all("ModuleNotFoundError" in why or "ImportError" in why for why in broken.values()), (
        broken
    )


def test_files_of_the_library_compile_from_source(sandbox: Any) -> None:
    """The sources in the image are whole, so tracebacks and inspect find every line."""
    code = """
import ast, pathlib
count = 0
for path in sorted(pathlib.Path("/usr/lib/python3.14").rglob("*.py"))[::6]:
    text = path.read_bytes()
    if b"\\0" not in text and "bad" not in path.name and "test" not in path.parts:
        ast.parse(text); count += 1
count
"""
    assert sandbox().run(code, timeout=300).check().value > 80
