"""The extension files as guests use it, on every engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coilbox.extensions.files import Folder, extension

GRANTS = ["files.read", "files.write"]


def test_everything_that_the_module_has(sandbox: Any, tmp_path: Path) -> None:
    made = extension(path=tmp_path, max_bytes=1 << 20, max_files=20)
    box = sandbox(extensions=[made], grants=GRANTS)
    assert box.run("""
import coilbox_files as files

files.mkdir("a/b", parents=True)
files.write("a/one.txt", b"one")
files.write("a/one.txt", b"+", mode=files.WriteMode.APPEND)
files.write_at("a/one.txt", b"O", 0)
count = files.upload("a/big", (bytes([n]) * 50_000 for n in range(10)))
assert count == 500_000
assert b"".join(files.stream("a/big", offset=499_999)) == b"\\x09"
assert sum(map(len, files.stream("a/big"))) == 500_000
files.truncate("a/big", 10)
files.move("a/big", "a/b/small")
listing = [(info.name, info.kind.value, info.size) for info in files.list("a")]
info = files.stat("a/b/small")
errors = []
for call in (
    lambda: files.read("../etc/passwd"),
    lambda: files.read("a"),
    lambda: files.read("a/one.txt/x"),
    lambda: files.write("a/one.txt", b"", mode=files.WriteMode.CREATE),
    lambda: files.delete("a"),
    lambda: files.write("c", bytes((1 << 20) + 1)),
    lambda: files.read("x\\0"),
    lambda: list(files.list("none")),
):
    try:
        call()
    except (OSError, ValueError) as error:
        errors.append((type(error).__name__, type(error).__bases__[-1].__name__))
files.delete("a/one.txt")
(listing, (info.name, info.kind.value, info.size), errors, files.usage().bytes)
""").check().value == (
        [("b", "folder", 0), ("one.txt", "file", 4)],
        ("small", "file", 10),
        [
            ("NotFound", "FileNotFoundError"),
            ("IsAFolder", "IsADirectoryError"),
            ("NotAFolder", "NotADirectoryError"),
            ("Exists", "FileExistsError"),
            ("NotEmpty", "OSError"),
            ("QuotaExceeded", "OSError"),
            ("InvalidPath", "ValueError"),
            ("NotFound", "FileNotFoundError"),
        ],
        10,
    )
    assert (tmp_path / "a/b/small").read_bytes() == bytes(10)


def test_file_objects(sandbox: Any) -> None:
    folder = Folder()
    box = sandbox(extensions=[extension(folder=folder)], grants=GRANTS)
    assert box.run("""
from coilbox_fileio import open

with open("notes.txt", "w", encoding="utf-8") as file:
    print("eins", "zwei", "dréi", sep="\\n", file=file)
with open("notes.txt", "a") as file:
    file.write("vier")
with open("notes.txt") as file:
    lines = list(file)
    file.seek(0)
    start = file.read(3)

with open("data", "w+b") as file:
    file.write(bytes(range(256)) * 1000)
    file.seek(-1, 2)
    last = file.read()
    file.seek(10)
    file.write(b"xyz")
    file.seek(9)
    middle = file.read(5)
    file.truncate(100)
with open("data", "rb", buffering=0) as raw:
    size = len(raw.read(1000))
with open("data", "r+b") as file:
    file.write(b"!")
with open("data", "a+b") as file:
    file.write(b"end")
    file.seek(0)
    whole = file.read()

errors = []
for path, mode in (("none", "r"), ("data", "x"), ("data", "rw"), ("data", "bt"), ("data", "")):
    try:
        open(path, mode)
    except (OSError, ValueError) as error:
        errors.append(type(error).__name__)
with open("data", "rb") as file:
    try:
        file.write(b"")
    except OSError as error:
        errors.append(type(error).__name__)
(lines, start, last, middle, size, whole[:1], whole[-3:], len(whole), errors)
""").check().value == (
        ["eins\n", "zwei\n", "dréi\n", "vier"],
        "ein",
        b"\xff",
        b"\x09xyz\x0d",
        100,
        b"!",
        b"end",
        103,
        ["NotFound", "Exists", "ValueError", "ValueError", "ValueError", "UnsupportedOperation"],
    )
    assert folder.read("notes.txt").decode() == "eins\nzwei\ndréi\nvier"


def test_an_endless_upload_ends_at_the_quota(sandbox: Any) -> None:
    folder = Folder(max_bytes=1 << 20)
    box = sandbox(extensions=[extension(folder=folder)], grants=GRANTS)
    assert box.run("""
import itertools
import coilbox_files as files

try:
    files.upload("x", itertools.repeat(bytes(10_000)))
except files.QuotaExceeded as error:
    found = error.quota.value, error.limit
found
""").check().value == ("bytes", 1 << 20)
    assert folder.stat("x").size <= 1 << 20


def test_reading_does_not_let_write(sandbox: Any) -> None:
    folder = Folder()
    folder.write("a", b"1")
    box = sandbox(extensions=[extension(folder=folder)], grants=["files.read"])
    assert box.run("""
import coilbox_files as files

refused = 0
for call in (
    lambda: files.write("a", b""),
    lambda: files.write_at("a", b"", 0),
    lambda: files.truncate("a"),
    lambda: files.upload("a", []),
    lambda: files.mkdir("b"),
    lambda: files.move("a", "b"),
    lambda: files.delete("a"),
):
    try:
        call()
    except PermissionError as error:
        refused += not isinstance(error, files.NotAllowed)
(refused, files.read("a"))
""").check().value == (7, b"1")
