"""The key of an image: a digest of all that it is made from.

Computed at every start without importing the builder, so it reads files and nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from coilbox.support.cache import key_of
from coilbox.support.resources import guest_builder
from coilbox.support.sources import source_digest, source_files

# The tail-call compiler is a part of an image that is built by it only.
_TAIL_CALLS = (b"tail-calls", "tailcall")
# A guest build that names files of its own spells one of these; only then is it parsed here.
_NAMES_FILES = (b"sources:", b"file:")
_HOST = Path(__file__).parents[1]
# What the builder takes from the host's package: the module's format, and the build file's.
_SHARED = ("wasm", "images/guest_build.py")


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
    seed = "random" if hash_seed is None else hash_seed
    return key_of("image", source_digest(_files(config)), seed)


def _files(config: Path) -> Iterator[tuple[str, Path]]:
    """Every file of the recipe, under a name that does not depend on where it lies."""
    text = config.read_bytes()
    skipped = () if _TAIL_CALLS[0] in text else (_TAIL_CALLS[1],)
    yield from source_files(guest_builder(), "guest", skipped)
    for name in _SHARED:
        yield from source_files(_HOST / name, f"host/{name}")
    yield "config", config
    if any(word in text for word in _NAMES_FILES):
        from coilbox.images.guest_build import load_config

        for number, path in enumerate(load_config(config).files()):
            yield f"file {number}", path
