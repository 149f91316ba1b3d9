"""The host's side of coilbox_files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from coilbox import ExtensionError, UsageError
from coilbox.bindings.host import Context, Stream
from coilbox.bindings.settings import Count, HostPath, Size, settings
from coilbox.extensions.files.coilbox_files_host import (
    CoilboxFilesExtension,
    Info,
    Usage,
    WriteMode,
)
from coilbox.extensions.files.folder import Folder


class _Files:
    """All sandboxes share the folder that was given, or each has one in memory."""

    def __init__(self, shared: Folder | None, max_bytes: int, max_files: int, max_read: int):
        self._shared = shared
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._max_read = max_read

    def stat(self, context: Context, /, path: str) -> Info:
        return self._folder(context).stat(path)

    def list(self, context: Context, /, path: str) -> Iterator[Info]:
        return self._folder(context).list(path, stopped=lambda: context.cancelled)

    def read(self, context: Context, /, path: str, *, offset: int, size: int | None) -> bytes:
        return self._folder(context).read(path, offset=offset, size=size)

    def stream(self, context: Context, /, path: str, *, offset: int) -> Iterator[bytes]:
        return self._folder(context).stream(path, offset=offset)

    def write(self, context: Context, /, path: str, data: bytes, *, mode: WriteMode) -> None:
        self._folder(context).write(path, data, mode=mode)

    def write_at(self, context: Context, /, path: str, data: bytes, offset: int) -> None:
        self._folder(context).write_at(path, data, offset)

    def truncate(self, context: Context, /, path: str, size: int) -> None:
        self._folder(context).truncate(path, size)

    def upload(
        self, context: Context, /, path: str, parts: Stream[bytes], *, mode: WriteMode
    ) -> int:
        return self._folder(context).upload(path, parts, mode=mode)

    def mkdir(self, context: Context, /, path: str, *, parents: bool) -> None:
        self._folder(context).mkdir(path, parents=parents)

    def move(self, context: Context, /, path: str, to: str) -> None:
        self._folder(context).move(path, to)

    def delete(self, context: Context, /, path: str) -> None:
        self._folder(context).delete(path)

    def usage(self, context: Context, /) -> Usage:
        return self._folder(context).usage()

    def _folder(self, context: Context) -> Folder:
        if self._shared is not None:
            return self._shared
        folder = context.state.get("folder")
        if folder is None:
            folder = Folder(
                max_bytes=self._max_bytes,
                max_files=self._max_files,
                max_read_bytes=self._max_read,
            )
            folder = context.state.setdefault("folder", folder)
        assert isinstance(folder, Folder)
        return folder


@settings("files")
def extension(
    *,
    path: HostPath | None = None,
    writable: bool = True,
    max_bytes: Size = 64 << 20,
    max_files: Count = 4096,
    max_read_bytes: Size = 16 << 20,
    folder: Folder | None = None,
) -> CoilboxFilesExtension:
    """Make the extension ``files``: a folder with a quota.

    Args:
        path: a folder of the host, which all sandboxes that are given the extension share; if
            left out each has an empty one in memory.
        writable: whether a folder of the host may be changed.
        max_bytes: what all files may have together, in bytes.
        max_files: how many files, folders and links there may be.
        max_read_bytes: what one call may read, in bytes; streams may read more.
        folder: a folder instead of the settings above, which are its own; the host can use it,
            too.

    Raises:
        ExtensionError: a setting is wrong, or the folder cannot be opened.
    """
    if folder is None and path is not None:
        try:
            folder = Folder(
                path,
                writable=writable,
                max_bytes=max_bytes,
                max_files=max_files,
                max_read_bytes=max_read_bytes,
            )
        except UsageError as error:
            raise ExtensionError(f"files: {error}") from None
    made = CoilboxFilesExtension(_Files(folder, max_bytes, max_files, max_read_bytes))
    guest = Path(__file__).parent / "guest" / "coilbox_fileio.py"
    made.ship("coilbox_fileio", guest.read_text(encoding="utf-8"))
    return made
