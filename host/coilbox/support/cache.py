"""The content-addressed cache on disk: parts, build steps, images, compiled code.

An entry is a folder ``<root>/<kind>/<key>/`` with files and a ``manifest.json`` that holds the size
and SHA-256 of each. It is filled under a temporary name and published by rename, so an entry is
there as a whole or not at all. Opening an entry checks it: by hash the first time, later by size,
inode and modification time as long as those stay what they were when the hashes were right.
A damaged entry counts as missing, with a warning, and the next ``publish`` replaces it.

The root is ``$COILBOX_CACHE``, else the user's cache folder of the platform. Compiled code is
loaded from it and run, so it must belong to this user, and nobody else may write to it or above.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coilbox.errors import CacheError
from coilbox.support.disk import check_room, explained, room_for
from coilbox.support.locks import LockFile, importing
from coilbox.support.ownership import check_private

if TYPE_CHECKING:
    from coilbox.support.progress import Progress

MANIFEST = "manifest.json"
_STAMP = ".verified"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_STALE_SECONDS = 24 * 3600
_NESTING = 100  # far more than what coilbox writes has, with the frames that read it


class CacheWarning(UserWarning):
    """A cache entry was damaged and is made again."""


def sha256(data: bytes | memoryview) -> str:
    """SHA-256 as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def key_of(*parts: object) -> str:
    """A key for what was made from ``parts`` (anything that JSON can hold)."""
    return sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode())


def cache_root() -> Path:
    """Where the cache is or will be: ``$COILBOX_CACHE``, else the platform's user cache folder.

    Raises:
        CacheError: ``$COILBOX_CACHE`` names the home folder of a user that is not there.
    """
    given = os.environ.get("COILBOX_CACHE")
    if given:
        try:
            return Path(given).expanduser().absolute()
        except RuntimeError:
            raise CacheError(
                f"COILBOX_CACHE is {given!r}, and there is no such user, or no home folder; set it "
                "to a folder of your own"
            ) from None
    with importing:
        from platformdirs import user_cache_path

    return user_cache_path("coilbox", appauthor=False)


def descriptor_path(descriptor: int) -> str:
    """A path that opens what a descriptor of this process has open."""
    return f"/proc/self/fd/{descriptor}" if sys.platform == "linux" else f"/dev/fd/{descriptor}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A published folder whose files are what its manifest says.

    Attributes:
        kind: what it is, such as ``images``.
        key: its name among its kind.
        path: the folder.
        manifest: what ``manifest.json`` holds.
    """

    kind: str
    key: str
    path: Path
    manifest: Mapping[str, Any]

    def file(self, name: str) -> Path:
        """Path of one of its files.

        Raises:
            KeyError: the entry has no such file.
        """
        if name not in self.manifest["files"]:
            raise KeyError(f"{self.kind}/{self.key} has no file {name!r}")
        return self.path / name

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def digest(self, name: str) -> str:
        """SHA-256 of one of its files, as hexadecimal digits."""
        return str(self.manifest["files"][name]["sha256"])

    def open(self, name: str) -> int:
        """A descriptor of one of its files, hashed now: what it holds is what the manifest says.

        For code that is going to be mapped: hashing a path and then mapping the path would leave
        room to exchange the file in between. Map ``descriptor_path`` of the result.

        Raises:
            CacheError: the file was exchanged or damaged, or cannot be read.
        """
        path = self.file(name)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise CacheError(f"{path} cannot be read: {error.strerror}") from None
        try:
            with open(descriptor, "rb", closefd=False) as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != self.digest(name):
                raise CacheError(f"{path} is not the file that was made: its SHA-256 is wrong")
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(int(file["bytes"]) for file in self.manifest["files"].values())


class Cache:
    """A cache folder. Any number of threads and processes may use one at once."""

    def __init__(self, root: Path | None = None) -> None:
        """Open the cache, making its folder if it is not there.

        Raises:
            CacheError: the folder cannot be made, or others than this user could write to it.
        """
        self.root = root.absolute() if root is not None else cache_root()
        with self._explained():
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            check_private(self.root)

    # -- reading --------------------------------------------------------------------------------

    def path(self, kind: str, key: str) -> Path:
        """Where an entry is or would be."""
        for name in (kind, key):
            if not _NAME.fullmatch(name):
                raise ValueError(f"not a name for a cache entry: {name!r}")
        return self.root / kind / key

    def get(self, kind: str, key: str, *, full: bool = False, warn: bool = True) -> Entry | None:
        """A sound entry, or None if it is missing or damaged (a ``CacheWarning`` says which).

        Args:
            kind: what it is.
            key: its name.
            full: hash its files even if they seem unchanged since they were last hashed.
            warn: whether to warn of damage.
        """
        path = self.path(kind, key)
        folder = _identity(path)
        while folder is not None:
            found = _examined(path, full)
            before, folder = folder, _identity(path)
            if folder == before:  # else it was removed or replaced meanwhile
                break
        else:
            return None
        if isinstance(found, str):
            if warn:
                warnings.warn(
                    f"the cache entry {path} is damaged ({found}); it will be made again",
                    CacheWarning,
                    stacklevel=2,
                )
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # when it was last used, for prune()
        return Entry(kind, key, path, found)

    def has(self, kind: str, key: str) -> bool:
        """Whether an entry is there, sound or not."""
        return self.path(kind, key).is_dir()

    def keys(self, kind: str) -> list[str]:
        """The keys of a kind, sound or damaged."""
        folder = self.root / kind
        return sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []

    def last_used(self, kind: str, key: str) -> float:
        """When an entry was last opened or made, in seconds since the epoch; 0 if it is gone."""
        try:
            return self.path(kind, key).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    # -- writing --------------------------------------------------------------------------------

    def publish(
        self,
        kind: str,
        key: str,
        fill: Callable[[Path], Mapping[str, Any] | None],
        *,
        need: int = 0,
    ) -> Entry:
        """Make an entry, replacing a damaged one.

        Args:
            kind: what it is.
            key: its name.
            fill: writes files into the folder it is given; returns what else the manifest holds.
            need: bytes it will take, as far as known; checked before ``fill`` is called.

        Raises:
            CacheError: the disk is full or cannot be written; nothing is left behind.
        """
        target = self.path(kind, key)
        check_room(self.root, need)
        with self.temporary() as replaced, self.temporary() as folder:
            with room_for(self.root, need):
                extra = fill(folder)
            with self._explained(need):
                manifest = _seal(folder, extra or {})
                target.parent.mkdir(mode=0o700, exist_ok=True)
                # Rename cannot replace a folder with something in it; readers that come in
                # between find no entry, and make it or wait for the lock.
                with contextlib.suppress(FileNotFoundError):
                    target.rename(replaced / key)
                folder.rename(target)
                _sync(target.parent)
        return Entry(kind, key, target, manifest)

    def ensure(
        self,
        kind: str,
        key: str,
        fill: Callable[[Path], Mapping[str, Any] | None],
        *,
        need: int = 0,
        progress: Progress | None = None,
    ) -> Entry:
        """The entry, made by ``fill`` if it is not there. Two processes at once make it once."""
        entry = self.get(kind, key)
        if entry is not None:
            return entry
        with self.lock(f"{kind}-{key}", progress=progress):
            made_meanwhile = self.get(kind, key, warn=False)  # the warning was given above
            return made_meanwhile or self.publish(kind, key, fill, need=need)

    def ensure_open(
        self,
        kind: str,
        key: str,
        fill: Callable[[Path], Mapping[str, Any] | None],
        name: str,
        *,
        need: int = 0,
        progress: Progress | None = None,
    ) -> tuple[Entry, int]:
        """Like ``ensure``, with one of its files open and hashed; see ``Entry.open``.

        A file that was exchanged behind the cache's back is made again, with a warning.

        Raises:
            CacheError: the disk is full or cannot be written, or the file is exchanged again.
        """
        entry = self.ensure(kind, key, fill, need=need, progress=progress)
        try:
            return entry, entry.open(name)
        except CacheError as error:
            warnings.warn(f"{error}; it will be made again", CacheWarning, stacklevel=2)
        with self.lock(f"{kind}-{key}", progress=progress):
            made_meanwhile = self.get(kind, key, full=True, warn=False)
            entry = made_meanwhile or self.publish(kind, key, fill, need=need)
            return entry, entry.open(name)

    def remove(self, kind: str, key: str) -> None:
        """Remove an entry. A process that has its files open keeps them."""
        path = self.path(kind, key)
        with self._explained(), self.temporary() as folder, contextlib.suppress(FileNotFoundError):
            path.rename(folder / key)

    @contextlib.contextmanager
    def temporary(self) -> Iterator[Path]:
        """A new folder on the cache's disk, removed at the end unless it was renamed."""
        parent = self.root / "tmp"
        with self._explained():
            parent.mkdir(mode=0o700, exist_ok=True)
            folder = parent / f"{os.getpid()}-{uuid.uuid4().hex}"
            folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def clean(self) -> None:
        """Remove what killed processes and failed builds left more than a day ago."""
        patterns = ("tmp/*", "work/stage-*", "work/native-*")
        for path in (path for pattern in patterns for path in self.root.glob(pattern)):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                    shutil.rmtree(path)

    @contextlib.contextmanager
    def lock(
        self, name: str, *, shared: bool = False, progress: Progress | None = None
    ) -> Iterator[None]:
        """Hold a lock among threads and processes; a note tells the user who waits and for what.

        Args:
            name: what is locked.
            shared: others may hold it as well, if they share it, too.
            progress: where the note is shown.
        """
        with self._lock_file(name) as file:
            if not file.take(shared) and progress is not None:
                progress.note(f"Waiting for another coilbox process that uses {name} ...")
            # Polling, because a blocking flock() cannot be interrupted in a thread.
            while not file.take(shared):
                time.sleep(0.05)
            yield

    @contextlib.contextmanager
    def lock_if_free(self, name: str) -> Iterator[bool]:
        """Hold a lock unless somebody else does; whether it is held."""
        with self._lock_file(name) as file:
            yield file.take()

    def _lock_file(self, name: str) -> LockFile:
        folder = self.root / "locks"
        with self._explained():
            folder.mkdir(mode=0o700, exist_ok=True)
            return LockFile(folder / f"{name}.lock")

    # -- errors ---------------------------------------------------------------------------------

    def _explained(self, need: int = 0) -> AbstractContextManager[None]:
        return explained(self.root, need)


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of an entry's folder.

    Raises:
        ValueError: it is not what ``publish`` wrote.
        OSError: it cannot be read.
    """
    manifest = _read_json(path / MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("digest") != _manifest_digest(manifest):
        raise ValueError(f"{MANIFEST} was changed")
    if not _is_listing(manifest.get("files")):
        raise ValueError(f"{MANIFEST} lists no files with their sizes and digests")
    return manifest


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except RecursionError:
        if _frames_left() < _NESTING:
            raise  # the caller's stack is full, which says nothing of the file
        raise ValueError(f"{path.name} is nested too deep") from None


def _frames_left() -> int:
    frame, depth = sys._getframe(), 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1  # type: ignore[assignment]
    return sys.getrecursionlimit() - depth


def _is_listing(files: object) -> bool:
    return isinstance(files, dict) and all(
        isinstance(file, dict)
        and isinstance(file.get("bytes"), int)
        and isinstance(file.get("sha256"), str)
        for file in files.values()
    )


def check(path: Path, *, full: bool = False) -> str | None:
    """The damage of an entry's folder, in a few words; None if there is none."""
    found = _examined(path, full)
    return found if isinstance(found, str) else None


def _examined(path: Path, full: bool) -> dict[str, Any] | str:
    """The manifest of an entry's folder if the folder is sound, else what is wrong with it."""
    try:
        manifest = read_manifest(path)
    except (OSError, ValueError) as error:
        return f"{MANIFEST}: {getattr(error, 'strerror', None) or error}"
    files = manifest["files"]
    try:
        found = {name: _fingerprint(path / name) for name in files}
    except OSError as error:
        return f"{Path(error.filename).name}: {error.strerror}"
    if not full and _read_stamp(path) == found:
        return manifest
    for name, file in files.items():
        size = found[name][0]
        if size != file["bytes"]:
            return f"{name} has {size} bytes instead of {file['bytes']}"
        try:
            digest = sha256_file(path / name)
        except OSError as error:
            return f"{name}: {error.strerror}"
        if digest != file["sha256"]:
            with contextlib.suppress(OSError):
                (path / _STAMP).unlink()  # it said that this file was sound
            return f"the SHA-256 of {name} is wrong"
    _write_stamp(path, found)
    return manifest


def _seal(folder: Path, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Write the manifest of a filled folder and bring everything to disk."""
    files = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        path.chmod(0o600)
        _sync(path)
        name = path.relative_to(folder).as_posix()
        files[name] = {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
    manifest: dict[str, Any] = {**extra, "files": files}
    manifest["digest"] = _manifest_digest(manifest)
    text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    _sync(folder / MANIFEST)
    _write_stamp(folder, {name: _fingerprint(folder / name) for name in files})
    _sync(folder)
    return manifest


def _manifest_digest(manifest: Mapping[str, Any]) -> str:
    return key_of({name: value for name, value in manifest.items() if name != "digest"})


def _identity(path: Path) -> tuple[int, int] | None:
    """Tells the folder at a path from one that is put in its place; None if there is none."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None


def _fingerprint(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def _read_stamp(path: Path) -> object:
    try:
        return _read_json(path / _STAMP)
    except (OSError, ValueError):
        return None


def _write_stamp(path: Path, found: Mapping[str, list[int]]) -> None:
    # Only a saving: a cache that cannot be written is hashed each time. A torn stamp is no JSON.
    with contextlib.suppress(OSError):
        (path / _STAMP).write_text(json.dumps(found), encoding="utf-8")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
