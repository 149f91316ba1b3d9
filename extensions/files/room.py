"""How much room a folder has left."""

from __future__ import annotations

from collections.abc import Callable

from coilbox.extensions.files.coilbox_files_host import Quota, QuotaExceeded, Usage
from coilbox.virtual_files import MAX_DEPTH, Directory, WasiError
from coilbox.virtual_files import constants as c


class Room:
    """Counts what a folder holds, and refuses what would be too much.

    It is counted when that is first needed, and again before anything is refused, as programs of
    the host may have changed the folder. Not safe to use from several threads.

    Args:
        root: gives the folder.
        max_bytes: what all files may have together, in bytes.
        max_files: how many files, folders and links there may be.
    """

    def __init__(self, root: Callable[[], Directory], max_bytes: int, max_files: int) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._used: tuple[int, int] | None = None

    def claim(self, size: int, files: int = 0) -> None:
        """Count what is about to be written, or deleted if negative.

        Raises:
            QuotaExceeded: there is no room for it; nothing is counted.
        """
        fresh = self._used is None
        used = self._counted() if self._used is None else self._used
        refusal = self._refusal(used, size, files)
        if refusal is not None and not fresh:
            used = self._counted()
            refusal = self._refusal(used, size, files)
        if refusal is not None:
            self._used = used
            raise refusal
        self._used = (used[0] + size, used[1] + files)

    def forget(self) -> None:
        """Count anew next time."""
        self._used = None

    def usage(self) -> Usage:
        """The room that is used, counted now, and the room that there may be."""
        self._used = size, files = self._counted()
        return Usage(files=files, bytes=size, max_files=self._max_files, max_bytes=self._max_bytes)

    def _refusal(self, used: tuple[int, int], size: int, files: int) -> QuotaExceeded | None:
        if size > 0 and used[0] + size > self._max_bytes:
            return QuotaExceeded(quota=Quota.BYTES, limit=self._max_bytes)
        if files > 0 and used[1] + files > self._max_files:
            return QuotaExceeded(quota=Quota.FILES, limit=self._max_files)
        return None

    def _counted(self) -> tuple[int, int]:
        """Bytes and files that are there. Counting ends where there are too many anyway."""
        size = files = 0

        def count(directory: Directory, depth: int) -> None:
            nonlocal size, files
            for entry in directory.entries():
                files += 1
                if files > self._max_files or depth > MAX_DEPTH:
                    files = self._max_files + 1
                    return
                try:
                    if entry.filetype == c.TYPE_REGULAR_FILE:
                        size += directory.stat(entry.name).size
                    elif entry.filetype == c.TYPE_DIRECTORY:
                        below = directory.enter(entry.name)
                        if isinstance(below, Directory):
                            try:
                                count(below, depth + 1)
                            finally:
                                below.release()
                except (OSError, WasiError):
                    continue  # deleted meanwhile, or not to be read

        count(self._root(), 0)
        return size, files
