"""Files of the host that a sandbox sees: mounts, and the scratch directory in memory."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Literal

from coilbox.errors import UsageError
from coilbox.support.checks import checked_path, checked_whole, shown

MountMode = Literal["ro", "rw"]


def guest_components(guest_path: str) -> tuple[bytes, ...]:
    """The components of an absolute guest path.

    Raises:
        UsageError: not absolute, with ``.`` or ``..``, a NUL, an overlong name, or not UTF-8.
    """
    if not isinstance(guest_path, str):
        raise UsageError(f"guest_path must be a str, not {type(guest_path).__name__}")
    if not guest_path.startswith("/"):
        raise UsageError(f"guest_path must be absolute, like '/data': {shown(guest_path)}")
    try:
        encoded = guest_path.encode()
    except UnicodeEncodeError:
        raise UsageError(f"guest_path cannot be written as UTF-8: {shown(guest_path)}") from None
    components = tuple(name for name in encoded.split(b"/") if name)
    if b"." in components or b".." in components:
        raise UsageError(f"guest_path must not contain '.' or '..': {shown(guest_path)}")
    if b"\0" in encoded:
        raise UsageError(f"guest_path must not contain NUL: {shown(guest_path)}")
    if any(len(name) > 255 for name in components) or len(encoded) > 4095:
        raise UsageError("guest_path is too long: 255 bytes for each name, 4095 in all")
    return components


@dataclass(frozen=True, slots=True)
class Mount:
    """A directory of the host that the guest sees.

    Attributes:
        host_path: the directory; it must exist when the sandbox starts.
        guest_path: where it lies in the guest, absolute. Mounts may lie inside one another and
            over one another; the longest path wins.
        mode: ``ro``, the guest reads only, or ``rw``.
    """

    host_path: str | os.PathLike[str]
    guest_path: str
    mode: MountMode = "ro"
    components: tuple[bytes, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        checked_path(self.host_path, "host_path")
        if not isinstance(self.mode, str) or self.mode not in ("ro", "rw"):
            raise UsageError(f"mode must be 'ro' or 'rw', not {shown(self.mode)}")
        object.__setattr__(self, "components", guest_components(self.guest_path))


@dataclass(frozen=True, slots=True)
class Scratch:
    """A writable directory in the host's memory that ends with the sandbox.

    Attributes:
        guest_path: where it lies in the guest, absolute.
        max_bytes: the most that all its files may hold together, in bytes.
        max_files: the most files, directories and links in it.
    """

    guest_path: str = "/tmp"
    max_bytes: int = 64 << 20
    max_files: int = 4096
    components: tuple[bytes, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        checked_whole(self.max_bytes, "max_bytes")
        checked_whole(self.max_files, "max_files")
        object.__setattr__(self, "components", guest_components(self.guest_path))
