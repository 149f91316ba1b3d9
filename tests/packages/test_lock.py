"""Resolving for the guest, and the lock file that keeps what was found."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from coilbox.errors import PackageError
from coilbox.images.guest_build import GuestBuild, load_config
from coilbox.support.progress import Silent
from coilbox_guest.packages.lockfile import PackageLock, lock_text, read_lock
from coilbox_guest.packages.locking import ensure_lock
from coilbox_guest.packages.resolve import ResolvedPackage, resolve

from .conftest import MakeWheel

SILENT = Silent()


def write_build(folder: Path, packages: list[str]) -> GuestBuild:
    path = folder / "guest.yaml"
    path.write_text(f"variant: x\npackages: {packages}\n")
    return load_config(path)


def names(packages: tuple[ResolvedPackage, ...]) -> list[str]:
    return [package.file for package in packages]


@pytest.mark.usefixtures("index")
def test_the_guests_wheels_and_markers_decide(make_wheel: MakeWheel) -> None:
    wasm, native = "cp314-cp314-pyemscripten_2026_0_wasm32", "cp314-cp314-manylinux_2_17_x86_64"
    make_wheel("box", "1.0", tag=wasm)
    make_wheel("box", "1.1", tag=native)
    make_wheel("lid", requires=("box", 'yes; sys_platform == "emscripten"'))
    make_wheel("yes", requires=('no; sys_platform == "linux" or python_version < "3.14"',))
    found = resolve(["lid"], SILENT)
    pure = ["lid-1.0-py3-none-any.whl", "yes-1.0-py3-none-any.whl"]
    assert names(found) == [f"box-1.0-{wasm}.whl", *pure]


@pytest.mark.usefixtures("index")
def test_what_cannot_be_had(make_wheel: MakeWheel) -> None:
    make_wheel("box", tag="cp314-cp314-manylinux_2_17_x86_64")
    with pytest.raises(PackageError, match="no wheel of box for the guest: neither a pure one"):
        resolve(["box"], SILENT)
    with pytest.raises(PackageError, match="could not resolve"):
        resolve(["not a requirement !"], SILENT)


@pytest.mark.usefixtures("index")
def test_a_lock_is_made_once(make_wheel: MakeWheel, tmp_path: Path) -> None:
    wheel = make_wheel("box")
    build = write_build(tmp_path, ["box"])
    lock = ensure_lock(build, SILENT)
    assert names(lock.packages) == ["box-1.0-py3-none-any.whl"]
    assert lock.packages[0].sha256 == hashlib.sha256(wheel.read_bytes()).hexdigest()
    make_wheel("box", "2.0")
    assert ensure_lock(build, SILENT) == lock
    changed = write_build(tmp_path, ["box>1"])
    with pytest.raises(PackageError, match=r"guest\.lock was made of other requirements; build"):
        ensure_lock(changed, SILENT, locked=True)
    assert names(ensure_lock(changed, SILENT).packages) == ["box-2.0-py3-none-any.whl"]
    assert names(ensure_lock(changed, SILENT, locked=True).packages) == names(
        read_lock(tmp_path / "guest.lock").packages
    )


def test_a_missing_lock(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"guest\.lock is not there; build once without"):
        ensure_lock(write_build(tmp_path, ["box"]), SILENT, locked=True)


def test_no_packages_need_no_lock(tmp_path: Path) -> None:
    assert ensure_lock(write_build(tmp_path, []), SILENT, locked=True).packages == ()
    assert not (tmp_path / "guest.lock").exists()


@pytest.mark.usefixtures("index")
def test_a_wheel_beside_the_build(make_wheel: MakeWheel, tmp_path: Path) -> None:
    wheel = make_wheel("box")
    build = write_build(tmp_path, ["wheels/box-1.0-py3-none-any.whl"])
    lock = ensure_lock(build, SILENT)
    assert lock.packages[0].location == str(wheel)
    assert read_lock(tmp_path / "guest.lock") == lock


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("requirements = [", "is damaged"),
        ("requirements = []", "damaged .'wheel'"),
        ("requirements = []\nwheel = [1]", "damaged"),
        ("requirements = []\n[[wheel]]\npackage = 'a'\nversion = 1", "damaged"),
        (
            "requirements = []\n[[wheel]]\npackage='a'\nversion='1'\nfile='../a'\n"
            f"sha256='{'0' * 64}'",
            "no sound digest or file name",
        ),
    ],
)
def test_damaged_locks(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "guest.lock"
    path.write_text(text)
    with pytest.raises(PackageError, match=message):
        read_lock(path)


def test_text_of_a_lock(tmp_path: Path) -> None:
    package = ResolvedPackage(package="a", version="1", file="a-1.whl", sha256="0" * 64)
    lock = PackageLock(('a>"0"',), (package,))
    path = tmp_path / "guest.lock"
    path.write_text(lock_text(lock))
    assert read_lock(path) == lock
