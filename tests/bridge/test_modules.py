"""Guest modules as code: compiled once, kept in the cache, made again when damaged."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from coilbox import Image
from coilbox.bridge import modules
from coilbox.images.store import ImageStore
from coilbox.support.cache import Cache, CacheWarning


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """A cache of the test's own, and nothing in memory."""
    own = Cache(tmp_path / "cache")
    monkeypatch.setattr(modules, "Cache", lambda: own)
    monkeypatch.setattr(modules, "_codes", {})
    return own


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the modules that were compiled."""
    names: list[str] = []
    compile_really = modules._compiled

    def compile_one(name: str, *rest: Any) -> bytes:
        names.append(name)
        return compile_really(name, *rest)

    monkeypatch.setattr(modules, "_compiled", compile_one)
    return names


def test_compiled_once(cache: Cache, compiled: list[str], image: Image, extension: Any) -> None:
    spec = extension.spec
    code = modules.generated_code(spec, image, "wasmtime")
    assert modules.generated_code(spec, image, "wasmtime") is code, "kept in memory"
    modules._codes.clear()
    assert modules.generated_code(spec, image, "wasmtime") == code, "kept in the cache"
    assert compiled == ["acme_probe"]
    # A changed docstring makes another module, though it changes nothing that crosses.
    other = dataclasses.replace(spec, doc="Something else.")
    assert other.digest == spec.digest
    assert modules.generated_code(other, image, "wasmtime") != code
    assert compiled == ["acme_probe"] * 2
    assert len(cache.keys("guest-modules")) == 2


def test_a_damaged_entry_is_made_again(cache: Cache, compiled: list[str], image: Image) -> None:
    code = modules.shipped_code("acme_shipped", "x = 1\n", image, "wasmtime")
    (key,) = cache.keys("guest-modules")
    path = cache.path("guest-modules", key) / "module.marshal"
    path.write_bytes(code[:-1] + b"!")
    modules._codes.clear()
    with pytest.warns(CacheWarning, match="is damaged"):
        assert modules.shipped_code("acme_shipped", "x = 1\n", image, "wasmtime") == code
    assert path.read_bytes() == code
    assert compiled == ["acme_shipped"] * 2


def test_they_are_pruned(cache: Cache, image: Image) -> None:
    modules.shipped_code("acme_shipped", "x = 1\n", image, "wasmtime")
    (key,) = cache.keys("guest-modules")
    assert ImageStore(cache).prune()[0] == []
    assert ImageStore(cache).prune(compiled=True)[0] == [f"guest-modules/{key}"]
