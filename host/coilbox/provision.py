"""Images by name: found in the cache, and built if they are missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from coilbox.errors import ImageError, UsageError
from coilbox.images.image import Image
from coilbox.images.names import Reference, check_name, give_name, is_path, lock_path
from coilbox.images.package_build import name_for, write_package_build
from coilbox.images.store import ImageStore
from coilbox.support.checks import checked_path
from coilbox.support.locks import ForkSafeLock
from coilbox.support.resources import guest_builder
from coilbox.support.sources import check_unchanged

if TYPE_CHECKING:
    from coilbox.support.progress import Progress

_opened: dict[tuple[str, str], Image] = {}
_opening = ForkSafeLock()


def open_image(name: str | os.PathLike[str] | None = None) -> Image:
    """An image by any word for it, built now if it never was; opened once in a process.

    Args:
        name: a name that an image was built with, a guest build that comes with coilbox (None:
            ``default``), a guest build's YAML file, an image's folder (with a slash), or its key
            (six digits of it are enough).

    Raises:
        ImageError: there is no such image, or it is damaged or of another version.
        BuildError: it had to be built and could not be.
        CacheError: the cache cannot be used.
        UsageError: ``name`` is no name.
    """
    if name is not None and not isinstance(name, str | os.PathLike):
        raise UsageError(f"image must be an Image, a name or a path, not {type(name).__name__}")
    word = "default" if name is None else checked_path(name, "image")
    if isinstance(name, os.PathLike) and not is_path(word):
        word = os.path.join(".", word)  # noqa: PTH118 - a Path drops the point
    # Known by what it is: a relative path is another one after chdir(), and a changed
    # COILBOX_CACHE is another store.
    place = os.path.abspath(word) if is_path(word) else word  # noqa: PTH100 - keeps links
    known = (place, os.environ.get("COILBOX_CACHE", ""))
    image = _opened.get(known)
    if image is None:
        with _opening:
            image = _opened.get(known)
            if image is None:
                store = ImageStore()
                reference = store.resolve(word)
                image = store.find(reference) or _build(store, reference, force=False)
                _opened[known] = image
    return image


def build_image(
    word: str = "default",
    *,
    name: str | None = None,
    hash_seed: int | None = None,
    force: bool = False,
    packages: Sequence[str] = (),
    lock: Path | None = None,
    locked: bool = False,
    store: ImageStore | None = None,
    progress: Progress | None = None,
) -> Image:
    """The image of a guest build, built if it is missing or damaged.

    Args:
        word: a guest build, or any word for an image; what is no guest build must be there.
        name: what the image is called from now on.
        hash_seed: the seed of string hashes; None is random for each build.
        force: build it even if it is there.
        packages: packages to add to the build, as pip takes them, or files of wheels. The image
            is then named after them if ``name`` is None.
        lock: the lock file of ``packages``: read if it is there, written otherwise.
        locked: refuse to resolve packages anew.
        store: where the image goes; the user's cache if None.
        progress: where the build shows itself; None chooses by what stderr is.

    Raises:
        UsageError: ``name`` cannot be a name, or there is nothing to build the image from.
        ImageError: ``word`` means nothing.
        BuildError: the image could not be built.
        PartError: a part could not be fetched.
        PackageError: a package cannot be had for the guest.
        CacheError: the cache cannot be used.
    """
    if packages and name is None:
        name = name_for(packages)
    if name is not None:
        check_name(name)
    store = store or ImageStore()
    reference = store.resolve(word)
    if packages and name is not None:
        path = write_package_build(reference, name, packages, lock, store.cache)
        reference = Reference(name, build=path)
    build = reference.build
    if build is None:
        if force or name is not None or hash_seed is not None:
            raise UsageError(f"{word!r} is an image and no guest build, so it cannot be built")
        return store.open(word)
    if reference.is_given:
        name = name or reference.name
        hash_seed = reference.hash_seed if hash_seed is None else hash_seed
        if not build.is_file():
            raise ImageError(f"image {word} was built from {build}, and that file is gone")
    wanted = Reference(name or reference.name, build=build, hash_seed=hash_seed)
    image = None if force else store.find(wanted)
    if image is None:
        image = _build(store, wanted, force=force, locked=locked, progress=progress)
    if packages and lock is not None:
        shutil.copyfile(lock_path(build), lock)
    if name is not None:
        give_name(name, image.key, build, hash_seed, store.cache)
    return image


def _build(
    store: ImageStore,
    reference: Reference,
    *,
    force: bool,
    locked: bool = False,
    progress: Progress | None = None,
) -> Image:
    from coilbox.support.progress import progress_for
    from coilbox_guest import build

    assert isinstance(reference.build, Path)
    check_unchanged((guest_builder(), Path(__file__).parent / "wasm"))
    build.build_image(
        reference.build,
        hash_seed=reference.hash_seed,
        cache=store.cache,
        progress=progress or progress_for(),
        force=force,
        locked=locked,
    )
    image = store.find(reference)
    if image is None:
        raise ImageError(f"image {reference.name} was built and is gone again; build it once more")
    return image
