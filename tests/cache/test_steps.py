"""A process is killed, or the disk full, at every step of the cache: an entry is whole or not."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from coilbox import Image
from coilbox.errors import CacheError
from coilbox.support.cache import MANIFEST, Cache, check

KIND, KEY = "things", "one"
FILES = {"a": b"A" * 70_000, "sub/b": b"B"}
# What a full disk refuses, of the events that Python tells of.
_MAKING = {"open", "os.mkdir", "os.rename"}
Work = Callable[[Cache], object]
Step = Callable[[str, tuple[Any, ...]], None]


def fill(folder: Path) -> Mapping[str, Any]:
    (folder / "sub").mkdir()
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    return {"extra": 1}


def make(cache: Cache) -> object:
    return cache.ensure(KIND, KEY, fill)


def make_open(cache: Cache) -> object:
    entry, descriptor = cache.ensure_open(KIND, KEY, fill, "a")
    os.close(descriptor)
    return entry


def damaged(root: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        make(Cache(root))
    (root / KIND / KEY / "a").write_bytes(b"no")


def in_child(work: Work, root: Path, step: Step) -> int:
    """Do it in a child of this process, which calls ``step`` at each event; how it ended."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 99
    try:
        warnings.simplefilter("ignore")
        cache = Cache(root)
        sys.addaudithook(
            lambda event, args: step(event, args) if event in _MAKING | _OTHER else None
        )
        work(cache)
        code = 0
    except CacheError:
        code = 1
    finally:
        os._exit(code)


_OTHER = {"os.remove", "os.rmdir", "os.chmod", "os.utime", "os.truncate", "shutil.rmtree"}


def sound(root: Path) -> bool:
    folder = root / KIND / KEY
    return not folder.exists() or check(folder, full=True) is None


@pytest.mark.parametrize(("work", "before"), [(make, None), (make_open, damaged)])
def test_killed_at_every_step(
    tmp_path: Path, work: Work, before: Callable[[Path], None] | None
) -> None:
    code, at = -signal.SIGKILL, 0
    while code == -signal.SIGKILL:
        root = tmp_path / str(at)
        left = at

        def step(event: str, args: tuple[Any, ...]) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        if before is not None:
            before(root)
        code = in_child(work, root, step)
        assert code in (0, -signal.SIGKILL), at
        assert before is not None or sound(root), at
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            work(Cache(root))
        assert (root / KIND / KEY).exists() and sound(root), at
        shutil.rmtree(root)
        at += 1
    assert at > 10


@pytest.mark.parametrize(("work", "before"), [(make, None), (make_open, damaged)])
def test_a_disk_that_is_full_from_any_step_on(
    tmp_path: Path, work: Work, before: Callable[[Path], None] | None
) -> None:
    code, at = 1, 0
    while code == 1:
        root = tmp_path / str(at)
        left = at

        def step(event: str, args: tuple[Any, ...]) -> None:
            nonlocal left
            reading = event == "open" and not args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if event in _MAKING and not reading:
                left -= 1
                if left < 0:
                    raise OSError(errno.ENOSPC, "the disk is full", str(args[0]))

        if before is not None:
            before(root)
        code = in_child(work, root, step)
        assert code in (0, 1), at
        assert before is not None or sound(root), at
        if (root / "tmp").exists():
            assert list((root / "tmp").iterdir()) == [], at
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            work(Cache(root))
        assert sound(root), at
        shutil.rmtree(root)
        at += 1
    assert at > 5


def smallest(kind: Path) -> Path | None:
    """The entry with the least to hash, if it has few files."""
    found = []
    for entry in kind.iterdir():
        files = [path for path in entry.rglob("*") if path.is_file()]
        if (entry / MANIFEST).exists() and len(files) < 20:
            found.append((sum(path.stat().st_size for path in files), entry))
    return min(found)[1] if found else None


@pytest.mark.slow
def test_damage_is_seen_in_every_kind_of_entry(image: Image, tmp_path: Path) -> None:
    """Of each kind that the tests' cache has: images, compiled code, modules, parts, names."""
    cache = Cache(tmp_path)
    kinds = []
    for kind in image.cache.root.iterdir():
        if kind.name in ("tmp", "locks", "work") or not kind.is_dir():
            continue
        entry = smallest(kind)
        if entry is None:
            continue
        kinds.append(kind.name)
        copy = tmp_path / kind.name / entry.name
        shutil.copytree(entry, copy)
        assert cache.get(kind.name, entry.name, full=True, warn=False) is not None
        for path in [path for path in copy.rglob("*") if path.is_file()]:
            if path.name.startswith("."):
                continue
            size = path.stat().st_size
            large = size > 1 << 20
            for offset in {size // 2} if large else {0, size // 3, size // 2, size - 1}:
                if not 0 <= offset < size:
                    continue
                with path.open("r+b") as file:
                    file.seek(offset)
                    byte = file.read(1)
                    file.seek(offset)
                    file.write(bytes([byte[0] ^ 1]))
                    file.flush()
                    # In white space a manifest may change without saying anything else.
                    seen = cache.get(kind.name, entry.name, full=True, warn=False) is None
                    assert seen or path.name == MANIFEST, (path, offset)
                    file.seek(offset)
                    file.write(byte)
            if large:
                continue
            with path.open("r+b") as file:
                last = path.read_bytes()[-1:]
                file.truncate(max(size - 1, 0))
                seen = cache.get(kind.name, entry.name, full=True, warn=False) is None
                assert seen or path.name == MANIFEST or size == 0, path
                file.seek(max(size - 1, 0))
                file.write(last)
        assert cache.get(kind.name, entry.name, full=True, warn=False) is not None
        shutil.rmtree(copy)
    assert "images" in kinds
