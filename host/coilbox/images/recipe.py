"""The key of an image: a digest of all that it is made from.

Computed at every start without importing the builder, so it reads files and nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from coilbox.images.names import lock_path
from coilbox.support.cache import key_of
from coilbox.support.resources import guest_builder
from coilbox.support.sources import source_digest, source_files

# The tail-call compiler is a part of an image that is built by it only.
_TAIL_CALLS = "tail-calls", "tailcall"
# A guest build that takes other files spells one of these keys, or hides it behind an escape or an
# alias; only then is it parsed here.
_TAKES_FILES = re.compile(rb"(extends|sources|file)[\"']?\s*:|[\\&*]")
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
    others: list[Path] = []
    tail_calls = _TAIL_CALLS[0].encode() in text
    if _TAKES_FILES.search(text):
        from coilbox.images.guest_build import load_config

        build = load_config(config)
        tail_calls = _TAIL_CALLS[0] in build.passes
        others = [*build.bases, *build.files()]
    skipped = () if tail_calls else (_TAIL_CALLS[1],)
    yield from source_files(guest_builder(), "guest", skipped)
    for name in _SHARED:
        yield from source_files(_HOST / name, f"host/{name}")
    yield "config", config
    for number, path in enumerate(others):
        yield f"file {number}", path
    lock = lock_path(config)
    if lock.is_file():
        yield "packages", lock
