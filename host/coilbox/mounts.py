"""What of the host's files a sandbox may see: mounts and the scratch directory."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Literal

from coilbox.errors import UsageError

MountMode = Literal["ro", "rw"]


def guest_components(guest_path: str) -> tuple[bytes, ...]:
    """The components of an absolute guest path.

    Raises:
        UsageError: not absolute, with ``.`` or ``..``, a NUL, an overlong name, or not UTF-8.
    """
    if not isinstance(guest_path, str):
        raise UsageError(f"guest_path must be a str, not {type(guest_path).__name__}")
    if not guest_path.startswith("/"):
        raise UsageError(f"guest_path must be absolute, like '/data': {guest_path!r}")
    try:
        encoded = guest_path.encode()
    except UnicodeEncodeError:
        raise UsageError(f"guest_path cannot be written as UTF-8: {guest_path!r}") from None
    components = tuple(name for name in encoded.split(b"/") if name)
    if b"." in components or b".." in components:
        raise UsageError(f"guest_path must not contain '.' or '..': {guest_path!r}")
    if b"\0" in encoded:
        raise UsageError(f"guest_path must not contain NUL: {guest_path!r}")
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
        try:
            host_path = os.fspath(self.host_path)
        except TypeError:
            raise UsageError(
                f"host_path must be a path, not {type(self.host_path).__name__}"
            ) from None
        if not isinstance(host_path, str):
            raise UsageError("host_path must be a str path, not bytes")
        if not host_path or "\0" in host_path:
            raise UsageError(f"host_path is not a path: {host_path!r}")
        if self.mode not in ("ro", "rw"):
            raise UsageError(f"mode must be 'ro' or 'rw', not {self.mode!r}")
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
        for name, value in (("max_bytes", self.max_bytes), ("max_files", self.max_files)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise UsageError(f"{name} must be an int of 0 or more, not {value!r}")
        object.__setattr__(self, "components", guest_components(self.guest_path))
