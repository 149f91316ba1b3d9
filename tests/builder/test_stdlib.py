"""The standard library of an image: what is in it, and that it is the same each time."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from coilbox import Image, Sandbox
from coilbox.errors import BuildError
from coilbox_guest.stdlib import LEFT_OUT, collect, pyc_name, zip_bytes


def make_tar(path: Path, files: dict[str, bytes], link: str = "") -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"python-stdlib/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        if link:
            member = tarfile.TarInfo(f"python-stdlib/{link}")
            member.type = tarfile.SYMTYPE
            member.linkname = "/etc/passwd"
            tar.addfile(member)
    return path


@pytest.fixture
def tzdata(tmp_path: Path) -> Path:
    folder = tmp_path / "tzdata"
    (folder / "zoneinfo").mkdir(parents=True)
    (folder / "__init__.py").write_bytes(b"")
    (folder / "zoneinfo" / "UTC").write_bytes(b"TZif")
    return folder


def test_what_is_taken(tmp_path: Path, tzdata: Path) -> None:
    files = {
        "json/__init__.py": b"J",
        "LICENSE.txt": b"L",
        "dill/__init__.py": b"D",
        "componentize_py_runtime.py": b"C",
        "tomllib/mypy.ini": b"M",
        "idlelib/idle.py": b"I",
    }
    found = collect(make_tar(tmp_path / "t.tar", files), tzdata)
    assert found["json/__init__.py"] == b"J"
    assert found["LICENSE.txt"] == b"L"
    assert found["site-packages/tzdata/zoneinfo/UTC"] == b"TZif"
    assert "coilbox/__init__.py" in found
    assert "_coilbox_runtime/boot.py" in found
    tops = {name.split("/")[0] for name in found}
    ours = {"coilbox", "_coilbox_runtime", "_bz2.py"}
    assert tops == {"json", "LICENSE.txt", "site-packages"} | ours


def test_links_are_refused(tmp_path: Path, tzdata: Path) -> None:
    archive = make_tar(tmp_path / "t.tar", {}, link="evil.py")
    with pytest.raises(BuildError, match=r"t\.tar: python-stdlib/evil\.py is no regular file"):
        collect(archive, tzdata)


def test_names_that_clash(tmp_path: Path, tzdata: Path) -> None:
    archive = make_tar(tmp_path / "t.tar", {"coilbox/__init__.py": b""})
    with pytest.raises(BuildError, match=r"own coilbox/__init__\.py hides a module of CPython"):
        collect(archive, tzdata)


def test_archives_depend_on_their_files_only() -> None:
    first = zip_bytes({"b": b"2", "a/x.py": b"1"})
    assert first == zip_bytes({"a/x.py": b"1", "b": b"2"})
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert archive.namelist() == ["a/x.py", "b"]
        assert all(item.compress_type == zipfile.ZIP_STORED for item in archive.infolist())


def test_names_of_compiled_files() -> None:
    assert pyc_name("json/__init__.py") == "json/__pycache__/__init__.cpython-314.pyc"
    assert pyc_name("abc.py") == "__pycache__/abc.cpython-314.pyc"


def test_the_image_has_every_module_compiled(image: Image) -> None:
    with zipfile.ZipFile(image.path / "stdlib.zip") as archive:
        names = set(archive.namelist())
        sources = {name for name in names if name.endswith(".py")}
        assert {name for name in sources if pyc_name(name) not in names} == set()
        pyc = archive.read(pyc_name("json/__init__.py"))
    assert {name.split("/")[0] for name in names}.isdisjoint(LEFT_OUT - {"site-packages"})
    assert "site-packages/tzdata/zoneinfo/Europe/Paris" in names
    assert pyc[4:8] == (1).to_bytes(4, "little")  # PEP 552: hash-based, never checked
    assert b"/usr/lib/python3.14/json/__init__.py" in pyc


# Modules of the standard library that cannot be imported in the guest, and what they lack there.
NEEDS = {
    "lzma": "No module named '_lzma'",
    "pty": "No module named 'termios'",
    "ssl": "No module named '_ssl'",
    "tty": "No module named 'termios'",
}
IMPORT_ALL = """
import importlib, os, sys
failed = {}
names = sorted({name.removesuffix(".py") for name in os.listdir("/usr/lib/python3.14")
    if name.endswith(".py") or os.path.exists(f"/usr/lib/python3.14/{name}/__init__.py")})
for name in names:
    if name in ("antigravity", "this", "__hello__"):
        continue
    try:
        importlib.import_module(name)
    except BaseException as error:
        failed[name] = str(error)
failed
"""


def test_what_cannot_be_imported(box: Sandbox) -> None:
    result = box.run(IMPORT_ALL)
    result.check()
    assert result.value == NEEDS


def test_nothing_is_compiled_from_source(box: Sandbox) -> None:
    code = (
        "import builtins, sys\n"
        "def no(*args, **kwargs): raise AssertionError('compiled from source')\n"
        "from importlib import _bootstrap_external\n"
        "_bootstrap_external.SourceLoader.source_to_code = no\n"
        "import email.mime.text, asyncio, xml.etree.ElementTree, sqlite3, tzdata\n"
        "xml.etree.ElementTree.__cached__\n"
    )
    result = box.run(code)
    result.check()
    assert result.value.endswith("/xml/etree/__pycache__/ElementTree.cpython-314.pyc")
