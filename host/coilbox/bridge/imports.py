"""Host imports of the bridge: the one place where host calls touch the guest's memory."""

from __future__ import annotations

from typing import Protocol

from coilbox.bridge.counted import CallCounter, Performer, perform_counted
from coilbox.bridge.encoding import Reply, length_of
from coilbox.engines.protocol import HostImport, Instance, StopGuest
from coilbox.errors import GuestProtocolError, MemoryLimitExceeded
from coilbox.limits import Limits
from coilbox.wasi.memory import HasWasi

# Arguments above this are decoded where they lie, as copying them would cost more.
_COPIED = 1 << 14


class ImportContext(HasWasi, Protocol):
    """The context of an instance, as host imports find it.

    Attributes:
        wasi: the guest's files and streams; a guest in this process sets it.
        waiting_reply: the reply of a host call that did not fit and waits to be fetched.
    """

    waiting_reply: Reply

    @property
    def bridge(self) -> Performer:
        """Makes the guest's host calls."""

    @property
    def meter(self) -> CallCounter:
        """Counts them."""

    @property
    def limits(self) -> Limits:
        """The guest's limits."""


class GuestInstance(Instance, Protocol):
    """An instance whose owner has set its context."""

    context: ImportContext


def _host_call(
    instance: GuestInstance, number: int, args: int, args_length: int, reply: int, capacity: int
) -> int:
    context = instance.context
    if args_length <= _COPIED:
        data = perform_counted(context, number, instance.read(args, args_length))
    else:
        with instance.view(args, args_length) as view:
            data = perform_counted(context, number, view)
    length = length_of(data)
    if length <= capacity:
        _write(instance, reply, data)
    else:
        context.waiting_reply = data
    return length


def _host_reply(instance: GuestInstance, reply: int, capacity: int) -> int:
    context = instance.context
    data, context.waiting_reply = context.waiting_reply, b""
    length = length_of(data)
    if length > capacity:
        raise GuestProtocolError("the guest fetched a reply into a buffer that is too small")
    _write(instance, reply, data)
    return length


def _write(instance: Instance, address: int, data: Reply) -> None:
    if isinstance(data, bytes):
        instance.write(address, data)
    else:
        head, body = data
        instance.write(address, head)
        instance.write(address + len(head), body)


def _memory_exhausted(instance: GuestInstance, wanted: int) -> None:
    limit = instance.context.limits.memory_bytes
    used = instance.memory_size + wanted
    if used > limit:
        text = f"more than its limit of {limit} (Limits.memory_bytes)"
    else:
        text = (
            f"which its limit of {limit} allows but this process has no room for: raise its limit "
            "of address space (ulimit -v), or lower Limits.memory_bytes"
        )
    message = f"the guest needed {used} bytes of memory, {text}"
    raise StopGuest(MemoryLimitExceeded(message, limit=limit, used=used))


BRIDGE_IMPORTS = (
    HostImport("coilbox", "host_call", "iiiii", "i", _host_call),
    HostImport("coilbox", "host_reply", "ii", "i", _host_reply),
    HostImport("coilbox", "memory_exhausted", "i", "", _memory_exhausted),
)
