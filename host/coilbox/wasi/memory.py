"""Between the guest's memory and the functions: structures, vectors, paths, and the guard."""

from __future__ import annotations

import functools
import logging
import struct
from collections.abc import Callable, Iterator
from typing import Concatenate, ParamSpec, Protocol

from coilbox.errors import GuestProtocolError, ImageError
from coilbox.wasi import constants as c
from coilbox.wasi.context import WasiContext
from coilbox.wasi.vfs.node import Stat, WasiError

log = logging.getLogger("coilbox.wasi")

# Most bytes copied between host and guest at once: bounds what a call can allocate in the host.
CHUNK = 1 << 20
# Most bytes that one operation reserves on a medium, which may take the kernel long.
ALLOCATED_AT_ONCE = 4 << 20
# Most vectors of one call, as IOV_MAX of Linux.
_VECTORS_MAX = 1024

u32 = struct.Struct("<I")
u64 = struct.Struct("<Q")
vector = struct.Struct("<II")
# filestat: dev, ino, filetype, nlink, size, atim, mtim, ctim.
_filestat = struct.Struct("<QQB7xQQQQQ")


class HasWasi(Protocol):
    """The part of an instance's context that WASI functions need."""

    wasi: WasiContext


class WasiInstance(Protocol):
    """The memory of an instance, as the functions here need it."""

    context: HasWasi

    def read(self, address: int, length: int) -> bytes:
        """Copy bytes out of linear memory."""

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Copy bytes into linear memory."""


class HostFault(BaseException):
    """Carries an exception of the caller's own stdin or output callback past the guard.

    It is the caller's to see, not the guest's: it stops the guest and comes out of the run.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


P = ParamSpec("P")
Implementation = Callable[Concatenate[WasiContext, WasiInstance, P], int]
Import = Callable[Concatenate[WasiInstance, P], int]


def guarded(function: Implementation[P]) -> Import[P]:
    """Make a total host import of an implementation that raises errors.

    Whatever a guest passes, it gets an error number; only what is no Exception (StopGuest,
    KeyboardInterrupt) goes up, what the caller's own streams raise, and that the image is damaged.
    """

    @functools.wraps(function)
    def call(instance: WasiInstance, /, *args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return function(instance.context.wasi, instance, *args, **kwargs)
        except WasiError as error:
            return error.code
        except OSError as error:
            return c.from_host(error)
        except GuestProtocolError:
            return c.EFAULT
        except MemoryError:
            return c.ENOMEM
        except HostFault as fault:
            raise fault.error from None
        except ImageError:
            raise
        except Exception as error:
            interruption = _hidden(error)
            if interruption is not None:
                raise interruption from None
            log.exception("a bug of coilbox in %s: the guest gets EIO", function.__name__)
            return c.EIO

    return call


def _hidden(error: BaseException) -> BaseException | None:
    """The exception of a signal handler whose place an error took that followed from it.

    Python's own locks fail where a handler raises within them: "cannot release un-acquired lock".
    """
    found = error.__context__
    while found is not None and isinstance(found, Exception):
        found = found.__context__
    return found


def read_path(instance: WasiInstance, address: int, length: int) -> bytes:
    """A path from guest memory: UTF-8 without NUL."""
    if length >= c.PATH_MAX:
        raise WasiError(c.ENAMETOOLONG)
    path = instance.read(address, length)
    if b"\0" in path:
        raise WasiError(c.EINVAL)
    if not path.isascii():
        try:
            path.decode()
        except UnicodeDecodeError:
            raise WasiError(c.EILSEQ) from None
    return path


def vectors(instance: WasiInstance, address: int, count: int) -> Iterator[tuple[int, int]]:
    """Address and length of each buffer of an iovec array, empty ones left out."""
    if count > _VECTORS_MAX:
        raise WasiError(c.EINVAL)
    for buffer, length in vector.iter_unpack(instance.read(address, 8 * count)):
        if length:
            yield buffer, length


def pack_filestat(stat: Stat) -> bytes:
    """A ``filestat`` structure; the link count and the time of status change are not told."""
    return _filestat.pack(
        stat.device, stat.inode, stat.filetype, 1, stat.size, stat.atime, stat.mtime, stat.mtime
    )
