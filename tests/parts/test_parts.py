"""Parts: fetched by the real pip from a folder, verified, unpacked; every failure and its text."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from coilbox.errors import CacheError, PartError
from coilbox.support.cache import Cache
from coilbox.support.progress import Silent
from coilbox_guest.parts import Lock, Part, load_lock, obtain
from coilbox_guest.parts.fetch import fetch, verify
from coilbox_guest.parts.obtain import unpack

PYPROJECT = b'[build-system]\nrequires = ["maturin>=1"]\nbuild-backend = "maturin"\n'
EVIL = b"raise SystemExit('code of the part was run')\n"


def make_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def make_wheel(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as wheel:
        for name, data in files.items():
            wheel.writestr(name, data)
        info = "boxheaders-2.0.dist-info"
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: boxheaders\nVersion: 2.0\n"
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    return path


def part_of(path: Path, package: str, version: str, members: dict[str, str]) -> Part:
    data = path.read_bytes()
    return Part(
        name=package,
        package=package,
        version=version,
        file=path.name,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        licence="MIT",
        use="tests",
        members=tuple(members.items()),
        components=(),
    )


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes packages from, and nothing else."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def sdist(index: Path) -> Part:
    packed = zstandard.ZstdCompressor().compress(b"a library" * 100)
    files = {
        "boxlib-1.0/pyproject.toml": PYPROJECT,
        "boxlib-1.0/setup.py": EVIL,
        "boxlib-1.0/PKG-INFO": b"Metadata-Version: 2.1\nName: boxlib\nVersion: 1.0\n",
        "boxlib-1.0/maturin.py": EVIL,
        "boxlib-1.0/lib/lib.so.zst": packed,
        "boxlib-1.0/lib/plain": b"plain",
    }
    path = make_tar(index / "boxlib-1.0.tar.gz", files)
    members = {"lib.so": "boxlib-1.0/lib/lib.so.zst", "plain": "boxlib-1.0/lib/plain"}
    return part_of(path, "boxlib", "1.0", members)


@pytest.fixture
def wheel(index: Path) -> Part:
    files = {"box/inc/a.h": b"A", "box/inc/deep/b.h": b"B", "box/other/c.h": b"C"}
    path = make_wheel(index / "boxheaders-2.0-py3-none-any.whl", files)
    return part_of(path, "boxheaders", "2.0", {"include": "box/inc/"})


def test_parts_are_fetched_once_and_unpacked(
    cache: Cache, sdist: Part, wheel: Part, index: Path
) -> None:
    found = obtain(Lock((sdist, wheel), ()), cache, Silent())
    assert sorted(found) == ["include", "lib.so", "plain"]
    assert found["lib.so"].read_bytes() == b"a library" * 100
    assert found["plain"].read_bytes() == b"plain"
    headers = sorted(p for p in found["include"].rglob("*") if p.is_file())
    assert [p.relative_to(found["include"]).as_posix() for p in headers] == ["a.h", "deep/b.h"]
    for path in index.iterdir():
        path.unlink()
    assert obtain(Lock((sdist, wheel), ()), cache, Silent()) == found
    assert list((cache.root / "tmp").iterdir()) == []


def test_a_damaged_part_is_fetched_again(cache: Cache, sdist: Part) -> None:
    path = fetch(sdist, cache, Silent())
    path.write_bytes(b"x")
    with pytest.warns(UserWarning, match=r"boxlib-1.0.tar.gz has 1 bytes instead of"):
        assert fetch(sdist, cache, Silent()).read_bytes() != b"x"


def test_wrong_hash(cache: Cache, sdist: Part, index: Path) -> None:
    with (index / sdist.file).open("ab") as file:
        file.write(b"more")
    with pytest.raises(PartError) as caught:
        fetch(sdist, cache, Silent())
    text = str(caught.value)
    assert "boxlib-1.0.tar.gz is not the file that parts.lock pins: its SHA-256 is " in text
    assert f"expected {sdist.sha256}; the package index" in text
    assert cache.keys("parts") == []
    assert list((cache.root / "tmp").iterdir()) == []


def test_the_hash_is_checked_here_too(tmp_path: Path, sdist: Part) -> None:
    (tmp_path / "x").write_bytes(b"other")
    with pytest.raises(PartError, match=r"is not the file that parts.lock pins: its SHA-256 is "):
        verify(sdist, tmp_path / "x")


def test_missing_package(cache: Cache, sdist: Part) -> None:
    with pytest.raises(PartError) as caught:
        fetch(replace(sdist, version="9.9"), cache, Silent())
    assert "the package index that pip uses has no boxlib 9.9. Use an index" in str(caught.value)
    assert "set PIP_FIND_LINKS to it" in str(caught.value)


def test_no_network(cache: Cache, sdist: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(PartError) as caught:
        fetch(sdist, cache, Silent())
    assert "boxlib 1.0 could not be fetched: the package index cannot be reached" in str(
        caught.value
    )
    assert cache.keys("parts") == []


def fake_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(path))


def test_no_pip(cache: Cache, sdist: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_python(tmp_path, monkeypatch, f'exec {sys.executable} -I -S "$@"')
    with pytest.raises(PartError, match="lacks; run: python -m ensurepip --upgrade"):
        fetch(sdist, cache, Silent())


def test_disk_full_in_pip(
    cache: Cache, sdist: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_python(tmp_path, monkeypatch, 'echo "OSError: [Errno 28] No space left on device"; exit 1')
    with pytest.raises(CacheError) as caught:
        fetch(sdist, cache, Silent())
    assert f"the disk of the cache folder {cache.root} ran full while fetching" in str(caught.value)


def test_other_failures_of_pip(
    cache: Cache, sdist: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_python(tmp_path, monkeypatch, "echo first; echo 'ERROR: odd' >&2; exit 1")
    with pytest.raises(PartError, match=r"pip could not fetch boxlib 1.0:\n  first\n  ERROR: odd"):
        fetch(sdist, cache, Silent())
    fake_python(tmp_path, monkeypatch, "exit 0")
    with pytest.raises(PartError, match=r"nothing for boxlib 1.0, but parts.lock names"):
        fetch(sdist, cache, Silent())


def test_members_that_are_not_there(cache: Cache, sdist: Part, wheel: Part) -> None:
    odd = replace(sdist, members=(("x", "boxlib-1.0/none"),))
    with pytest.raises(PartError, match=r"boxlib-1\.0\.tar\.gz has no member boxlib-1\.0/none"):
        unpack(odd, cache, Silent())
    odd = replace(wheel, members=(("x", "box/none/"),))
    with pytest.raises(PartError, match=r"has no folder box/none/, which parts.lock names"):
        unpack(odd, cache, Silent())


def test_unsafe_member_names(cache: Cache, index: Path) -> None:
    files = {"box/inc/../../../evil": b"E"}
    path = make_wheel(index / "boxheaders-2.0-py3-none-any.whl", files)
    part = part_of(path, "boxheaders", "2.0", {"include": "box/inc/"})
    with pytest.raises(PartError, match=r"has an unsafe member name: 'box/inc/../../../evil'"):
        unpack(part, cache, Silent())


def test_archives_that_are_broken(cache: Cache, index: Path, sdist: Part) -> None:
    odd = replace(sdist, members=(("x.so", "boxlib-1.0/setup.py"),))
    unpack(odd, cache, Silent())
    path = make_tar(
        index / "boxlib-1.0.tar.gz",
        {
            "boxlib-1.0/pyproject.toml": PYPROJECT,
            "boxlib-1.0/PKG-INFO": b"x",
            "boxlib-1.0/x.zst": b"no zstd",
        },
    )
    odd = part_of(path, "boxlib", "1.0", {"x": "boxlib-1.0/x.zst"})
    with pytest.raises(PartError, match=r"x\.zst cannot be decompressed"):
        unpack(odd, cache, Silent())


def test_the_lock_is_sound() -> None:
    lock = load_lock()
    assert [part.name for part in lock.parts] == ["cpython", "headers", "tzdata"]
    assert lock.part("cpython").package == "pyeryx"
    for part in lock.parts:
        assert part.licence and part.use and part.size > 0 and len(part.sha256) == 64
        assert part.version in part.file
    with pytest.raises(PartError, match=r"parts.lock has no part 'x'; it has: cpython, headers"):
        lock.part("x")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("version = 2\n", "version is 2, this coilbox reads version 1"),
        ("version = 1\ntool = []\n[[part]]\nname = 'x'\n", "a part lacks 'package'"),
        ("version = \n", "Invalid value"),
    ],
)
def test_locks_that_are_wrong(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "parts.lock"
    path.write_text(text)
    with pytest.raises(PartError, match=words):
        load_lock(path)
    with pytest.raises(PartError, match="cannot be read: No such file or directory; install"):
        load_lock(tmp_path / "none")
