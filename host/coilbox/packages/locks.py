"""The lock of a set of requirements, kept in the cache: resolved once, then offline."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from coilbox.support.cache import Cache, key_of, sha256_file
from coilbox.support.progress import Progress
from coilbox_guest.packages.lockfile import PackageLock, lock_text, read_lock
from coilbox_guest.packages.resolve import ResolvedPackage, resolve
from coilbox_guest.packages.target import MARKERS, PIP_OPTIONS

_KIND: Final = "package-locks"
_FILE: Final = "packages.lock"
# With another index there may be another answer; without a network there is the same.
_INDEX_VARIABLES: Final = (
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"),
    *("PIP_CONSTRAINT", "PIP_PRE", "PIP_CONFIG_FILE"),
)


def ensure_lock(
    requirements: Sequence[str], cache: Cache, progress: Progress, *, refresh: bool
) -> tuple[ResolvedPackage, ...]:
    """The wheels that fulfil the requirements; resolved now if they never were.

    Args:
        requirements: checked ones.
        cache: where the lock is kept.
        progress: shows that it works.
        refresh: resolve them anew.

    Raises:
        PackageError: packages cannot be had for the guest.
        CacheError: the cache cannot be used.
    """

    def fill(folder: Path) -> None:
        lock = PackageLock(tuple(requirements), resolve(requirements, progress))
        (folder / _FILE).write_text(lock_text(lock), encoding="utf-8")

    key = _key(requirements)
    if refresh:
        with cache.lock(f"{_KIND}-{key}", progress=progress):
            entry = cache.publish(_KIND, key, fill)
    else:
        entry = cache.ensure(_KIND, key, fill, progress=progress)
    return read_lock(entry.file(_FILE)).packages


def _key(requirements: Sequence[str]) -> str:
    # A wheel is what it holds.
    files = [sha256_file(Path(item)) for item in requirements if item.endswith(".whl")]
    settings = [[name, os.environ.get(name)] for name in _INDEX_VARIABLES]
    return key_of("package-lock", list(requirements), files, settings, MARKERS, PIP_OPTIONS)
