"""The bridge for calls from the guest to host functions."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from coilbox.codec import TypeRegistry, decode, encode
from coilbox.engines.protocol import HostImport, Instance, StopGuest
from coilbox.errors import GuestProtocolError, MemoryLimitExceeded, UnsupportedValueError
from coilbox.limits import DEFAULT_LIMITS
from coilbox.metering import CallMeter

if TYPE_CHECKING:
    from coilbox.session import Session

_log = logging.getLogger("coilbox.host_calls")

HostFunctions = Mapping[str, Callable[..., Any]]


class HostCalls:
    """The host functions of one sandbox, by number, and the reply that waits to be fetched."""

    __slots__ = ("functions", "meter", "names", "types", "waiting")

    def __init__(
        self, functions: HostFunctions, types: TypeRegistry, meter: CallMeter | None = None
    ) -> None:
        self.names = list(functions)
        self.functions = list(functions.values())
        self.types = types
        self.waiting = b""
        self.meter = meter or CallMeter(DEFAULT_LIMITS)

    def perform(self, number: int, data: bytes) -> bytes:
        """Call function ``number`` with encoded arguments; the encoded reply.

        What the function raises stays on the host: the guest learns an identifier, the log has
        the traceback under the same one.

        Raises:
            GuestProtocolError: the guest sent what is no call.
        """
        call = decode(data, self.types, self.meter.limits.value_bytes)
        match call:
            case [list(args), dict(kwargs)] if number < len(self.functions):
                pass
            case _:
                raise GuestProtocolError(f"the guest made a malformed call of function {number}")
        name = self.names[number]
        try:
            value = self.functions[number](*args, **kwargs)
            return encode([0, value], self.types)
        except UnsupportedValueError as error:
            _log.error("host function %s returned a value that cannot cross: %s", name, error)
            text = f"host function {name!r} returned a value that cannot cross"
        except Exception:
            identifier = secrets.token_hex(4)
            _log.exception("host function %s failed (call %s)", name, identifier)
            text = f"host function {name!r} failed (call {identifier}; see the host's log)"
        return encode([1, {"type": "HostInternalError", "message": text}], self.types)


def _session(instance: Instance) -> Session:
    return instance.context  # type: ignore[return-value]


def _host_call(
    instance: Instance, number: int, args: int, args_length: int, reply: int, capacity: int
) -> int:
    calls = _session(instance).host_calls
    calls.meter.called(args_length)
    data = calls.perform(number, instance.read(args, args_length))
    calls.meter.replied(len(data))
    if len(data) <= capacity:
        instance.write(reply, data)
        calls.waiting = b""
    else:
        calls.waiting = data
    return len(data)


def _host_reply(instance: Instance, reply: int, capacity: int) -> int:
    calls = _session(instance).host_calls
    data, calls.waiting = calls.waiting, b""
    if len(data) > capacity:
        raise GuestProtocolError("the guest fetched a reply into a buffer that is too small")
    instance.write(reply, data)
    return len(data)


def _memory_exhausted(instance: Instance, wanted: int) -> None:
    limit = _session(instance).limits.memory_bytes
    used = instance.memory_size + wanted
    raise StopGuest(
        MemoryLimitExceeded(
            f"the guest needed {used} bytes of memory, more than its limit of {limit} "
            "(Limits.memory_bytes)",
            limit=limit,
            used=used,
        )
    )


BRIDGE_IMPORTS = (
    HostImport("coilbox", "host_call", "iiiii", "i", _host_call),
    HostImport("coilbox", "host_reply", "ii", "i", _host_reply),
    HostImport("coilbox", "memory_exhausted", "i", "", _memory_exhausted),
)
