"""Digests of coilbox's own sources: what is made from them is cached under these.

Read at every start, without importing what is read.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from coilbox.errors import SetupError

_STARTED = time.time()
# A file system's clock may differ a little, and steps more coarsely.
_SLACK_SECONDS = 2
_SUFFIXES = {".S", ".c", ".h", ".lock", ".py", ".toml", ".txt", ".yaml"}


def source_files(
    path: Path, prefix: str, skipped: Collection[str] = ()
) -> Iterator[tuple[str, Path]]:
    """The source files of a folder, at any depth, or one file.

    Args:
        path: the folder or file.
        prefix: what their names begin with; names do not depend on where the folder lies.
        skipped: names of folders that are left out.

    Yields:
        Each file's name and path, in no order.

    Raises:
        OSError: a folder cannot be read.
    """
    if not path.is_dir():
        yield prefix, path
        return
    # os.scandir, because it tells folders from files without a system call for each.
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir():
                if entry.name != "__pycache__" and entry.name not in skipped:
                    below = f"{prefix}/{entry.name}"
                    yield from source_files(Path(entry.path), below, skipped)
            elif os.path.splitext(entry.name)[1] in _SUFFIXES:  # noqa: PTH122 - half the time
                yield f"{prefix}/{entry.name}", Path(entry.path)


def source_digest(files: Iterable[tuple[str, Path]]) -> str:
    """SHA-256 of files with their names, in the order of the names.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for name, path in sorted(files):
        data = path.read_bytes()
        digest.update(f"{name}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()


def check_unchanged(paths: Iterable[Path]) -> None:
    """Check that files and folders of coilbox are those that this process started with.

    What is in memory may be older than a file that was replaced since. Both together would make,
    under a digest of the new files, what neither version makes.

    Raises:
        SetupError: one was replaced.
        OSError: one cannot be read.
    """
    for top in paths:
        for name, path in source_files(top, top.name):
            if path.stat().st_ctime > _STARTED + _SLACK_SECONDS:
                raise SetupError(
                    f"coilbox's file {name} was replaced while this process runs; start it anew"
                )
