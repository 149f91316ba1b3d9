"""Functions of ``coilbox.host``: untyped, with values of the codec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from coilbox.bridge.encoding import Buffer
from coilbox.bridge.replies import Failures, Refused
from coilbox.codec import TypeRegistry, decode, encode
from coilbox.errors import GuestProtocolError, UnsupportedValueError

HostFunctions = Mapping[str, Callable[..., Any]]


class PlainFunctions:
    """The host functions of one sandbox, by number.

    Attributes:
        names: their names, in the order of their numbers.
    """

    __slots__ = ("_functions", "_limit", "_types", "names")

    def __init__(self, functions: HostFunctions, types: TypeRegistry, limit: int) -> None:
        self.names = list(functions)
        self._functions = list(functions.values())
        self._types = types
        self._limit = limit  # what arguments may weigh, in bytes

    def call(self, number: int, data: Buffer, failures: Failures) -> bytes:
        """Call function ``number`` with encoded arguments; the encoded reply.

        Raises:
            GuestProtocolError: the guest sent what is no call.
        """
        try:
            call = decode(bytes(data), self._types, self._limit)
        except UnsupportedValueError as error:
            return Refused("ValueError", str(error)).reply()
        match call:
            case [list(args), dict(kwargs)] if number < len(self._functions):
                pass
            case _:
                raise GuestProtocolError(f"the guest made a malformed call of function {number}")
        try:
            value = self._functions[number](*args, **kwargs)
            return encode([0, value], self._types)
        except Exception as error:
            return failures.reply(self.names[number], error)
