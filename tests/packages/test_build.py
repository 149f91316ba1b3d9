"""Images with packages, by the command line as a user builds them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from coilbox import Sandbox, open_image
from coilbox.errors import UsageError
from coilbox.images.package_build import name_for

from .conftest import MakeWheel


def coilbox(*args: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "coilbox", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("packages", "name"),
    [
        (["pydantic>=2"], "pydantic"),
        (["Jinja2[x]==3.*", "msgspec"], "jinja2-msgspec"),
        (["./wheels/my_box-1.0-py3-none-any.whl"], "my_box"),
    ],
)
def test_an_image_is_named_after_its_packages(packages: list[str], name: str) -> None:
    assert name_for(packages) == name


def test_what_names_no_package() -> None:
    with pytest.raises(UsageError, match="'>=2' names no package"):
        name_for([">=2"])


def test_a_lock_file_needs_packages(tmp_path: Path) -> None:
    done = coilbox("image", "build", "--lock", tmp_path / "x.lock")
    assert done.returncode == 120
    assert "--lock goes with --with" in done.stderr


def test_an_image_is_given_once() -> None:
    done = coilbox("image", "build", "default", "--image", "default")
    assert done.returncode == 120
    assert "give the image once" in done.stderr


@pytest.mark.slow
def test_a_pure_package(
    make_wheel: MakeWheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linked and compiled steps come from the cache: only the package and the snapshot are new."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    files = {"box/__init__.py": b"def answer():\n    return 42\n", "box/data.txt": b"data"}
    wheel, lock = make_wheel("box", files=files), tmp_path / "box.lock"
    name = "test-of-a-pure-package"
    built = coilbox("image", "build", "--with", wheel, "--name", name, "--lock", lock, "--json")
    assert built.returncode == 0, built.stderr
    with Sandbox(open_image(name), engine="wasmtime") as sandbox:
        code = """
import box, importlib.metadata, importlib.resources
text = importlib.resources.files("box").joinpath("data.txt").read_text()
[box.answer(), text, importlib.metadata.version("box"), box.__spec__.cached.endswith(".pyc")]
"""
        assert sandbox.run(code).check().value == [42, "data", "1.0", True]
    image = open_image(name)
    sbom = json.loads(image.read("sbom.cdx.json"))
    assert "box" in [component["name"] for component in sbom["components"]]
    assert "box 1.0: MIT" in image.read("NOTICE").decode()
    again = coilbox("image", "build", "--with", wheel, "--name", name, "--lock", lock, "--locked")
    assert image.key[:12] in again.stdout
