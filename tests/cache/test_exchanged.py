"""Code that is exchanged in the cache, before or after it was hashed, is never mapped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coilbox import Image, Sandbox
from coilbox.engines import get_engine
from coilbox.engines.native.engine import _profile_key
from coilbox.errors import CacheError, EngineError
from coilbox.session.programs import IMPORTS
from coilbox.support.cache import Cache, CacheWarning, Entry, descriptor_path


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def writes(text: str) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        (folder / "code").write_text(text)

    return fill


def exchange(path: Path, text: str) -> None:
    """As somebody would who knows what the cache looks at: size, time and inode stay."""
    status = path.stat()
    with path.open("r+") as file:
        file.write(text)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_open_gives_what_was_published(cache: Cache) -> None:
    entry = cache.publish("code", "k", writes("true"))
    descriptor = entry.open("code")
    try:
        assert Path(descriptor_path(descriptor)).read_text() == "true"
    finally:
        os.close(descriptor)


def test_open_refuses_what_was_exchanged(cache: Cache) -> None:
    entry = cache.publish("code", "k", writes("true"))
    exchange(entry / "code", "evil")
    assert cache.get("code", "k") is not None, "the quick check sees nothing"
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(CacheError, match="not the file that was made: its SHA-256 is wrong"):
        entry.open("code")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_open_follows_no_link(cache: Cache, tmp_path: Path) -> None:
    entry = cache.publish("code", "k", writes("true"))
    (tmp_path / "same").write_text("true")
    (entry / "code").unlink()
    (entry / "code").symlink_to(tmp_path / "same")
    with pytest.raises(CacheError, match="cannot be read"):
        entry.open("code")


def test_what_was_exchanged_is_made_again(cache: Cache) -> None:
    entry, descriptor = cache.ensure_open("code", "k", writes("true"), "code")
    os.close(descriptor)
    exchange(entry / "code", "evil")
    with pytest.warns(CacheWarning, match="it will be made again"):
        entry, descriptor = cache.ensure_open("code", "k", writes("true"), "code")
    try:
        assert Path(descriptor_path(descriptor)).read_text() == "true"
    finally:
        os.close(descriptor)


def test_what_is_exchanged_after_the_check_is_not_seen(cache: Cache) -> None:
    entry, descriptor = cache.ensure_open("code", "k", writes("true"), "code")
    try:
        (entry.path / "new").write_text("evil")
        (entry.path / "new").rename(entry / "code")
        assert Path(descriptor_path(descriptor)).read_text() == "true"
    finally:
        os.close(descriptor)


@pytest.fixture
def copied(image: Image, engine: str, tmp_path: Path) -> Image:
    """The image with its compiled code, in a cache of the test's own."""
    with Sandbox(image, engine=engine):
        pass
    chosen: Any = get_engine(engine)
    if engine == "native":
        entries = [("native", chosen._key(image, chosen.best_variant(image)))]
        profile = ("native-profile", _profile_key(image))
        if image.cache.get(*profile) is not None:
            entries.append(profile)
    else:
        entries = [("compiled", chosen._key(image))]
    own = Cache(tmp_path / "cache")
    for entry in entries:
        shutil.copytree(image.cache.path(*entry), own.path(*entry))
    return Image.from_folder(image.path, own)


def test_engines_map_what_was_hashed(
    copied: Image, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is exchanged for garbage between the check and the map: the map is of the old."""
    hashed = Entry.open
    exchanged = []

    def open_and_exchange(self: Entry, name: str) -> int:
        descriptor = hashed(self, name)
        if name != "runtime.so":
            (self.path / "new").write_bytes(b"garbage")
            (self.path / "new").rename(self / name)
            exchanged.append(name)
        return descriptor

    monkeypatch.setattr(Entry, "open", open_and_exchange)
    program = get_engine(engine).load(copied, IMPORTS)
    try:
        assert len(exchanged) == 1
        instance = program.instantiate(memory_limit=64 << 20)
        assert instance.memory_size == copied.memory_bytes
        instance.close()
    finally:
        program.close()


def test_engines_refuse_code_that_was_exchanged_again(
    copied: Image, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is made anew is hashed as well; that it is exchanged each time ends in an error."""
    digest = Entry.digest

    def wrong(self: Entry, name: str) -> str:
        return "0" * 64 if self.path.parent.name in ("native", "compiled") else digest(self, name)

    monkeypatch.setattr(Entry, "digest", wrong)
    monkeypatch.setattr(Cache, "remove", lambda self, kind, key: None)
    with (
        pytest.warns(CacheWarning, match="made again"),
        pytest.raises((CacheError, EngineError), match="SHA-256"),
    ):
        get_engine(engine).load(copied, IMPORTS)
