"""Requirements in lists, in files and in scripts; and that nothing of a package runs here."""

from __future__ import annotations

from pathlib import Path

import pytest

from coilbox.errors import PackageError, UsageError
from coilbox.packages.requirements import (
    checked_requirements,
    is_named,
    read_requirements,
    script_requirements,
)
from coilbox.support.progress import Silent
from coilbox_guest.packages.resolve import resolve

from .conftest import MakeWheel


@pytest.mark.parametrize(
    "text",
    [
        *("box", "box>=1,<2", "box ~= 1.0", "box[a,b]==1.*", "a-b.c_d", "box (>=1)"),
        *("box ; python_version > '3'", 'box>=1; extra == "x"', "zip.x", "box!=1.0"),
    ],
)
def test_names_with_versions(text: str) -> None:
    assert is_named(text)
    assert checked_requirements([text]) == (text,)


@pytest.mark.parametrize(
    "text",
    [
        *("", "-r x", "--pre", "./box", "box/", "../x", ".", "/x", "box @ file:///x", "C:\\x"),
        *("git+https://a/b", "https://a/b.tar.gz", "box.zip", "box.tar.gz", "x.whl", "a b"),
        *("box>=1 @ file:///x", "box[a]@x", "box; @", "box\n--pre", "-e box"),
    ],
)
def test_what_is_no_name(text: str) -> None:
    assert not is_named(text)
    with pytest.raises(UsageError, match=r"is no requirement|no wheel"):
        checked_requirements([text])
    source = f"# /// script\n# dependencies = [{text!r}]\n# ///\n".encode()
    with pytest.raises(PackageError, match="asks for"):
        script_requirements(source, "s.py")


def test_requirements_are_a_list() -> None:
    with pytest.raises(UsageError, match="must be a list of requirements, not str"):
        checked_requirements("box")
    with pytest.raises(UsageError, match="1 is no requirement"):
        checked_requirements([1])  # type: ignore[list-item]


def test_a_requirements_file(make_wheel: MakeWheel, tmp_path: Path) -> None:
    wheel = make_wheel("lid")
    path = tmp_path / "requirements.txt"
    path.write_text("\ufeff# all\nbox>=1  # why\n\n  a ; python_version>'3'\nwheels/" + wheel.name)
    assert read_requirements(path) == ("box>=1", "a ; python_version>'3'", str(wheel))


@pytest.mark.parametrize("line", ["-r x", "--index-url=x", "a --hash=sha256:0", "-e .", "a \\"])
def test_options_in_a_requirements_file(line: str, tmp_path: Path) -> None:
    path = tmp_path / "r.txt"
    path.write_text(f"box\n{line}\n")
    with pytest.raises(PackageError, match=r"r\.txt:2: .* is an option of pip"):
        read_requirements(path)


def test_requirements_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "r.txt"
    with pytest.raises(PackageError, match="cannot be read"):
        read_requirements(path)
    path.write_bytes(b"\xff")
    with pytest.raises(PackageError, match="no UTF-8"):
        read_requirements(path)
    path.write_text("./folder\n")
    with pytest.raises(PackageError, match=r"r\.txt:1: './folder' is no requirement"):
        read_requirements(path)
    path.write_bytes(b"#" * (2 << 20))
    with pytest.raises(PackageError, match="more than 1048576 bytes"):
        read_requirements(path)


def test_metadata_of_a_script() -> None:
    block = (
        '# /// script\n# requires-python = ">=3.11"\n# dependencies = [\n#   "box<2",\n# ]\n# ///'
    )
    source = f"#!/usr/bin/env python\n{block}\nimport box\n".encode()
    assert script_requirements(source, "s.py") == ("box<2",)
    assert script_requirements(source.replace(b"\n", b"\r\n"), "s.py") == ("box<2",)
    assert script_requirements(b"import box\n", "s.py") == ()
    assert script_requirements(b"# /// script\n# ///\n", "s.py") == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("# dependencies = [", "is no TOML"),
        ("# dependencies = 'box'", "is no list"),
        ("# dependencies = [1]", "asks for 1"),
        ('# requires-python = ">=3.15"', "asks for Python >=3.15"),
        ("# requires-python = 3", "is no text"),
        ("# a = 1\n# ///\n\n# /// script\n# a = 1", "more than one"),
    ],
)
def test_wrong_metadata_of_a_script(content: str, message: str) -> None:
    with pytest.raises(PackageError, match=message):
        script_requirements(f"# /// script\n{content}\n# ///\n".encode(), "s.py")


@pytest.mark.usefixtures("index")
def test_sources_of_a_dependency_are_not_built(make_wheel: MakeWheel, tmp_path: Path) -> None:
    folder = tmp_path / "evil"
    folder.mkdir()
    (folder / "setup.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    lid = make_wheel("lid", requires=(f"evil @ {folder.as_uri()}",))
    git = make_wheel("git", requires=("evil @ git+https://127.0.0.1/x",))
    for requirement in (str(lid), str(git), str(folder)):
        with pytest.raises(PackageError, match="is no wheel, and only wheels are taken"):
            resolve([requirement], Silent())
    assert not (tmp_path / "ran").exists()
