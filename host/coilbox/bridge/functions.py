"""Functions of ``coilbox.host``: untyped, with values of the codec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from coilbox.bridge.replies import Failures, Refused
from coilbox.bridge.signatures import described, is_async, misfit
from coilbox.codec import Allowance, TypeRegistry, decode, encode
from coilbox.codec.frames import Buffer
from coilbox.errors import Finish, GuestProtocolError, UnsupportedValueError, UsageError

if TYPE_CHECKING:
    from concurrent.futures import Future

HostFunctions = Mapping[str, Callable[..., Any]]


class PlainFunctions:
    """The host functions of one sandbox, by number.

    Attributes:
        names: their names, in the order of their numbers.
        described: their names and, in the form of CPython's built-in functions, their docstrings.
    """

    __slots__ = ("_asynchronous", "_functions", "_types", "described", "names")

    def __init__(self, functions: HostFunctions, types: TypeRegistry) -> None:
        self.names = list(functions)
        self.described = [[name, described(name, item)] for name, item in functions.items()]
        self._asynchronous = next((n for n, item in functions.items() if is_async(item)), None)
        self._functions = list(functions.values())
        self._types = types

    def check_awaited(self, method: str) -> None:
        """Allow a method of sandboxes that no event loop awaits.

        Raises:
            UsageError: a function is a coroutine function.
        """
        if self._asynchronous is not None:
            raise UsageError(
                f"the host function {self._asynchronous!r} is a coroutine function, which "
                f"{method} cannot await: use run_async or call_async"
            )

    def call(
        self,
        number: int,
        data: Buffer,
        failures: Failures,
        allowance: Allowance,
        wait: Callable[[Any], Future[Any]],
    ) -> bytes:
        """Call function ``number`` with encoded arguments; the encoded reply.

        Args:
            number: the function's.
            data: its arguments.
            failures: takes what it raises.
            allowance: what may be done with the arguments.
            wait: waits until an awaitable is done.

        Raises:
            Finish: the function ends the run.
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
        function = self._functions[number]
        try:
            value = function(*args, **kwargs)
        except Exception as error:
            wrong = misfit(function, args, kwargs) if isinstance(error, TypeError) else None
            if wrong is not None:
                return Refused("TypeError", f"{self.names[number]}() {wrong}").reply()
            return self._failed(number, error, failures)
        if hasattr(type(value), "__await__"):
            done = wait(value)
            try:
                value = done.result()
            except Exception as error:
                return self._failed(number, error, failures)
        try:
            return encode([0, value], self._types, allowance=allowance)
        except UnsupportedValueError as error:
            return failures.reply(self.names[number], error)

    def _failed(self, number: int, error: Exception, failures: Failures) -> bytes:
        if isinstance(error, Finish):
            raise error
        return failures.reply(self.names[number], error)
