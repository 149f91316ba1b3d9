"""Refusals of file systems, as the errors that the spec declares."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from coilbox.bindings.host import DeclaredError
from coilbox.extensions.files.coilbox_files_host import (
    Exists,
    InvalidPath,
    IsAFolder,
    NotAFolder,
    NotAllowed,
    NotEmpty,
    NotFound,
)
from coilbox.virtual_files import WasiError
from coilbox.virtual_files import constants as c

_MAX_PATH = 4095
# By the names that the host's errno and WASI's have in common.
_ERRORS: dict[str, Callable[..., DeclaredError]] = {
    "ENOENT": NotFound,
    "EEXIST": Exists,
    "ENOTDIR": NotAFolder,
    "EISDIR": IsAFolder,
    "ENOTEMPTY": NotEmpty,
    "ENAMETOOLONG": InvalidPath,
    "EINVAL": InvalidPath,
    "EILSEQ": InvalidPath,
}
_OF_HOST = {getattr(errno, name): error for name, error in _ERRORS.items()}
_OF_WASI = {getattr(c, name): error for name, error in _ERRORS.items()}


@contextmanager
def declared(path: str) -> Iterator[None]:
    """Turn errors of file systems into declared ones that tell the guest's own path only."""
    try:
        yield
    except DeclaredError:
        raise
    except WasiError as error:
        raise _OF_WASI.get(error.code, NotAllowed)(path=path) from None
    except OSError as error:
        raise _OF_HOST.get(error.errno or 0, NotAllowed)(path=path) from error


def checked_path(path: str) -> bytes:
    """A path below the folder, as the tree has them.

    Raises:
        InvalidPath: it is none.
    """
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        raise InvalidPath(path=path.encode(errors="replace").decode()) from None
    if b"\0" in encoded or len(encoded) > _MAX_PATH:
        raise InvalidPath(path=path[:200])
    return encoded.lstrip(b"/") or b"."
