"""From requirements to a folder that sandboxes import from."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from coilbox.errors import PackageError
from coilbox.images import Image
from coilbox.mounts import Mount
from coilbox.packages.requirements import checked_requirements
from coilbox.provision import open_image
from coilbox.session.requests import Request, call_request
from coilbox.support.cache import Cache, key_of

if TYPE_CHECKING:
    from coilbox.support.progress import Progress
    from coilbox_guest.packages.prepare import PreparedPackage
    from coilbox_guest.packages.resolve import ResolvedPackage

SITE_PACKAGES: Final = "/usr/local/lib/python3.14/site-packages"
"""Where the packages of a sandbox lie in the guest."""

_KIND: Final = "site-packages"
_SITE: Final = "site"
_FORMAT: Final = 1  # of the folder; another one makes it anew


@dataclass(frozen=True, slots=True)
class Packages:
    """Pure Python packages that sandboxes can import. Any number of sandboxes may share them.

    Attributes:
        folder: where they lie on this machine; in the cache, never changed; None if there are
            none.
        versions: the version of each package, with all that was needed besides, by name.
    """

    folder: Path | None
    versions: Mapping[str, str]

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """The folder as the guest sees it."""
        return () if self.folder is None else (Mount(self.folder, SITE_PACKAGES),)

    @property
    def prelude(self) -> tuple[Request, ...]:
        """Requests by which a guest finds them, behind the standard library."""
        if self.folder is None:
            return ()
        return (call_request("sys:path.append", [SITE_PACKAGES], {}),)


def open_packages(
    requirements: Iterable[str],
    image: Image | str | None = None,
    *,
    refresh: bool = False,
    progress: Progress | None = None,
) -> Packages:
    """Packages for ``Sandbox(packages=...)``, fetched and compiled now if they never were.

    pip resolves them for the guest, with all that they depend on. Wheels only are taken, so no code
    of a package runs on this machine. What was resolved once is kept, and needs no network again.

    Args:
        requirements: as pip takes them, such as ``networkx>=3``, or paths of wheels.
        image: the image whose Python will run them; the default image if None.
        refresh: resolve them anew, for newer versions.
        progress: where the work shows itself; None chooses by what stderr is.

    Raises:
        UsageError: a requirement is none.
        PackageError: a package cannot be had, or has compiled code.
        PartError: a package could not be fetched.
        CacheError: the cache cannot be used.
    """
    wanted = checked_requirements(requirements)
    if not wanted:
        return Packages(None, {})
    # What resolves and prepares is a part of the image builder, which takes long to import.
    from coilbox.packages.locks import ensure_lock
    from coilbox.support.progress import progress_for
    from coilbox_guest.packages.prepare import prepare_pure

    opened = image if isinstance(image, Image) else open_image(image)
    progress = progress or progress_for()
    cache = Cache()
    locked = ensure_lock(wanted, cache, progress, refresh=refresh)
    _refuse_compiled(locked, wanted)
    versions = {package.package: package.version for package in locked}
    digests = sorted([package.package, package.sha256] for package in locked)
    key = key_of("site-packages", digests, opened.digest, _FORMAT)

    def fill(folder: Path) -> dict[str, Any]:
        for package in prepare_pure(locked, cache, progress):
            _write(folder / _SITE, package, opened, progress)
        return {"versions": versions}

    entry = cache.ensure(_KIND, key, fill, progress=progress)
    return Packages(entry.path / _SITE, versions)


def _refuse_compiled(locked: Iterable[ResolvedPackage], wanted: Iterable[str]) -> None:
    """Raise PackageError if a package is not pure, before it is fetched."""
    for package in locked:
        if not package.file.endswith("-none-any.whl"):
            raise PackageError(
                f"{package.package} {package.version} has compiled code ({package.file}), which "
                f"has to be linked into an image: coilbox image build --with {shlex.join(wanted)}"
            )


def _write(folder: Path, package: PreparedPackage, image: Image, progress: Progress) -> None:
    from coilbox.packages.bytecode import compile_files

    what = package.pinned.package
    files = {**package.files}
    files |= compile_files(package.files, SITE_PACKAGES, image, what, progress)
    for name, data in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except (FileExistsError, IsADirectoryError, NotADirectoryError, ValueError) as error:
            raise PackageError(f"{what} cannot lie beside the others: {name!r}: {error}") from None
