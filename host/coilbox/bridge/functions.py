"""Functions of ``coilbox.host``: untyped, with values of the codec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from coilbox.bridge.replies import Failures, Refused
from coilbox.codec import Allowance, TypeRegistry, decode, encode
from coilbox.codec.frames import Buffer
from coilbox.errors import GuestProtocolError, UnsupportedValueError

HostFunctions = Mapping[str, Callable[..., Any]]


class PlainFunctions:
    """The host functions of one sandbox, by number.

    Attributes:
        names: their names, in the order of their numbers.
    """

    __slots__ = ("_functions", "_types", "names")

    def __init__(self, functions: HostFunctions, types: TypeRegistry) -> None:
        self.names = list(functions)
        self._functions = list(functions.values())
        self._types = types

    def call(self, number: int, data: Buffer, failures: Failures, allowance: Allowance) -> bytes:
        """Call function ``number`` with encoded arguments; the encoded reply.

        Raises:
            GuestProtocolError: the guest sent what is no call.
            BaseException: what the allowance's checkpoint raises.
        """
        try:
            call = decode(data, self._types, allowance)
        except UnsupportedValueError as error:
            return Refused("ValueError", str(error)).reply()
        match call:
            case [list(args), dict(kwargs)] if number < len(self._functions):
                pass
            case _:
                raise GuestProtocolError(f"the guest made a malformed call of function {number}")
        try:
            value = self._functions[number](*args, **kwargs)
        except Exception as error:
            return failures.reply(self.names[number], error)
        try:
            return encode([0, value], self._types, allowance=allowance)
        except UnsupportedValueError as error:
            return failures.reply(self.names[number], error)
