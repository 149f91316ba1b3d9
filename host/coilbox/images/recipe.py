"""The key of an image: a digest of all that it is made from.

Computed at every start without importing the builder, so it reads files and nothing more.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from coilbox.resources import guest_builder

_SOURCES = {".c", ".h", ".lock", ".py", ".toml", ".yaml"}
# The native engine's compiler works on finished images.
_NO_PART = {"__pycache__", "native"}
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


def _files(config: Path) -> list[tuple[str, Path]]:
    """Every file of the recipe, under a name that does not depend on where it lies."""
    root = guest_builder()
    found = [
        (path.relative_to(root).as_posix(), path)
        for path in root.rglob("*")
        if path.suffix in _SOURCES and not _NO_PART.intersection(path.relative_to(root).parts)
    ]
    found.sort()
    found.append(("config", config))
    if any(word in config.read_bytes() for word in _NAMES_FILES):
        from coilbox_guest.config import load_config

        extra = load_config(config).files()
        found += [(f"file {number}", path) for number, path in enumerate(extra)]
    return found
