"""The key of an image: a digest of all that it is made from.

Computed at every start without importing the builder, so it reads files and nothing more.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from coilbox.resources import guest_builder

_SOURCES = {".c", ".h", ".lock", ".py", ".toml", ".yaml"}
# The native engine's compiler works on finished images, the tail-call compiler if it is asked for.
_NO_PART = {"__pycache__", "native"}
_TAIL_CALLS = (b"tail-calls", "tailcall")
# A guest build that names files of its own spells one of these; only then is it parsed here.
_NAMES_FILES = (b"sources:", b"file:")


def recipe_key(config: Path, hash_seed: int | None = None) -> str:
    """The key of the image that a guest build file gives.

    Args:
        config: the guest build's YAML file.
        hash_seed: the seed asked for; None is a random one, and the key of that says nothing of
            it.

    Raises:
        OSError: a file cannot be read.
        ConfigError: the guest build names files and is wrong.
    """
    digest = hashlib.sha256()
    for name, path in _files(config):
        data = path.read_bytes()
        digest.update(f"{name}\0{len(data)}\0".encode())
        digest.update(data)
    digest.update(f"hash seed {'random' if hash_seed is None else hash_seed}".encode())
    return digest.hexdigest()


def _sources(folder: Path, prefix: str, skipped: set[str]) -> Iterator[tuple[str, Path]]:
    # os.scandir, because it tells folders from files without a system call for each.
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if entry.name not in skipped:
                    below = f"{prefix}{entry.name}/"
                    yield from _sources(Path(entry.path), below, skipped)
            elif os.path.splitext(entry.name)[1] in _SOURCES:  # noqa: PTH122 - half the time
                yield prefix + entry.name, Path(entry.path)


def _files(config: Path) -> list[tuple[str, Path]]:
    """Every file of the recipe, under a name that does not depend on where it lies."""
    root = guest_builder()
    text = config.read_bytes()
    skipped = _NO_PART if _TAIL_CALLS[0] in text else {*_NO_PART, _TAIL_CALLS[1]}
    found = sorted(_sources(root, "", skipped))
    found.append(("config", config))
    if any(word in text for word in _NAMES_FILES):
        from coilbox_guest.config import load_config

        extra = load_config(config).files()
        found += [(f"file {number}", path) for number, path in enumerate(extra)]
    return found
