"""What ``coilbox run`` takes for a program, and what the guest sees around it."""

from __future__ import annotations

import zipapp
import zipfile
from pathlib import Path

import pytest

from .conftest import Cli

pytestmark = pytest.mark.usefixtures("image")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a script, a module and a package, and the working directory."""
    (tmp_path / "main.py").write_text("import helper, sys\nprint(helper.X, sys.argv[1:])\n")
    (tmp_path / "helper.py").write_text("X = 'found'\n")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/__init__.py").write_text("")
    (tmp_path / "pack/other.py").write_text("Y = 'other'\n")
    code = "import sys\nfrom pack.other import Y\nprint(__name__, Y, sys.argv[1:])\n"
    (tmp_path / "pack/__main__.py").write_text(code)
    (tmp_path / "app").mkdir()
    (tmp_path / "app/__main__.py").write_text(
        "import part, sys\nprint(__name__, part.Z, sys.argv[1:])\n"
    )
    (tmp_path / "app/part.py").write_text("Z = 3\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_neighbours_are_not_seen_unasked(cli: Cli) -> None:
    outcome = cli("run", "main.py")
    assert outcome.code == 1
    assert "No module named 'helper'" in outcome.err
    assert "coilbox: the guest does not see helper, which lies in " in outcome.err
    assert "--siblings" in outcome.err
    other = cli("run", "-c", "import nothing")
    assert "--siblings" not in other.err


@pytest.mark.usefixtures("folder")
def test_siblings(cli: Cli) -> None:
    assert cli("run", "--siblings", "main.py", "a", "-b") == (0, "found ['a', '-b']\n", "")
    assert cli("run", "--siblings", "-m", "pack", "a") == (0, "__main__ other ['a']\n", "")
    outcome = cli("run", "-m", "pack")
    assert outcome.code == 1
    assert "No module named pack" in outcome.err
    assert "--siblings" in outcome.err
    assert cli("run", "--siblings", "-c", "1").code == 120


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", ["a" * 1_000_000, "\U00020000" * 61, "/etc", "..", "", "\ud800"])
def test_names_that_a_guest_makes_up(cli: Cli, name: str) -> None:
    outcome = cli("run", "-c", f"raise ModuleNotFoundError('No module named ' + {name!r})")
    assert outcome.code == 1
    assert "--siblings" not in outcome.err
    code = f"import sys; sys.stderr.write('No module named ' + {name!r}); sys.exit(1)"
    outcome = cli("run", "-c", code.replace("\\ud800", "x"))
    assert outcome.code == 1
    assert "--siblings" not in outcome.err


def test_siblings_are_read_only_unless_mounted(cli: Cli, folder: Path) -> None:
    (folder / "write.py").write_text("open('out.txt', 'w').write('x')\n")
    outcome = cli("run", "--siblings", "write.py")
    assert outcome.code == 1
    assert "--mount HOST:GUEST:rw" in outcome.err
    assert not (folder / "out.txt").exists()
    assert cli("run", "--siblings", "--mount", ".:/app:rw", "write.py").code == 0
    assert (folder / "out.txt").read_text() == "x"


def test_a_folder(cli: Cli, folder: Path) -> None:
    assert cli("run", "app", "x") == (0, "__main__ 3 ['x']\n", "")
    outcome = cli("run", str(folder))
    assert outcome.code == 120
    assert "has no __main__.py to run" in outcome.err


def test_a_zip_application(cli: Cli, folder: Path) -> None:
    zipapp.create_archive(folder / "app", folder / "app.pyz", interpreter="/usr/bin/env python3")
    assert cli("run", "app.pyz", "x") == (0, "__main__ 3 ['x']\n", "")
    assert cli("run", "--scratch", "1MiB:/mine", "app.pyz").out == "__main__ 3 []\n"
    outcome = cli("run", "--scratch", "none", "app.pyz")
    assert outcome.code == 120
    assert "needs a scratch directory" in outcome.err
    with zipfile.ZipFile(folder / "bad.zip", "w") as archive:
        archive.writestr("other.py", "")
    outcome = cli("run", "bad.zip")
    assert outcome.code == 1
    assert "__main__" in outcome.err


def test_a_module_of_a_mount(cli: Cli, folder: Path) -> None:
    mount = ("--mount", f"{folder}:/lib")
    assert cli("run", *mount, "--cwd", "/lib", "-m", "pack").out == "__main__ other []\n"
    path = ("--env", "PYTHONPATH=/lib")
    assert cli("run", *mount, *path, "-m", "pack.other").code == 0
    outcome = cli("run", "-c", "1", "-m", "pack")
    assert outcome.code == 120
    assert "give either -c or -m" in outcome.err
    # Behind the module all is its own.
    assert cli("run", *mount, "--cwd", "/lib", "-m", "pack", "-x", "-m").out == (
        "__main__ other ['-x', '-m']\n"
    )
    assert "json" in cli("run", "-m", "json.tool", "--help").out


def test_where_it_starts_and_lives(cli: Cli, folder: Path) -> None:
    code = (
        "import os, pathlib, tempfile\n"
        "print(os.getcwd(), pathlib.Path.home(), tempfile.gettempdir())"
    )
    assert cli("run", "-c", code).out == "/tmp /tmp /tmp\n"
    assert cli("run", "--env", "HOME=/x", "-c", code).out == "/tmp /x /tmp\n"
    mount = ("--mount", f"{folder}:/work:rw")
    assert cli("run", *mount, "--cwd", "/work/pack", "-c", code).out == "/work/pack /tmp /tmp\n"
    assert cli("run", *mount, "--cwd", "/", "-c", code).out == "/ /tmp /tmp\n"
    bare = "import os; print(os.getcwd(), dict(os.environ))"
    assert cli("run", "--scratch", "none", "-c", bare).out == "/ {}\n"
    for cwd in ("/work/nothing", "/nothing", "work", "/work/..", "/tmp/x", "/work/main.py"):
        outcome = cli("run", *mount, "--cwd", cwd, "-c", "1")
        assert outcome.code == 120
        assert "cwd" in outcome.err or "no directory" in outcome.err


def test_modules_are_compiled_for_a_mount_that_is_read_only(cli: Cli, folder: Path) -> None:
    for mode in ("timestamp", "unchecked-hash"):
        made = cli(
            *("run", "--mount", f"{folder}:/lib:rw", "-m", "compileall", "-q", "-f"),
            *("--invalidation-mode", mode, "/lib"),
        )
        assert made == (0, "", "")
        (cached,) = folder.glob("__pycache__/helper.*")
        assert cached.read_bytes()[4] == (mode == "unchecked-hash")
        if mode == "unchecked-hash":  # then nobody looks at the source
            (folder / "helper.py").write_text("X = 'changed'\n")
        code = "import helper; print(helper.X)"
        options = ("--mount", f"{folder}:/lib", "--env", "PYTHONPATH=/lib")
        assert cli("run", *options, "-c", code).out == "found\n"


def test_modules_in_a_writable_mount_are_compiled_once(cli: Cli, folder: Path) -> None:
    mount = ("--mount", f"{folder}:/lib:rw", "--env", "PYTHONPATH=/lib")
    assert cli("run", *mount, "-c", "import helper").code == 0
    assert [path.name for path in folder.glob("__pycache__/*")] == ["helper.cpython-314.pyc"]
    off = ("--env", "PYTHONDONTWRITEBYTECODE=1")
    assert cli("run", *mount, *off, "-c", "import pack").code == 0
    assert not list(folder.glob("pack/__pycache__/*"))
