"""Errors of the disk below the cache, as errors that say what to do."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from coilbox.errors import CacheError

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
_NOT_USABLE = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.ENOENT,
    errno.ELOOP,
    errno.ENAMETOOLONG,
}


def check_room(root: Path, need: int) -> None:
    """Refuse to begin what the disk has no room for.

    Args:
        root: the cache folder.
        need: bytes that are going to be written.

    Raises:
        CacheError: there is less room.
    """
    if shutil.disk_usage(root).free < need:
        raise CacheError(_full_text(root, need))


@contextlib.contextmanager
def room_for(root: Path, need: int) -> Iterator[None]:
    """Explain a full disk in the block; other errors pass.

    Args:
        root: the cache folder.
        need: bytes that the block writes; 0 if nobody knows.

    Raises:
        CacheError: the disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise CacheError(_full_text(root, need)) from error
        raise


@contextlib.contextmanager
def explained(root: Path, need: int = 0) -> Iterator[None]:
    """Explain in the block that the cache folder cannot be written, or that its disk is full.

    Args:
        root: the cache folder.
        need: bytes that the block writes; 0 if nobody knows.

    Raises:
        CacheError: one of both.
    """
    try:
        with room_for(root, need):
            yield
    except OSError as error:
        if error.errno in _NOT_USABLE:
            raise CacheError(
                f"the cache folder {root} cannot be written: {error.strerror} ({error.filename}); "
                "set COILBOX_CACHE to a folder of your own"
            ) from error
        raise


def _full_text(root: Path, need: int) -> str:
    free = shutil.disk_usage(root).free
    wanted = f"{need / 1e6:.0f} MB are needed" if need else "more is needed"
    return (
        f"the disk of the cache folder {root} is full: {wanted}, {free / 1e6:.1f} MB are free; "
        "free some space (coilbox image prune), or set COILBOX_CACHE to a folder on another disk"
    )
