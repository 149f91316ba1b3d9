"""The host's way to the files of the scratch directory; no code of the guest runs for it."""

from __future__ import annotations

import os
from collections.abc import Callable

from coilbox.errors import GuestProtocolError, UsageError
from coilbox.mounts import Scratch, guest_components
from coilbox.support.checks import shown
from coilbox.wasi.constants import to_host
from coilbox.wasi.vfs.node import WasiError
from coilbox.wasi.vfs.scratch_files import PIECE

Paths = list[str]
Names = list[bytes]
Perform = Callable[[str, Names, int, bytes], bytes]
"""Does an operation of ``scratch_files.perform``."""


class ScratchFiles:
    """Files of a sandbox's scratch directory: ``Sandbox.files``.

    A path is the guest's, or relative to the scratch directory. Links are not followed. While the
    guest runs only its host functions may use this, and a stopped sandbox needs a ``reset()``.
    """

    def __init__(self, scratch: Scratch, perform: Perform) -> None:
        self._scratch = scratch
        self._perform = perform

    def read(self, path: str) -> bytes:
        """The bytes of a file.

        Raises:
            OSError: there is none, or it is no file.
            UsageError: the path is not in the scratch directory, or the sandbox cannot be used.
        """
        names = self._names(path)
        data = bytearray()
        while piece := self._do("read", path, names, offset=len(data)):
            data += piece
            if len(data) > self._scratch.max_bytes:
                raise GuestProtocolError("a scratch file is larger than the scratch directory")
            if len(piece) < PIECE:
                break
        return bytes(data)

    def write(self, path: str, data: bytes | str) -> None:
        """Write a file, in place of one that is there; missing directories above it are made.

        Args:
            path: the file's.
            data: bytes, or text that becomes UTF-8.

        Raises:
            OSError: there is no room, or a directory or link of that name.
            UsageError: as for :meth:`read`.
        """
        if isinstance(data, str):
            data = data.encode()
        elif not isinstance(data, bytes | bytearray | memoryview):
            raise UsageError(f"data must be bytes or str, not {type(data).__name__}")
        self._do("write", path, self._names(path), data=bytes(data))

    def remove(self, path: str) -> None:
        """Remove a file, or a directory with everything in it.

        Raises:
            OSError: there is nothing of that name.
            UsageError: as for :meth:`read`.
        """
        self._do("remove", path, self._names(path))

    def list(self, path: str = "") -> Paths:
        """The guest's paths of all files in the scratch directory, or below a directory of it.

        Raises:
            OSError: there is no such directory, or the list has more than a MiB.
            UsageError: as for :meth:`read`.
        """
        names = self._names(path)
        return self._paths(names, self._do("list", path, names))

    def changed(self) -> tuple[str, ...]:
        """The paths of the files that are new or were written in the last run."""
        return tuple(self._paths([], self._do("changed", "", [])))

    def _names(self, path: str) -> Names:
        root = self._scratch.components
        if not isinstance(path, str):
            raise UsageError(f"path must be a str, not {type(path).__name__}")
        if not path.startswith("/"):
            return list(guest_components(f"/{path}"))
        names = guest_components(path)
        if names[: len(root)] != root:
            where = self._scratch.guest_path
            raise UsageError(f"{shown(path)} is not in the scratch directory {where}")
        return list(names[len(root) :])

    def _do(
        self, operation: str, path: str, names: Names, *, offset: int = 0, data: bytes = b""
    ) -> bytes:
        try:
            return self._perform(operation, names, offset, data)
        except WasiError as error:
            number = to_host(error.code)
            raise OSError(number, os.strerror(number), path) from None

    def _paths(self, below: Names, listed: bytes) -> Paths:
        above = b"/".join((b"", *self._scratch.components, *below))
        names = listed.split(b"\0")[:-1]
        return [(above + b"/" + name).decode("utf-8", "surrogateescape") for name in names]
