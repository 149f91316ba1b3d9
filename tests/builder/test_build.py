"""Whole builds: equal twice, resumed, and clear when they fail."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import coilbox_guest.build
from coilbox import Image, Sandbox, open_image
from coilbox.errors import BuildError
from coilbox.images.guest_build import load_config
from coilbox.support.cache import Cache
from coilbox.support.progress import Silent
from coilbox.support.resources import configs
from coilbox_guest.build import build_image
from coilbox_guest.module import make_module
from coilbox_guest.parts import load_lock
from coilbox_guest.snapshot import stage_module, take_snapshot
from coilbox_guest.stage import StageGuest, StageProgram
from coilbox_guest.toolchain import check_tools

DEFAULT = configs() / "guest" / "default.yaml"


@pytest.mark.parametrize("seed", [0, -1, 2**32])
def test_seeds_out_of_range(seed: int, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=f"the hash seed must be from 1 to 4294967295, not {seed}"):
        build_image(DEFAULT, hash_seed=seed, cache=Cache(tmp_path / "c"))


def test_another_version_of_a_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    check_tools(load_lock())
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.1")
    with pytest.raises(BuildError) as caught:
        check_tools(load_lock())
    assert str(caught.value) == (
        "building an image takes ziglang 0.17.1, installed is 0.1; run: pip install ziglang==0.17.1"
    )

    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(BuildError, match="installed is none; run: pip install ziglang"):
        check_tools(load_lock())


def failing_build(tmp_path: Path, text: str) -> str:
    (tmp_path / "x.yaml").write_text(text)
    (tmp_path / "lib.so").write_bytes(b"x")
    build = load_config(tmp_path / "x.yaml")
    parts = {"libpython3.14.so": tmp_path / "lib.so", "include": tmp_path}
    with pytest.raises(BuildError) as caught:
        make_module(build, parts, (), tmp_path / "work", Silent())
    return str(caught.value).replace(str(tmp_path), "TMP")


def test_files_that_are_missing_or_wrong(tmp_path: Path) -> None:
    text = "static_modules: [{name: fast, sources: [no.c]}]\n"
    assert failing_build(tmp_path, text) == "static module fast: there is no file TMP/no.c"
    text = f"shared_libraries: [{{name: l, file: no.so, sha256: {'a' * 64}}}]\n"
    assert failing_build(tmp_path, text) == "shared library l: there is no file TMP/no.so"
    text = f"shared_libraries: [{{name: l, file: lib.so, sha256: {'a' * 64}}}]\n"
    assert failing_build(tmp_path, text).startswith("shared library l: TMP/lib.so has SHA-256 2d7")


@pytest.fixture(scope="module")
def linked(image: Image) -> tuple[bytes, int]:
    """The linked module, from the steps of the session's image or made now."""
    from coilbox_guest.build import _Pipeline

    pipeline = _Pipeline(load_config(DEFAULT), load_lock(), (), Cache(), Silent())
    entry = pipeline._linked(pipeline._prepare(), ())
    return entry.file("guest.wasm").read_bytes(), entry.manifest["poll_page"]


@pytest.fixture(scope="module")
def stage(
    linked: tuple[bytes, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StageProgram]:
    cache = Cache(tmp_path_factory.mktemp("stage"))
    program = StageProgram(stage_module(linked[0]), linked[1], cache, Silent())
    yield program
    program.close()


def test_a_preloaded_module_that_fails(
    image: Image, linked: tuple[bytes, int], stage: StageProgram
) -> None:
    with pytest.raises(BuildError) as caught:
        take_snapshot(
            linked[0],
            stage,
            image.path / "stdlib.zip",
            hash_seed=5,
            preload=["json", "no_such_module"],
            progress=Silent(),
        )
    text = str(caught.value)
    assert text.startswith("the guest could not start Python:\nTraceback")
    assert "ModuleNotFoundError: No module named 'no_such_module'" in text


def test_a_preloaded_module_that_keeps_a_file_open(
    image: Image, linked: tuple[bytes, int], stage: StageProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StageGuest, "open_descriptors", lambda self: [0, 1, 2, 3, 4])
    with pytest.raises(BuildError, match="not \\[0, 1, 2, 3, 4\\]: a preloaded module keeps a"):
        take_snapshot(
            linked[0],
            stage,
            image.path / "stdlib.zip",
            hash_seed=5,
            preload=[],
            progress=Silent(),
        )


def test_snapshots_are_equal_for_equal_seeds(
    image: Image, linked: tuple[bytes, int], stage: StageProgram
) -> None:
    def take(seed: int) -> bytes:
        stdlib = image.path / "stdlib.zip"
        preload = ["json", "random", "uuid", "tempfile", "logging"]
        return take_snapshot(
            linked[0], stage, stdlib, hash_seed=seed, preload=preload, progress=Silent()
        ).wasm

    first = take(5)
    assert take(5) == first
    assert take(6) != first


def test_an_image_holds_its_random_seed(image: Image) -> None:
    assert 1 <= image.hash_seed < 2**32
    with Sandbox(image) as box:
        first = box.run("hash('coilbox')").value
    with Sandbox(image) as box:
        assert box.run("hash('coilbox')").value == first
    assert first != 0


def test_a_build_that_broke_off_goes_on(
    linked: tuple[bytes, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache()

    def stop(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(coilbox_guest.build, "take_snapshot", stop)
        with pytest.raises(KeyboardInterrupt):
            build_image(DEFAULT, hash_seed=99, cache=cache)
    monkeypatch.setattr(coilbox_guest.build, "make_module", stop)
    monkeypatch.setattr(coilbox_guest.build, "compile_all", stop)
    path = build_image(DEFAULT, hash_seed=99, cache=cache)
    assert Image.from_folder(path, cache).hash_seed == 99
    assert build_image(DEFAULT, hash_seed=99, cache=cache) == path
    assert not (cache.root / "work" / f"stage-{path.name[:16]}").exists()
    cache.remove("images", path.name)


BUILD = """
import sys
from pathlib import Path
from coilbox.support.cache import Cache
from coilbox_guest.build import build_image
print(build_image(Path(sys.argv[1]), hash_seed=7, cache=Cache(Path(sys.argv[2]))))
"""


def build_apart(config: Path, cache: Path) -> Path:
    command = [sys.executable, "-c", BUILD, str(config), str(cache)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    return Path(done.stdout.strip())


@pytest.mark.slow
def test_two_builds_in_two_folders_are_equal(tmp_path: Path) -> None:
    places = [tmp_path / "first", tmp_path / "deeper" / "second"]
    first, second = (build_apart(DEFAULT, place) for place in places)
    assert first.name == second.name, "sources changed while the test ran"
    names = sorted(path.name for path in first.iterdir() if path.name != ".verified")
    assert names == ["NOTICE", "guest.wasm", "manifest.json", "sbom.cdx.json", "stdlib.zip"]
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


STATIC = """
#include <Python.h>
static PyObject *answer(PyObject *module, PyObject *unused) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, .m_name = "fast", .m_methods = methods};
PyMODINIT_FUNC PyInit_fast(void) { return PyModuleDef_Init(&def); }
"""


@pytest.mark.slow
def test_static_modules_and_preload(image: Image, tmp_path: Path) -> None:
    (tmp_path / "fast.c").write_text(
        STATIC.replace("*unused)", "*Py_UNUSED(u))").replace("*module, ", "*Py_UNUSED(module), ")
    )
    config = tmp_path / "static.yaml"
    config.write_text(
        "variant: static\npreload: [fast, sqlite3]\n"
        "static_modules: [{name: fast, sources: [fast.c]}]\n"
    )
    mine = open_image(str(config))
    assert mine.variant == "static"
    with Sandbox(mine) as box:
        assert (
            box.run(
                "import sys\nassert 'sqlite3' in sys.modules\nfast = sys.modules['fast']\n"
                "fast.answer()"
            ).value
            == 42
        )
    shutil.rmtree(mine.path)
