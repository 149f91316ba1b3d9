"""What the tests of the engines, the tools and the guest share."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coilbox.engines.native.library import runtime, supported
from coilbox.engines.native.toolchain import zig
from coilbox.support.cache import Cache, key_of
from coilbox.support.progress import progress_for
from tests.tools import assemble, python_module, tool

REQUIREMENTS = Path(__file__).parent / "wheels" / "requirements.txt"


@pytest.fixture(scope="session")
def libpython() -> bytes:
    """CPython's shared library as it is published: the largest module that the tools read."""
    from coilbox_guest.parts import load_lock, obtain

    return obtain(load_lock(), Cache(), progress_for())["libpython3.14.so"].read_bytes()


@pytest.fixture(scope="session")
def zig_work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder of the tests' own with the builder's zig cache, where the C library is."""
    shared = Cache().root / "work" / "link" / "zig-cache"
    shared.mkdir(parents=True, exist_ok=True)
    folder = tmp_path_factory.mktemp("zig")
    (folder / "zig-cache").symlink_to(shared)
    return folder


@pytest.fixture(scope="session")
def wat() -> Callable[[str], bytes]:
    """Assemble WebAssembly text with wasm-tools."""
    tool("wasm-tools")  # skips here, so that no test is half done
    return assemble


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of ``wheels/requirements.txt``, to be mounted and imported."""

    def fetch(folder: Path) -> None:
        subprocess.run(
            [
                *(*python_module("pip"), "download", "--quiet", "--no-deps"),
                *("--only-binary", ":all:", "--platform", "manylinux2014_x86_64"),
                *("--python-version", "3.11", "--implementation", "cp"),
                *("--require-hashes", "--requirement", str(REQUIREMENTS), "--dest", str(folder)),
            ],
            check=True,
        )

    entry = Cache().ensure("test-packages", key_of(REQUIREMENTS.read_text()), fetch)
    folder = tmp_path_factory.mktemp("packages")
    for wheel in sorted(entry.path.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    return folder


@pytest.fixture(scope="session")
def cpython_tests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds CPython's package ``test``, unpacked once for the session."""
    from tests.cpython import obtain

    try:
        return obtain.unpacked(tmp_path_factory.mktemp("cpython"))
    except obtain.SuiteUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def native_cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    folder = tmp_path_factory.mktemp("native-cache")
    folder.chmod(0o700)
    return Cache(folder)


@pytest.fixture(scope="session")
def native_runtime(native_cache: Cache) -> Any:
    reason = supported()
    if reason is not None:
        pytest.skip(reason)
    return runtime(native_cache, zig(native_cache.root / "zig"))
