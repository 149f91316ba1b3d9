"""Host imports of the bridge: the one place where host calls touch the guest's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coilbox.bridge.bridge import count_call
from coilbox.bridge.encoding import Reply, length_of
from coilbox.engines.protocol import HostImport, Instance, StopGuest
from coilbox.errors import GuestProtocolError, MemoryLimitExceeded

if TYPE_CHECKING:
    from coilbox.session.session import Session

# Arguments above this are decoded where they lie, as copying them would cost more.
_COPIED = 1 << 14


def _session(instance: Instance) -> Session:
    return instance.context  # type: ignore[return-value]


def _host_call(
    instance: Instance, number: int, args: int, args_length: int, reply: int, capacity: int
) -> int:
    session = _session(instance)
    count_call(session.meter, number, args_length)
    if args_length <= _COPIED:
        data = session.bridge.perform(number, instance.read(args, args_length))
    else:
        with instance.view(args, args_length) as view:
            data = session.bridge.perform(number, view)
    length = length_of(data)
    session.meter.replied(length)
    if length <= capacity:
        _write(instance, reply, data)
    else:
        session.waiting_reply = data
    return length


def _host_reply(instance: Instance, reply: int, capacity: int) -> int:
    session = _session(instance)
    data, session.waiting_reply = session.waiting_reply, b""
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


def _memory_exhausted(instance: Instance, wanted: int) -> None:
    limit = _session(instance).limits.memory_bytes
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
