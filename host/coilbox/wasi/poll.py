"""poll_oneoff: sleeping, and asking which descriptors are ready (all are, always)."""

from __future__ import annotations

import struct

from coilbox.wasi import constants as c
from coilbox.wasi.context import WasiContext
from coilbox.wasi.fdtable import Descriptor
from coilbox.wasi.memory import WasiInstance, guarded, u32
from coilbox.wasi.proc import now
from coilbox.wasi.vfs.node import WasiError

# subscription: userdata, tag, then for a clock: id, timeout, precision, flags; for a descriptor
# its number stands where the clock's id stands.
_subscription = struct.Struct("<QB7xI4xQQH6x")
# event: userdata, error, type, bytes, flags.
_event = struct.Struct("<QHB5xQH6x")

_SUBSCRIPTIONS_MAX = 1024


@guarded
def poll_oneoff(
    context: WasiContext, instance: WasiInstance, into: int, out: int, count: int, result: int
) -> int:
    """Wait until at least one of the subscriptions has something to tell."""
    if not 0 < count <= _SUBSCRIPTIONS_MAX:
        return c.EINVAL
    events: list[bytes] = []
    sleeps: list[tuple[int, int]] = []
    for user, tag, subject, timeout, _, flags in _subscription.iter_unpack(
        instance.read(into, _subscription.size * count)
    ):
        if tag == c.EVENT_CLOCK:
            try:
                sleeps.append((_remaining(context, subject, timeout, flags), user))
            except WasiError as error:
                events.append(_event.pack(user, error.code, tag, 0, 0))
        elif tag in (c.EVENT_FD_READ, c.EVENT_FD_WRITE):
            events.append(_descriptor_event(context, user, tag, subject))
        else:
            return c.EINVAL
    if not events:
        shortest = min(sleeps)[0]
        stop = context.stop
        if shortest > 0 and context.clock.wait(shortest, None if stop is None else stop.event()):
            return c.EINTR
        events.extend(
            _event.pack(user, 0, c.EVENT_CLOCK, 0, 0)
            for remaining, user in sleeps
            if remaining <= shortest
        )
    instance.write(out, b"".join(events))
    instance.write(result, u32.pack(len(events)))
    return c.ESUCCESS


def _remaining(context: WasiContext, clock_id: int, timeout: int, flags: int) -> int:
    if clock_id not in (c.CLOCK_REALTIME, c.CLOCK_MONOTONIC):
        raise WasiError(c.ENOTSUP if clock_id <= c.CLOCK_THREAD_CPU else c.EINVAL)
    if flags & c.SUBCLOCK_ABSTIME:
        return max(timeout - now(context.clock, clock_id), 0)
    return timeout


def _descriptor_event(context: WasiContext, user: int, tag: int, fd: int) -> bytes:
    code, ready = c.ESUCCESS, 0
    descriptor = context.descriptors.get(fd)
    if descriptor is None:
        code = c.EBADF
    elif not descriptor.rights & c.RIGHT_POLL_FD_READWRITE:
        code = c.ENOTCAPABLE
    else:
        ready = _ready(descriptor, tag)
    return _event.pack(user, code, tag, ready, 0)


def _ready(descriptor: Descriptor, tag: int) -> int:
    if tag == c.EVENT_FD_WRITE:
        return 1
    if descriptor.file is not None:
        return max(descriptor.file.size() - descriptor.position, 0)
    return descriptor.source.ready() if descriptor.source is not None else 0
