"""From locked packages to what an image is built of: libraries to link and files to lay beside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coilbox.errors import PackageError
from coilbox.support.cache import Cache, key_of, sha256_file
from coilbox.support.progress import Progress
from coilbox.support.sources import source_digest, source_files
from coilbox_guest.link import SharedLibrary
from coilbox_guest.packages import emscripten
from coilbox_guest.packages.resolve import ResolvedPackage
from coilbox_guest.packages.wheel import licence_of, read_wheel
from coilbox_guest.parts.fetch import fetch
from coilbox_guest.parts.lock import Part
from coilbox_guest.stdlib import unzipped, zip_bytes

KIND = "packages"
_SITE = "site.zip"
# What the adapted libraries depend on, beside the wheel: the adapting code.
_SOURCES = (Path(__file__).parent, Path(__file__).parents[1] / "link")


@dataclass(frozen=True, slots=True)
class ExtensionModule:
    """A C extension module that is linked into the guest.

    Attributes:
        name: its import name.
        init: the exported name of its init function.
        library: what is linked.
    """

    name: str
    init: str
    library: SharedLibrary


@dataclass(frozen=True, slots=True)
class PreparedPackage:
    """A package of the guest.

    Attributes:
        pinned: which it is.
        key: its key in the cache.
        licence: an SPDX expression, or what its metadata says.
        files: contents by path below ``site-packages``.
        modules: its extension modules.
    """

    pinned: ResolvedPackage
    key: str
    licence: str
    files: Mapping[str, bytes]
    modules: tuple[ExtensionModule, ...]

    @property
    def component(self) -> Part:
        """The package as a part of the guest, for the bill of materials."""
        pinned = self.pinned
        return Part(
            name=pinned.package,
            package=pinned.package,
            version=pinned.version,
            file=pinned.file,
            size=pinned.size,
            sha256=pinned.sha256,
            licence=self.licence,
            use="a package of the guest build",
            members=(),
            components=(),
        )


def prepare(
    packages: Iterable[ResolvedPackage], cache: Cache, progress: Progress
) -> tuple[PreparedPackage, ...]:
    """Fetch packages and make them fit the guest; each is cached by what it is made from.

    Raises:
        PartError: one could not be fetched, or is another file than pinned.
        PackageError: one needs what the guest lacks.
        CacheError: the cache cannot be used.
    """
    prepared = tuple(_prepare(package, cache, progress) for package in packages)
    _refuse_overlaps(prepared)
    return prepared


def prepare_pure(
    packages: Iterable[ResolvedPackage], cache: Cache, progress: Progress
) -> tuple[PreparedPackage, ...]:
    """Fetch packages that need not be linked.

    Raises:
        PartError: one could not be fetched, or is another file than pinned.
        PackageError: one has compiled code.
        CacheError: the cache cannot be used.
    """
    return tuple(_prepare(package, cache, progress, pure=True) for package in packages)


def _prepare(
    package: ResolvedPackage, cache: Cache, progress: Progress, *, pure: bool = False
) -> PreparedPackage:
    what = f"{package.package} {package.version}"

    def fill(folder: Path) -> dict[str, Any]:
        path = _file(package, cache, progress)
        with progress.task(f"Preparing {what}"):
            content = read_wheel(path)
            if pure:
                _refuse_compiled(package, content.modules)
            (folder / _SITE).write_bytes(zip_bytes(content.files))
            for number, (name, data) in enumerate(sorted(content.modules.items())):
                library = emscripten.adapt(data, name, what)
                (folder / f"{number}.wasm").write_bytes(library.data)
        return {"licence": licence_of(content), "modules": sorted(content.modules)}

    digest = source_digest(item for path in _SOURCES for item in source_files(path, path.name))
    key = key_of("package", package.sha256, digest)
    entry = cache.ensure(KIND, key, fill, progress=progress)
    if pure:
        _refuse_compiled(package, entry.manifest["modules"])
    modules = []
    for number, name in enumerate(entry.manifest["modules"]):
        library = SharedLibrary(f"{what}: {name}", entry.file(f"{number}.wasm").read_bytes())
        modules.append(ExtensionModule(name, emscripten.init_name(name), library))
    licence = entry.manifest["licence"]
    files = unzipped(entry.file(_SITE))
    return PreparedPackage(package, key, licence, files, tuple(modules))


def _refuse_compiled(package: ResolvedPackage, modules: Iterable[str]) -> None:
    """Raise PackageError if the package has compiled modules."""
    for name in modules:
        raise PackageError(
            f"{package.package} {package.version} has compiled code ({name} in {package.file}), "
            "which has to be linked into an image: coilbox image build --with "
            f"{package.package}"
        )


def _file(package: ResolvedPackage, cache: Cache, progress: Progress) -> Path:
    if not package.location:
        return fetch(package, cache, progress)
    path = Path(package.location)
    if not path.is_file():
        raise PackageError(f"{package.package} {package.version}: there is no file {path}")
    if sha256_file(path) != package.sha256:
        raise PackageError(
            f"{path} is not the file that was locked; remove the lock file to take this one"
        )
    return path


def _refuse_overlaps(packages: Sequence[PreparedPackage]) -> None:
    """Raise PackageError if two packages bring the same file or module."""
    owners: dict[str, str] = {}
    for package in packages:
        for name in (*(module.name for module in package.modules), *package.files):
            other = owners.setdefault(name, package.pinned.package)
            if other != package.pinned.package:
                raise PackageError(f"{other} and {package.pinned.package} both bring {name}")
