"""The words for an image: a name, a guest build that comes with coilbox, a key, a file, a folder.

A name is given when an image is built, and kept in the cache until it is given to another image.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from coilbox.errors import ImageError, UsageError
from coilbox.support.cache import MANIFEST, Cache
from coilbox.support.resources import configs

KIND = "names"
IMAGES = "images"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_KEY = re.compile(r"[0-9a-f]{6,64}")
BUILD_FILES = (".yaml", ".yml")
"""How the names of guest build files end."""


WHEEL = ".whl"
"""How the names of wheels end."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The meaning of a word for an image: a folder, a key, or a guest build.

    Attributes:
        name: what to call the image.
        folder: the folder of an image outside of the cache.
        key: the key of an image in the cache.
        build: the guest build file that the image is made from, if that is known.
        hash_seed: the seed of string hashes that it is built with; None is a random one.
        is_given: whether ``name`` is one that a user gave to a key.
    """

    name: str
    folder: Path | None = None
    key: str | None = None
    build: Path | None = None
    hash_seed: int | None = None
    is_given: bool = False


def shipped_builds() -> dict[str, Path]:
    """The guest builds that come with coilbox, by name."""
    return {path.stem: path for path in sorted((configs() / "guest").glob("*.yaml"))}


def lock_path(build: Path) -> Path:
    """The lock file of a guest build's packages: beside the guest build file."""
    return build.with_suffix(".lock")


def is_path(word: str) -> bool:
    """Whether a word for an image is the path of a file or folder."""
    return os.sep in word or word.endswith(BUILD_FILES)


def resolve(word: str, cache: Cache) -> Reference:
    """The meaning of a word for an image.

    A word with a slash is a folder, one that ends in ``.yaml`` a guest build file. Of all others
    a given name comes first, then a guest build that comes with coilbox, then a key.

    Raises:
        ImageError: nothing is called that; the message lists what is there.
    """
    path = Path(word).absolute()
    if word.endswith(BUILD_FILES):
        if not _is_file(path):
            raise ImageError(f"there is no guest build file {word}")
        return Reference(path.stem, build=path)
    if os.sep in word:
        if not _is_file(path / MANIFEST):
            raise ImageError(f"there is no image in the folder {word}: it has no {MANIFEST}")
        return Reference(path.name, folder=path)
    given = _given(word, cache)
    if given is not None:
        return given
    build = shipped_builds().get(word)
    if build is not None:
        return Reference(word, build=build)
    keys = [key for key in cache.keys(IMAGES) if key.startswith(word)]
    if not _KEY.fullmatch(word) or not keys:
        hint = f" (the folder is written ./{word})" if _is_file(path / MANIFEST) else ""
        raise ImageError(f"there is no image {word!r}{hint}; {_choices(cache)}")
    if len(keys) > 1:
        raise ImageError(f"several images begin with {word}: give more digits")
    return Reference(keys[0][:12], key=keys[0])


def check_name(name: str) -> None:
    """Refuse what cannot be given to an image as its name.

    Raises:
        UsageError: it is no name, or means something already.
    """
    if not _NAME.fullmatch(name) or name.endswith(BUILD_FILES):
        raise UsageError(
            f"{name!r} cannot name an image: a name has up to 100 letters, digits, '.', '_' and "
            "'-', begins with a letter or digit, and does not end in .yaml"
        )
    if _KEY.fullmatch(name):
        raise UsageError(f"{name!r} cannot name an image: it could be the start of a key")
    if name in shipped_builds():
        raise UsageError(f"{name!r} is a guest build that comes with coilbox; take another name")


def give_name(name: str, key: str, build: Path, hash_seed: int | None, cache: Cache) -> None:
    """Call an image in the cache by a name from now on.

    Args:
        name: the name; if another image had it, that image has it no more.
        key: the image's key.
        build: the guest build file that it was built from.
        hash_seed: the seed of string hashes that was asked for.
        cache: where the image is.

    Raises:
        UsageError: it cannot be a name.
        CacheError: the cache cannot be written.
    """
    check_name(name)
    record = {"image": key, "build": str(build), "hash_seed": hash_seed}
    with cache.lock(f"{KIND}-{name}"):
        cache.publish(KIND, name, lambda folder: record)


def given_names(cache: Cache) -> dict[str, str]:
    """The names that were given to images, with the images' keys."""
    found = {name: _given(name, cache) for name in cache.keys(KIND)}
    return {name: item.key for name, item in found.items() if item is not None and item.key}


def _given(word: str, cache: Cache) -> Reference | None:
    if not _NAME.fullmatch(word) or not cache.has(KIND, word):
        return None
    entry = cache.get(KIND, word)
    return None if entry is None else _reference(word, entry.manifest)


def _reference(name: str, record: Mapping[str, object]) -> Reference | None:
    match record:
        case {"image": str(key), "build": str(build), "hash_seed": int() | None as seed}:
            return Reference(name, key=key, build=Path(build), hash_seed=seed, is_given=True)
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a word that no file system takes for a path
        return False


def _choices(cache: Cache) -> str:
    names = sorted(given_names(cache))
    keys = [key[:12] for key in cache.keys(IMAGES)]
    return (
        f"names: {', '.join(names) or 'none'}; guest builds: {', '.join(shipped_builds())}; "
        f"images in {cache.root}: {', '.join(keys) or 'none'}"
    )
