"""The images in the cache: found by name, listed, verified, pruned."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from coilbox.errors import ImageError
from coilbox.images import names
from coilbox.images.image import Image
from coilbox.images.names import Reference, given_names, resolve, shipped_builds
from coilbox.images.recipe import recipe_key
from coilbox.support.cache import Cache, check
from coilbox.support.progress import Progress, progress_for

KIND = names.IMAGES
# What builds leave beside images, made again when needed. Steps only serve to resume a build.
_STEPS, _FETCHED = "steps", ("members", "packages", "parts")
_COMPILED = ("compiled", "native", "native-runtime", "guest-modules", "site-packages")
_KEPT = ("native-profile", "package-locks", names.KIND)


class ImageStore:
    """The images of one cache. Finds, checks and removes them; ``coilbox.provision`` builds."""

    def __init__(self, cache: Cache | None = None) -> None:
        self.cache = cache if cache is not None else Cache()

    def open(self, word: str = "default") -> Image:
        """An image by any word for it; see :func:`coilbox.provision.open_image`.

        Raises:
            ImageError: there is no such image, it is damaged, of another version, or not built.
        """
        reference = self.resolve(word)
        image = self.find(reference)
        if image is None:
            raise ImageError(f"image {word!r} is not built; run: {build_command(reference)}")
        return image

    def resolve(self, word: str) -> Reference:
        """The meaning of a word for an image.

        Raises:
            ImageError: nothing is called that; the message lists what is there.
        """
        return resolve(word, self.cache)

    def find(self, reference: Reference) -> Image | None:
        """The image that is meant; None if a guest build's was never built, or is damaged.

        Raises:
            ImageError: it is damaged and cannot be built again, or of another version.
        """
        if reference.folder is not None:
            return Image.from_folder(reference.folder, self.cache)
        if reference.key is not None:
            entry = self.cache.get(KIND, reference.key)
            if entry is None:
                raise ImageError(_lost(reference, self.cache.has(KIND, reference.key)))
        else:
            assert reference.build is not None
            key = recipe_key(reference.build, reference.hash_seed)
            entry = self.cache.get(KIND, key)
            if entry is None:
                return None
        return Image(reference.name, entry, self.cache)

    def names(self) -> dict[str, list[str]]:
        """The names of each image that has some, by key: given ones, and shipped guest builds."""
        found: dict[str, list[str]] = {}
        for name, path in shipped_builds().items():
            found.setdefault(recipe_key(path), []).append(name)
        for name, key in given_names(self.cache).items():
            found.setdefault(key, []).append(name)
        return found

    def images(self) -> list[Image]:
        """All sound images of this version, the last used first; ``verify`` tells of the others."""
        found = []
        for key in sorted(self._keys(), key=self._last_used, reverse=True):
            with contextlib.suppress(ImageError):
                found.append(Image.from_folder(self.cache.path(KIND, key), self.cache, key[:12]))
        return found

    def verify(self, progress: Progress | None = None) -> dict[str, str | None]:
        """Hash every file of every image: for each key what is wrong, None if nothing is.

        Args:
            progress: where the work is shown; on stderr if None.
        """
        keys = list(self._keys())
        with (progress or progress_for()).task("Checking images", len(keys)) as task:
            result: dict[str, str | None] = {}
            for key in keys:
                result[key] = self._damage(key)
                task.advance()
        return result

    def _damage(self, key: str) -> str | None:
        path = self.cache.path(KIND, key)
        damage = check(path, full=True)
        if damage is None:
            try:
                Image.from_folder(path, self.cache)
            except ImageError as error:
                return str(error)
        return damage

    def prune(
        self,
        *,
        days: float = 30,
        compiled: bool = False,
        everything: bool = False,
        progress: Progress | None = None,
    ) -> tuple[list[str], int]:
        """Remove what is not needed: damaged images, and what was not used for some days.

        The images of the shipped guest builds stay as long as their recipes are what they are now.

        Args:
            days: how many days unused images and compiled code are kept.
            compiled: remove all compiled code.
            everything: remove all images, compiled code and fetched parts.
            progress: where the work is shown; on stderr if None.

        Returns:
            What was removed, as ``kind/key``, and its bytes on disk.
        """
        progress = progress or progress_for()
        current = {recipe_key(path) for path in shipped_builds().values()}
        old = time.time() - days * 24 * 3600
        doomed = [(_STEPS, key) for key in self.cache.keys(_STEPS)]
        for key, damage in self.verify(progress).items():
            if everything or damage or (self._last_used(key) < old and key not in current):
                doomed.append((KIND, key))
        for kind in (*_COMPILED, *_KEPT):
            always = everything or (compiled and kind in _COMPILED)
            for key in self.cache.keys(kind):
                if always or self.cache.last_used(kind, key) < old:
                    doomed.append((kind, key))
        if compiled or everything:
            with self.cache.lock_if_free("zig") as free:
                if free:  # else a compiler that runs now needs it
                    shutil.rmtree(self.cache.root / "zig", ignore_errors=True)
        if everything:
            doomed += [(kind, key) for kind in _FETCHED for key in self.cache.keys(kind)]
            with self.cache.lock("link"):
                shutil.rmtree(self.cache.root / "work", ignore_errors=True)  # zig's libc
        freed = 0
        with progress.task("Removing what is not needed", len(doomed)) as task:
            for kind, key in doomed:
                freed += _bytes_on_disk(self.cache.path(kind, key))
                self.cache.remove(kind, key)
                task.advance()
            self.cache.clean()
        return [f"{kind}/{key}" for kind, key in doomed], freed

    def _keys(self) -> Iterable[str]:
        return self.cache.keys(KIND)

    def _last_used(self, key: str) -> float:
        return self.cache.last_used(KIND, key)


def build_command(reference: Reference) -> str:
    """The command that builds the image of a guest build."""
    words = ["coilbox", "image", "build"]
    if reference.is_given:
        words += [str(reference.build), "--name", reference.name]
    elif reference.name != "default":
        shipped = shipped_builds().get(reference.name) == reference.build
        words.append(reference.name if shipped else str(reference.build))
    if reference.hash_seed is not None:
        words += ["--hash-seed", str(reference.hash_seed)]
    return shlex.join(words)


def _lost(reference: Reference, is_there: bool) -> str:
    """The message for an image whose key is known and that cannot be opened."""
    what = "is damaged" if is_there else "is no longer in the cache"
    if reference.is_given:
        return f"image {reference.name} {what}; run: {build_command(reference)}"
    return f"image {reference.key} {what}; remove it with: coilbox image prune"


def _bytes_on_disk(path: Path) -> int:
    total = 0
    with contextlib.suppress(FileNotFoundError):  # another process removes the same
        for file in path.rglob("*"):
            total += file.stat().st_size if file.is_file() else 0
    return total
