"""args_*, environ_*, clock_*, random_get, sched_yield, proc_*, sock_*: what needs no files."""

from __future__ import annotations

from coilbox.engines.protocol import StopGuest
from coilbox.wasi import constants as c
from coilbox.wasi.context import WasiContext
from coilbox.wasi.memory import WasiInstance, guarded, u64
from coilbox.wasi.sources import Clock
from coilbox.wasi.vfs.node import WasiError

_RANDOM_CHUNK = 1 << 16
_pack_u64 = u64.pack


class GuestExit(Exception):
    """The guest called ``proc_exit``: the reason of the StopGuest that ends it.

    Attributes:
        code: the exit code, an unsigned 32-bit number.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"exit code {code}")
        self.code = code


@guarded
def no_strings(context: WasiContext, instance: WasiInstance, pointers: int, buffer: int) -> int:
    """args_get and environ_get: both are empty, Python's come with the request."""
    return c.ESUCCESS


@guarded
def no_sizes(context: WasiContext, instance: WasiInstance, count: int, size: int) -> int:
    """args_sizes_get and environ_sizes_get."""
    instance.write(count, bytes(4))
    instance.write(size, bytes(4))
    return c.ESUCCESS


def now(clock: Clock, clock_id: int) -> int:
    """The time of a clock, as an unsigned 64-bit number."""
    if clock_id == c.CLOCK_REALTIME:
        return clock.realtime()
    if clock_id == c.CLOCK_MONOTONIC:
        return clock.monotonic()
    if clock_id in (c.CLOCK_PROCESS_CPU, c.CLOCK_THREAD_CPU):
        return clock.cpu()
    raise WasiError(c.EINVAL)


@guarded
def clock_res_get(context: WasiContext, instance: WasiInstance, clock_id: int, result: int) -> int:
    """Resolution of a clock."""
    if clock_id > c.CLOCK_THREAD_CPU:
        return c.EINVAL
    instance.write(result, _pack_u64(context.clock.resolution))
    return c.ESUCCESS


@guarded
def clock_time_get(
    context: WasiContext, instance: WasiInstance, clock_id: int, precision: int, result: int
) -> int:
    """Time of a clock."""
    if clock_id == 1:
        instance.write(result, _pack_u64(context.clock.monotonic()))
    else:
        instance.write(result, _pack_u64(now(context.clock, clock_id)))
    return c.ESUCCESS


@guarded
def random_get(context: WasiContext, instance: WasiInstance, buffer: int, length: int) -> int:
    """Random bytes."""
    while length > _RANDOM_CHUNK:
        instance.write(buffer, context.entropy.read(_RANDOM_CHUNK))
        buffer += _RANDOM_CHUNK
        length -= _RANDOM_CHUNK
        if context.stopped():
            return c.EINTR
    instance.write(buffer, context.entropy.read(length))
    return c.ESUCCESS


@guarded
def sched_yield(context: WasiContext, instance: WasiInstance) -> int:
    """Nothing else could run."""
    return c.ESUCCESS


def proc_exit(instance: WasiInstance, code: int) -> None:
    """End the guest."""
    raise StopGuest(GuestExit(code))


@guarded
def unsupported(context: WasiContext, instance: WasiInstance, *args: int) -> int:
    """proc_raise: there are no signals."""
    return c.ENOSYS


@guarded
def no_socket(context: WasiContext, instance: WasiInstance, fd: int, *args: int) -> int:
    """sock_*: no descriptor is a socket."""
    context.table.get(fd)
    return c.ENOTSOCK
