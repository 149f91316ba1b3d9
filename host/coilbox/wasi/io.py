"""fd_read, fd_write, fd_pread, fd_pwrite: the calls that are made most."""

from __future__ import annotations

from collections.abc import Iterator

from coilbox.wasi import constants as c
from coilbox.wasi.context import WasiContext
from coilbox.wasi.fdtable import Descriptor
from coilbox.wasi.memory import CHUNK, HostFault, WasiInstance, guarded, u32, vector, vectors
from coilbox.wasi.vfs.node import File, WasiError

_unpack_vector = vector.unpack
_pack_u32 = u32.pack
_OFFSET_MAX = (1 << 63) - 1
_TOTAL_MAX = 0x7FFFF000


def _chunks(
    context: WasiContext, instance: WasiInstance, iovs: int, count: int
) -> Iterator[tuple[int, int]]:
    """Address and length of pieces of at most CHUNK bytes, until the guest is being stopped.

    At most 2 GiB in all, as in Linux: buffers may overlap, so their sum has no bound of its own.
    """
    left = _TOTAL_MAX
    for address, length in vectors(instance, iovs, count):
        length = min(length, left)
        left -= length
        while length:
            piece = min(length, CHUNK)
            yield address, piece
            if context.stopped():
                return
            address += piece
            length -= piece


@guarded
def fd_write(
    context: WasiContext, instance: WasiInstance, fd: int, iovs: int, count: int, result: int
) -> int:
    """Write to a stream, or to a file at its position."""
    descriptor = context.descriptors.get(fd)
    if descriptor is None or not descriptor.rights & c.RIGHT_FD_WRITE:
        return c.EBADF
    sink = descriptor.sink
    if sink is not None:
        written = 0
        if count == 1:
            address, length = _unpack_vector(instance.read(iovs, 8))
            if length <= CHUNK:
                data = instance.read(address, length)
                try:
                    sink.write(data)
                except Exception as error:
                    raise HostFault(error) from None
                instance.write(result, _pack_u32(length))
                return 0
        for address, length in _chunks(context, instance, iovs, count):
            data = instance.read(address, length)
            try:
                sink.write(data)
            except Exception as error:
                raise HostFault(error) from None
            written += length
    else:
        offset = None if descriptor.flags & c.FD_APPEND else descriptor.position
        written, end = _write_file(context, instance, descriptor.regular(), iovs, count, offset)
        if written:
            descriptor.position = end
    instance.write(result, _pack_u32(written))
    return c.ESUCCESS


def _write_file(
    context: WasiContext,
    instance: WasiInstance,
    file: File,
    iovs: int,
    count: int,
    offset: int | None,
) -> tuple[int, int]:
    """Write at an offset, or at the end if it is None; how much, and where that ends."""
    written, position = 0, offset or 0
    for address, length in _chunks(context, instance, iovs, count):
        try:
            context.may_write(length, file.size() if offset is None else position)
            data = instance.read(address, length)
            if offset is None:
                done, position = file.append(data)
            else:
                done = file.pwrite(data, position)
                position += done
        except (WasiError, OSError):
            # What is written is written: the error comes with the guest's next call.
            if written:
                break
            raise
        written += done
        context.written_bytes += done
        if done < length:
            break
    return written, position


@guarded
def fd_pwrite(
    context: WasiContext,
    instance: WasiInstance,
    fd: int,
    iovs: int,
    count: int,
    offset: int,
    result: int,
) -> int:
    """Write to a file at an offset."""
    descriptor = context.table.get(fd)
    file = descriptor.regular()
    descriptor.need(c.RIGHT_FD_WRITE, c.EBADF)
    descriptor.need(c.RIGHT_FD_SEEK)
    if offset > _OFFSET_MAX:
        return c.EINVAL
    written, _ = _write_file(context, instance, file, iovs, count, offset)
    instance.write(result, _pack_u32(written))
    return c.ESUCCESS


@guarded
def fd_read(
    context: WasiContext, instance: WasiInstance, fd: int, iovs: int, count: int, result: int
) -> int:
    """Read from a stream, or from a file at its position."""
    descriptor = context.table.get(fd)
    if descriptor.filetype == c.TYPE_DIRECTORY:
        return c.EISDIR
    descriptor.need(c.RIGHT_FD_READ, c.EBADF)
    file = descriptor.file
    if file is not None:
        done = _read_file(context, instance, file, iovs, count, descriptor.position)
        descriptor.position += done
    else:
        done = _read_stream(context, instance, descriptor, iovs, count)
    instance.write(result, _pack_u32(done))
    return c.ESUCCESS


def _read_stream(
    context: WasiContext, instance: WasiInstance, descriptor: Descriptor, iovs: int, count: int
) -> int:
    source = descriptor.source
    if source is None:
        raise WasiError(c.EBADF)
    # One read only: a second one could wait although there is something to give.
    for address, length in _chunks(context, instance, iovs, count):
        # The guest's buffer is tried first, so that no input is lost to a bad address.
        instance.read(address, min(length, 1))
        try:
            data = source.read(length)
        except WasiError:  # the guest is being stopped
            raise
        except Exception as error:
            raise HostFault(error) from None
        instance.write(address, data)
        return len(data)
    return 0


def _read_file(
    context: WasiContext,
    instance: WasiInstance,
    file: File,
    iovs: int,
    count: int,
    offset: int,
) -> int:
    done = 0
    for address, length in _chunks(context, instance, iovs, count):
        data = file.pread(length, offset + done)
        instance.write(address, data)
        done += len(data)
        if len(data) < length:
            break
    return done


@guarded
def fd_pread(
    context: WasiContext,
    instance: WasiInstance,
    fd: int,
    iovs: int,
    count: int,
    offset: int,
    result: int,
) -> int:
    """Read from a file at an offset."""
    descriptor = context.table.get(fd)
    file = descriptor.regular()
    descriptor.need(c.RIGHT_FD_READ, c.EBADF)
    descriptor.need(c.RIGHT_FD_SEEK)
    if offset > _OFFSET_MAX:
        return c.EINVAL
    done = _read_file(context, instance, file, iovs, count, offset)
    instance.write(result, _pack_u32(done))
    return c.ESUCCESS
