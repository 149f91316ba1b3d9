"""Whether other users of the machine could put something in the place of a folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from coilbox.errors import CacheError

_MAX_LINKS = 40  # as the kernel's


def check_private(folder: Path) -> None:
    """Check that only this user, and root, can change a folder or what leads to it.

    Whoever may write to a folder above could rename this one and put another in its place. Sticky
    folders such as ``/tmp`` are safe: there only the owner may rename.

    Raises:
        CacheError: others could; the message says what to do.
        OSError: the folder is not there.
    """
    status = folder.stat()
    if status.st_uid != os.geteuid():
        raise CacheError(
            f"the cache folder {folder} belongs to user {status.st_uid}, not to this user "
            f"({os.geteuid()}); set COILBOX_CACHE to a folder of your own"
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CacheError(
            f"other users may write to the cache folder {folder} (mode "
            f"{stat.S_IMODE(status.st_mode):04o}), and coilbox runs compiled code from it; "
            f"run: chmod 700 {folder}"
        )
    for path, found in _way_to(folder):
        if not _is_safe(found):
            raise CacheError(
                f"other users could replace the cache folder {folder}, from which coilbox runs "
                f"compiled code: {path} belongs to user {found.st_uid} and has mode "
                f"{stat.S_IMODE(found.st_mode):04o}; set COILBOX_CACHE to a folder of which no "
                "other user may write to the folders above"
            )


def _way_to(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """The folders above a folder and the links on the way, with what the system says of each."""
    here = Path(folder.anchor)
    parts = list(folder.parts[1:])
    yield here, here.stat()
    links = 0
    while parts:
        path = here / parts.pop(0)
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode) and links < _MAX_LINKS:
            links += 1
            yield path, status
            target = path.readlink()
            parts = [*(target.parts[1:] if target.is_absolute() else target.parts), *parts]
            here = Path(target.anchor) if target.is_absolute() else here
        elif path.name == "..":
            here = here.parent
        else:
            here = path
            if parts:
                yield here, status


def _is_safe(status: os.stat_result) -> bool:
    # In a container the system's own files may belong to another user than 0: who owns the root
    # of the file system can do anything anyway.
    if status.st_uid not in (os.geteuid(), 0, Path("/").stat().st_uid):
        return False
    if stat.S_ISLNK(status.st_mode) or status.st_mode & stat.S_ISVTX:
        return True  # a link's own mode means nothing
    if status.st_mode & stat.S_IWOTH:
        return False
    return not status.st_mode & stat.S_IWGRP or _is_own_group(status.st_gid)


def _is_own_group(group: int) -> bool:
    """Whether a group has this user alone, as on systems that give each user a group."""
    import grp
    import pwd

    try:
        user, members = pwd.getpwuid(os.geteuid()), grp.getgrgid(group)
    except KeyError:
        return False
    return (
        user.pw_gid == group
        and members.gr_name == user.pw_name
        and set(members.gr_mem) <= {user.pw_name}
    )
