"""The lock of a guest build: read if it fits, made otherwise."""

from __future__ import annotations

from pathlib import Path

from coilbox.errors import PackageError
from coilbox.images.guest_build import GuestBuild
from coilbox.support.progress import Progress
from coilbox_guest.packages.lockfile import PackageLock, fits, lock_text, read_lock
from coilbox_guest.packages.resolve import resolve


def ensure_lock(build: GuestBuild, progress: Progress, *, locked: bool = False) -> PackageLock:
    """The lock of a build's packages; resolved now and written beside the build if there is none.

    Args:
        build: the guest build.
        progress: shows that it works.
        locked: refuse to resolve: what is locked is what was tested.

    Raises:
        PackageError: packages cannot be had, the lock is damaged, or it had to be made.
    """
    if not build.packages:
        return PackageLock((), ())
    path = build.lock_path
    if path.exists():
        lock = read_lock(path)
        if fits(lock, build.packages):
            return lock
    if locked:
        what = "was made of other requirements" if path.exists() else "is not there"
        raise PackageError(f"the lock file {path} {what}; build once without --locked")
    lock = PackageLock(tuple(build.packages), resolve(build.requirements(), progress))
    _write(path, lock_text(lock))
    return lock


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PackageError(f"the lock file {path} cannot be written: {error.strerror}") from None
