"""Packages of a sandbox: from wheels to what its guest imports."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from coilbox import Image, PackageError, Sandbox, UsageError, open_packages
from coilbox.cli import invoke
from coilbox.profiles import load_profile
from coilbox.support.progress import Silent

from .conftest import MakeWheel

pytestmark = pytest.mark.usefixtures("index")
SILENT = Silent()


def run(image: Image, packages: object, code: str, **options: object) -> object:
    with Sandbox(image, packages=packages, **options) as sandbox:  # type: ignore[arg-type]
        return sandbox.run(code).check().value


def test_a_package_with_what_it_needs(image: Image, make_wheel: MakeWheel) -> None:
    make_wheel(
        "box", files={"box/__init__.py": b"import lid\nvalue = lid.value"}, requires=("lid",)
    )
    make_wheel("lid")
    packages = open_packages(["box"], image, progress=SILENT)
    assert packages.versions == {"box": "1.0", "lid": "1.0"}
    code = (
        "import box, lid, sys, os, importlib.metadata as m\n"
        "[box.value, m.version('lid'), os.path.exists(box.__spec__.cached), sys.path[-1]]"
    )
    site = "/usr/local/lib/python3.14/site-packages"
    assert run(image, packages, code) == [42, "1.0", True, site]
    assert run(image, ["box"], "import box; box.value") == 42


@pytest.mark.isolated
def test_the_guest_cannot_change_packages(
    image: Image, make_wheel: MakeWheel, isolation: str
) -> None:
    make_wheel("box")
    packages = open_packages(["box"], image, progress=SILENT)
    code = (
        "import box\nerrors = []\n"
        "for path in (box.__file__, box.__spec__.cached, box.__file__ + '.new'):\n"
        "    try: open(path, 'w')\n"
        "    except OSError as error: errors.append(error.errno)\n"
        "len(errors), box.value"
    )
    assert run(image, packages, code, isolation=isolation) == (3, 42)
    assert run(image, packages, "import box; box.value") == 42


def test_no_import_looks_at_the_source(image: Image, make_wheel: MakeWheel) -> None:
    make_wheel("box")
    packages = open_packages(["box"], image, progress=SILENT)
    assert packages.folder is not None
    cached = packages.folder / "__pycache__/box.cpython-314.pyc"
    assert cached.read_bytes()[4:8] == b"\x01\0\0\0"  # PEP 552: a hash that nobody checks


def test_what_does_not_compile_is_left_to_its_import(image: Image, make_wheel: MakeWheel) -> None:
    make_wheel("box", files={"box.py": b"value = 1", "bad.py": b"def", "nul.py": b"\0"})
    assert run(image, ["box"], "import box; box.value") == 1
    with Sandbox(image, packages=["box"]) as sandbox:
        assert "SyntaxError" in str(sandbox.run("import bad").error)


def test_a_set_is_resolved_once(
    image: Image, make_wheel: MakeWheel, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel("box")
    assert open_packages(["box"], image, progress=SILENT).versions == {"box": "1.0"}
    make_wheel("box", "2.0")
    assert open_packages(["box"], image, progress=SILENT).versions == {"box": "1.0"}
    fresh = open_packages(["box"], image, refresh=True, progress=SILENT)
    assert fresh.versions == {"box": "2.0"}
    for path in index.iterdir():
        path.unlink()
    monkeypatch.setattr("coilbox_guest.packages.resolve.subprocess", None)
    assert open_packages(["box"], image, progress=SILENT) == fresh
    assert run(image, fresh, "import box; box.value") == 42


def test_compiled_code_is_refused_by_name(image: Image, make_wheel: MakeWheel) -> None:
    make_wheel(
        "box",
        files={"box/__init__.py": b"", "box/_core.cpython-314-wasm32-emscripten.so": b"\0asm"},
        tag="cp314-cp314-pyemscripten_2026_0_wasm32",
    )
    make_wheel("uses", requires=("box",))
    match = r"box 1\.0 has compiled code \(box-1\.0-.*build --with uses 'lid>1'$"
    make_wheel("lid", "2.0")
    with pytest.raises(PackageError, match=match):
        open_packages(["uses", "lid>1"], image, progress=SILENT)
    hidden = make_wheel("den", files={"den.cpython-314-wasm32-emscripten.so": b"\0asm"})
    with pytest.raises(PackageError, match=r"den 1\.0 has compiled code \(den in den-1\.0-py3"):
        open_packages([str(hidden)], image, progress=SILENT)
    native = make_wheel("lid", tag="cp314-cp314-manylinux_2_17_x86_64")
    with pytest.raises(PackageError, match=r"lid-1\.0-.*whl is for another platform"):
        open_packages([str(native)], image, progress=SILENT)
    sly = make_wheel("sly", files={"sly/_c.so": b"\x7fELF"})
    with pytest.raises(PackageError, match=r"sly-1\.0.*: sly/_c\.so is compiled for Linux"):
        open_packages([str(sly)], image, progress=SILENT)


def test_packages_that_cannot_lie_together(image: Image, make_wheel: MakeWheel) -> None:
    one = make_wheel("one", files={"shared": b"a file"})
    two = make_wheel("two", files={"shared/in.py": b"", "manifest.json": b"{}"})
    with pytest.raises(PackageError, match="two cannot lie beside the others"):
        open_packages([str(one), str(two)], image, progress=SILENT)
    assert open_packages([str(two)], image, progress=SILENT).versions == {"two": "1.0"}


def test_no_packages(image: Image) -> None:
    packages = open_packages([], image)
    assert (packages.folder, packages.versions) == (None, {})
    assert run(image, packages, "1") == 1
    with pytest.raises(UsageError, match="must be a list of requirements"):
        Sandbox(image, packages="box")


def test_in_a_profile(image: Image, make_wheel: MakeWheel, tmp_path: Path) -> None:
    make_wheel("lid")
    make_wheel("box")
    path = tmp_path / "p.yaml"
    path.write_text("version: 1\npackages: [lid, ./wheels/box-1.0-py3-none-any.whl]\n")
    options = load_profile(path).sandbox_options()
    with Sandbox(**(options | {"image": image})) as sandbox:
        assert sandbox.run("import box, lid; box.value + lid.value").check().value == 84


@pytest.mark.usefixtures("image")
def test_on_the_command_line(
    make_wheel: MakeWheel,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    make_wheel("box")
    make_wheel("lid")
    make_wheel("pin")
    script, listed = tmp_path / "s.py", tmp_path / "r.txt"
    script.write_text("# /// script\n# dependencies = ['pin']\n# ///\nimport pin; print('pin')\n")
    listed.write_text("lid\n")
    asked = ["run", "--with", "box", "--requirements", str(listed)]
    assert invoke([*asked, "-c", "import box, lid; print(box.value)"]) == 0
    assert capfd.readouterr().out == "42\n"
    assert invoke(["run", str(script)]) == 1
    assert invoke(["run", "--script-packages", str(script)]) == 0
    assert "pin\n" in capfd.readouterr().out
    assert invoke(["run", "--with", "./nothing.whl", "-c", "1"]) == 120
    assert "there is no wheel './nothing.whl'" in capfd.readouterr().err
    assert invoke(["run", "--with", "nothing", "-c", "1"]) == 121
    assert "no wheel of nothing for the guest" in capfd.readouterr().err
