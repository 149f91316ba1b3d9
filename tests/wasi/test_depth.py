"""Directories lie in one another only so deep that programs of the host can remove them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from coilbox.wasi import constants as c
from coilbox.wasi.vfs.node import MAX_DEPTH

from .conftest import PATH2


def pile(guest: Any, name: str, height: int) -> str:
    """A directory ``w/name`` with ``height - 1`` below one another in it; the lowest."""
    path = f"w/{name}"
    for _ in range(height):
        assert guest.mkdir(path) == 0
        path += "/x"
    return path[:-2]


def depth_of(folder: Path) -> int:
    return max(path.count(os.sep) for path, _, _ in os.walk(folder)) - str(folder).count(os.sep)


def test_piles_are_not_moved_into_one_another_without_end(writable: Any, tmp_path: Path) -> None:
    bottom = pile(writable, "a", 100)
    pile(writable, "b", 20)
    assert writable.rename("w/b", bottom + "/x") == 0
    pile(writable, "c", 20)
    assert writable.rename("w/c", bottom + "/y") == 0
    pile(writable, "d", 29)
    assert writable.rename("w/d", bottom + "/z") == c.ENAMETOOLONG
    assert writable.mkdir("w/e") == 0
    assert writable.rename("w/a", "w/e/a") == 0
    assert writable.rename("w/e/a", "w/a") == 0
    pile(writable, "f", 10)
    assert writable.rename("w/a", "w/f/" + "x/" * 8 + "x") in (c.ENOTEMPTY, c.ENAMETOOLONG)
    assert writable.rename("w/a", "w/f/" + "x/" * 9 + "a") == c.ENAMETOOLONG
    if (tmp_path / "w").exists():
        assert depth_of(tmp_path / "w") == 120
        shutil.rmtree(tmp_path / "w")


def test_relative_paths_do_not_lead_deeper(writable: Any, tmp_path: Path) -> None:
    directory = writable.open("w", oflags=c.O_DIRECTORY)
    for _ in range(MAX_DEPTH):
        assert writable.path("path_create_directory", b"x" * 255, directory) == 0
        directory = writable.open(b"x" * 255, dirfd=directory, oflags=c.O_DIRECTORY)
        assert directory > 0
    assert writable.path("path_create_directory", b"x", directory) == c.ENAMETOOLONG
    assert writable.mkdir("w/empty") == 0
    moved = writable.call(
        "path_rename", 3, *writable.put("w/empty"), directory, *writable.put("x", PATH2)
    )
    assert moved == c.ENAMETOOLONG
    writable.wasi.table.close()
    if (tmp_path / "w").exists():
        shutil.rmtree(tmp_path / "w")


def test_what_takes_too_long_to_look_through_is_copied(
    writable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert writable.mkdir("w/many") == writable.mkdir("w/to") == 0
    for index in range(30):
        assert writable.mkdir(f"w/many/{index}") == 0
    monkeypatch.setattr("coilbox.wasi.vfs.depth._LOOKS", 400)
    assert writable.rename("w/many", "w/to/many") == c.EXDEV
    assert writable.rename("w/many", "w/other") == 0  # not deeper: nothing to look at
    monkeypatch.setattr("coilbox.wasi.vfs.depth._LOOKS", 600)
    assert writable.rename("w/other", "w/to/many") == 0
    assert writable.stat("w/to/many/29").filetype == c.TYPE_DIRECTORY


def test_links_and_files_are_moved_as_they_are(writable: Any) -> None:
    bottom = pile(writable, "a", 100)
    pile(writable, "b", 100)
    assert writable.symlink("b", "w/link") == 0
    assert writable.rename("w/link", bottom + "/link") == 0
    writable.create("w/file")
    assert writable.rename("w/file", bottom + "/file") == 0


def test_what_the_host_moved_out_of_the_mount_is_not_made_deeper(
    rw: Any, host: Path, tmp_path: Path
) -> None:
    inside = rw.open("data/sub", oflags=c.O_DIRECTORY)
    (host / "sub").rename(tmp_path / "sub")
    assert rw.path("path_create_directory", "new", inside) == c.ENAMETOOLONG
    assert not (tmp_path / "sub" / "new").exists()
