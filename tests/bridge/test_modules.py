"""Guest modules as code: compiled once, kept in the cache, made again when damaged."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coilbox import Image
from coilbox.bridge import modules
from coilbox.images.store import ImageStore
from coilbox.session.compiler import compile_module
from coilbox.support.cache import Cache, CacheWarning


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """A cache of the test's own, and nothing in memory."""
    own = Cache(tmp_path / "cache")
    monkeypatch.setattr(modules, "Cache", lambda: own)
    monkeypatch.setattr(modules, "_codes", {})
    return own


class Compiler:
    """Compiles modules, and notes their names."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.names: list[str] = []

    def __call__(self, name: str, source: str) -> bytes:
        self.names.append(name)
        return compile_module(self.image, "wasmtime", name, source)


@pytest.fixture
def compiler(image: Image) -> Compiler:
    return Compiler(image)


def test_compiled_once(cache: Cache, compiler: Compiler, extension: Any) -> None:
    spec, image = extension.spec, compiler.image.digest
    code = modules.generated_code(spec, image, compiler)
    assert modules.generated_code(spec, image, compiler) is code, "kept in memory"
    modules._codes.clear()
    assert modules.generated_code(spec, image, compiler) == code, "kept in the cache"
    assert compiler.names == ["acme_probe"]
    # A changed docstring makes another module, though it changes nothing that crosses.
    other = dataclasses.replace(spec, doc="Something else.")
    assert other.digest == spec.digest
    assert modules.generated_code(other, image, compiler) != code
    assert compiler.names == ["acme_probe"] * 2
    assert len(cache.keys("guest-modules")) == 2


def test_a_damaged_entry_is_made_again(cache: Cache, compiler: Compiler) -> None:
    image = compiler.image.digest
    code = modules.shipped_code("acme_shipped", "x = 1\n", image, compiler)
    (key,) = cache.keys("guest-modules")
    path = cache.path("guest-modules", key) / "module.marshal"
    path.write_bytes(code[:-1] + b"!")
    modules._codes.clear()
    with pytest.warns(CacheWarning, match="is damaged"):
        assert modules.shipped_code("acme_shipped", "x = 1\n", image, compiler) == code
    assert path.read_bytes() == code
    assert compiler.names == ["acme_shipped"] * 2


def test_they_are_pruned(cache: Cache, compiler: Compiler) -> None:
    image = compiler.image.digest
    modules.shipped_code("acme_shipped", "x = 1\n", image, compiler)
    (key,) = cache.keys("guest-modules")
    assert ImageStore(cache).prune()[0] == []
    assert ImageStore(cache).prune(compiled=True)[0] == [f"guest-modules/{key}"]


def test_all_that_makes_modules_is_in_their_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    digested: set[Path] = set()

    def note(files: Any) -> str:
        digested.update(path for _, path in files)
        return ""

    monkeypatch.setattr(modules, "source_digest", note)
    modules._makers.__wrapped__()
    code = (
        "import sys\n"
        "import coilbox.bindings.generate.guest\n"
        "for name in list(sys.modules):\n"
        "    if name.startswith('coilbox.bindings.'): print(sys.modules[name].__file__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    makers = {Path(line) for line in done.stdout.splitlines()}
    assert len(makers) > 5
    assert {path.resolve() for path in makers} <= {path.resolve() for path in digested}
