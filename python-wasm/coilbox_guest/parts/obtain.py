"""Fetching all parts and unpacking their members."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

import zstandard

from coilbox.errors import PartError
from coilbox.support.cache import Cache, key_of
from coilbox.support.progress import Progress
from coilbox_guest.parts.fetch import fetch
from coilbox_guest.parts.lock import Lock, Part

# The largest member is 13 MB; an archive that unpacks to far more is not what was pinned.
MAX_MEMBER_BYTES = 100_000_000


def obtain(lock: Lock, cache: Cache, progress: Progress) -> dict[str, Path]:
    """Fetch, verify and unpack all parts, two at a time.

    Returns:
        For each member name in ``parts.lock`` the file or folder that holds it.

    Raises:
        PartError: a part could not be fetched, or is not what ``parts.lock`` says.
        CacheError: the disk is full.
    """
    with ThreadPoolExecutor(2) as pool:
        unpacked = list(pool.map(lambda part: unpack(part, cache, progress), lock.parts))
    return {name: path for members in unpacked for name, path in members.items()}


def unpack(part: Part, cache: Cache, progress: Progress) -> dict[str, Path]:
    """Fetch a part and unpack its members; see :func:`obtain`."""

    def fill(folder: Path) -> None:
        archive = fetch(part, cache, progress)
        for name, member in part.members:
            if member.endswith("/"):
                _unpack_folder(part, archive, member, folder / name)
            else:
                (folder / name).write_bytes(_read_member(part, archive, member))

    key = key_of(part.sha256, part.members)
    entry = cache.ensure("members", key, fill, need=8 * part.size, progress=progress)
    return {name: entry.path / name for name, _ in part.members}


def _read_member(part: Part, archive: Path, member: str) -> bytes:
    with _open_archive(part, archive) as (names, read):
        if member not in names:
            raise PartError(f"{part.file} has no member {member}, which parts.lock names")
        data = read(member)
    if not member.endswith(".zst"):
        return data
    try:
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=MAX_MEMBER_BYTES)
    except zstandard.ZstdError as error:
        raise PartError(f"{part.file}: {member} cannot be decompressed: {error}") from None


def _unpack_folder(part: Part, archive: Path, member: str, target: Path) -> None:
    with _open_archive(part, archive) as (names, read):
        inside = [name for name in names if name.startswith(member) and not name.endswith("/")]
        if not inside:
            raise PartError(f"{part.file} has no folder {member}, which parts.lock names")
        for name in inside:
            relative = PurePosixPath(name[len(member) :])
            if relative.is_absolute() or ".." in relative.parts:
                raise PartError(f"{part.file} has an unsafe member name: {name!r}")
            path = target / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(read(name))


@contextmanager
def _open_archive(part: Part, path: Path) -> Iterator[tuple[list[str], Callable[[str], bytes]]]:
    """The names of an archive's regular files, and a function that reads one of them."""
    try:
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:

                def read_zip(name: str) -> bytes:
                    with wheel.open(name) as file:
                        return _bounded(part, name, file)

                yield wheel.namelist(), read_zip
        else:
            with tarfile.open(path) as tar:
                members = {member.name: member for member in tar if member.isreg()}

                def read_tar(name: str) -> bytes:
                    file = tar.extractfile(members[name])
                    assert file is not None  # only links and folders give None
                    return _bounded(part, name, file)

                yield list(members), read_tar
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error) as error:
        raise PartError(f"{part.file} cannot be unpacked: {error}") from error


def _bounded(part: Part, name: str, file: IO[bytes]) -> bytes:
    data = file.read(MAX_MEMBER_BYTES + 1)
    if len(data) > MAX_MEMBER_BYTES:
        raise PartError(f"{part.file}: {name} has more than {MAX_MEMBER_BYTES} bytes")
    return data
