"""The images in the cache: opened by name, built when missing, listed, verified, pruned."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from coilbox.errors import ImageError, UsageError
from coilbox.images.image import Image
from coilbox.images.recipe import recipe_key
from coilbox.support.cache import MANIFEST, Cache, check
from coilbox.support.resources import configs

if TYPE_CHECKING:
    from coilbox.support.progress import Progress

KIND = "images"
_KEY = re.compile(r"[0-9a-f]{6,64}")
# What builds leave beside images, made again when needed. Steps only serve to resume a build.
_STEPS, _FETCHED = "steps", ("members", "parts")
_COMPILED = ("compiled", "native", "native-runtime", "guest-modules")
_PROFILES = "native-profile"

_opened: dict[tuple[str, str], Image] = {}
_opening = threading.Lock()


def open_image(name: str | os.PathLike[str] | None = None) -> Image:
    """The image of that name, built now if it never was; opened once in a process.

    Args:
        name: a guest build's name (None: ``default``) or YAML file, an image's folder, or its key
            (six digits of it are enough).

    Raises:
        ImageError: there is no such image, or it is damaged or of another version.
        BuildError: it had to be built and could not be.
        CacheError: the cache cannot be used.
        UsageError: ``name`` is no name.
    """
    if name is None:
        name = "default"
    elif not isinstance(name, str | os.PathLike):
        raise UsageError(f"image must be an Image, a name or a path, not {type(name).__name__}")
    wanted = os.fspath(name)
    # The environment is part of the name: a changed COILBOX_CACHE is another store.
    known = (wanted, os.environ.get("COILBOX_CACHE", ""))
    image = _opened.get(known)
    if image is None:
        with _opening:
            image = _opened.get(known)
            if image is None:
                image = _opened[known] = ImageStore().open(wanted)
    return image


class ImageStore:
    """The images of one cache."""

    def __init__(self, cache: Cache | None = None) -> None:
        self.cache = cache if cache is not None else Cache()

    def open(self, name: str = "default", progress: Progress | None = None) -> Image:
        """Open an image; see :func:`open_image`."""
        path = Path(name)
        if (path / MANIFEST).is_file():
            return Image.from_folder(path.absolute(), self.cache)
        config = self.config(name)
        if config is not None:
            return self.ensure(config, progress=progress)
        keys = self._matching(name) if _KEY.fullmatch(name) else []
        if len(keys) > 1:
            raise ImageError(f"several images begin with {name}: give more digits")
        if not keys:
            raise ImageError(f"there is no image or guest build {name!r}; {self._choices()}")
        entry = self.cache.get(KIND, keys[0])
        if entry is None:
            raise ImageError(f"image {keys[0]} is damaged; remove it with: coilbox image prune")
        return Image(keys[0][:12], entry, self.cache)

    def ensure(
        self,
        config: Path,
        *,
        hash_seed: int | None = None,
        force: bool = False,
        progress: Progress | None = None,
    ) -> Image:
        """The image of a guest build, built if it is missing or damaged.

        Args:
            config: the guest build's YAML file.
            hash_seed: the seed of string hashes; None is random for each build.
            force: build it even if it is there.
            progress: where the build shows itself; None chooses by what stderr is.

        Raises:
            BuildError: it could not be built.
            PartError: a part could not be fetched.
            CacheError: the cache cannot be used.
        """
        key = recipe_key(config, hash_seed)
        entry = None if force else self.cache.get(KIND, key)
        if entry is None:
            from coilbox.support.progress import progress_for
            from coilbox_guest.build import build_image

            build_image(
                config,
                hash_seed=hash_seed,
                cache=self.cache,
                progress=progress or progress_for(),
                force=force,
            )
            entry = self.cache.get(KIND, key)
            if entry is None:
                raise ImageError(f"image {key} was built and is gone again; build it once more")
        return Image(config.stem, entry, self.cache)

    def config(self, name: str) -> Path | None:
        """The guest build file of that name or path, if there is one."""
        if name.endswith((".yaml", ".yml")):
            path = Path(name).absolute()
            if not path.is_file():
                raise ImageError(f"there is no guest build file {name}")
            return path
        if re.fullmatch(r"[A-Za-z0-9_-]+", name):
            path = configs() / "guest" / f"{name}.yaml"
            return path if path.is_file() else None
        return None

    def images(self) -> list[Image]:
        """All sound images of this version, the last used first; ``verify`` tells of the others."""
        found = []
        for key in sorted(self._keys(), key=self._last_used, reverse=True):
            with contextlib.suppress(ImageError):
                found.append(Image.from_folder(self.cache.path(KIND, key), self.cache, key[:12]))
        return found

    def verify(self) -> dict[str, str | None]:
        """Hash every file of every image: for each key what is wrong, None if nothing is."""
        result: dict[str, str | None] = {}
        for key in self._keys():
            path = self.cache.path(KIND, key)
            result[key] = check(path, full=True)
            if result[key] is None:
                try:
                    Image.from_folder(path, self.cache)
                except ImageError as error:
                    result[key] = str(error)
        return result

    def prune(
        self, *, days: float = 30, compiled: bool = False, everything: bool = False
    ) -> tuple[list[str], int]:
        """Remove what is not needed: damaged images, and what was not used for some days.

        The images of the shipped guest builds stay as long as their recipes are what they are now.

        Args:
            days: how many days unused images and compiled code are kept.
            compiled: remove all compiled code.
            everything: remove all images, compiled code and fetched parts.

        Returns:
            What was removed, as ``kind/key``, and its bytes on disk.
        """
        current = {recipe_key(path) for path in (configs() / "guest").glob("*.yaml")}
        old = time.time() - days * 24 * 3600
        doomed = [(_STEPS, key) for key in self.cache.keys(_STEPS)]
        for key, damage in self.verify().items():
            if everything or damage or (self._last_used(key) < old and key not in current):
                doomed.append((KIND, key))
        for kind in (*_COMPILED, _PROFILES):
            always = everything or (compiled and kind in _COMPILED)
            for key in self.cache.keys(kind):
                if always or self.cache.last_used(kind, key) < old:
                    doomed.append((kind, key))
        if compiled or everything:
            shutil.rmtree(self.cache.root / "zig", ignore_errors=True)  # the compiler's own cache
        if everything:
            doomed += [(kind, key) for kind in _FETCHED for key in self.cache.keys(kind)]
            with self.cache.lock("link"):
                shutil.rmtree(self.cache.root / "work", ignore_errors=True)  # zig's libc
        freed = 0
        for kind, key in doomed:
            freed += _bytes_on_disk(self.cache.path(kind, key))
            self.cache.remove(kind, key)
        self.cache.clean()
        return [f"{kind}/{key}" for kind, key in doomed], freed

    def _keys(self) -> Iterable[str]:
        return self.cache.keys(KIND)

    def _last_used(self, key: str) -> float:
        return self.cache.last_used(KIND, key)

    def _matching(self, start: str) -> list[str]:
        return [key for key in self._keys() if key.startswith(start)]

    def _choices(self) -> str:
        builds = sorted(path.stem for path in (configs() / "guest").glob("*.yaml"))
        images = [key[:12] for key in self._keys()]
        return (
            f"guest builds: {', '.join(builds)}; images in {self.cache.root}: "
            f"{', '.join(images) or 'none'}"
        )


def _bytes_on_disk(path: Path) -> int:
    total = 0
    with contextlib.suppress(FileNotFoundError):  # another process removes the same
        for file in path.rglob("*"):
            total += file.stat().st_size if file.is_file() else 0
    return total
