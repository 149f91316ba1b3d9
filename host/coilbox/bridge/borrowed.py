"""Callbacks and streams that the guest lends to a host function."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

from coilbox.bridge.guest_requests import INVOKE, ITEMS, GuestRequest
from coilbox.codec import Allowance
from coilbox.errors import GuestProtocolError, UsageError

if TYPE_CHECKING:
    from coilbox.bridge.exchange import CallExchange

# Items that a host function asks the guest for at once: more while they have few bytes.
_MOST_ITEMS = 256
_ENOUGH = 1 << 16  # bytes


class Borrowed:
    """A callback or stream of the guest's, until the call ends that has it as an argument."""

    def __init__(self, bridge: CallExchange, number: int, convert: Callable[..., Any]) -> None:
        self._bridge = bridge
        self._convert = convert
        self._number = number
        self._requests: set[GuestRequest] = set()
        self._ended = False

    def end(self) -> None:
        """The call has ended."""
        self._ended = True
        for request in list(self._requests):
            request.fail(_ended())

    def _request(self, what: int, argument: bytes | int) -> GuestRequest:
        request = GuestRequest(what, self._number, argument)
        self._requests.add(request)
        if self._ended:
            request.fail(_ended())
        return request

    def _wait(self, what: int, argument: bytes | int) -> Any:
        request = self._request(what, argument)
        try:
            return self._bridge.request(request)
        finally:
            self._requests.discard(request)

    async def _wait_async(self, what: int, argument: bytes | int) -> Any:
        request = self._request(what, argument)
        try:
            return await self._bridge.request_async(request)
        finally:
            self._requests.discard(request)

    def _read(self, data: bytes) -> Any:
        """The guest's answer, checked: if it is wrong the guest is stopped."""
        try:
            return self._convert(data, self._bridge.allowance)
        except GuestProtocolError as error:
            self._bridge.break_off(error)
            raise


class Callback(Borrowed):
    """A function of the guest, see :class:`coilbox.bindings.host.Callback`."""

    def __init__(
        self,
        bridge: CallExchange,
        number: int,
        values: Callable[[tuple[Any, ...], Allowance], bytes],
        read: Callable[[Any, Allowance], Any],
    ) -> None:
        super().__init__(bridge, number, read)
        self._values = values

    def __call__(self, *args: Any) -> Any:
        """Call it and wait."""
        return self._read(self._wait(INVOKE, self._values(args, self._bridge.allowance)))

    async def acall(self, *args: Any) -> Any:
        """Call it, from a coroutine."""
        return self._read(
            await self._wait_async(INVOKE, self._values(args, self._bridge.allowance))
        )


class GuestStream(Borrowed):
    """A stream of the guest, see :class:`coilbox.bindings.host.Stream`."""

    def __init__(
        self, bridge: CallExchange, number: int, read: Callable[[Any, Allowance], Any]
    ) -> None:
        super().__init__(bridge, number, read)
        self._items: deque[Any] = deque()
        self._finished = False
        self._most = 1

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        while not self._items:
            if self._finished:
                raise StopIteration
            self._take(self._wait(ITEMS, self._most))
        return self._items.popleft()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        while not self._items:
            if self._finished:
                raise StopAsyncIteration
            self._take(await self._wait_async(ITEMS, self._most))
        return self._items.popleft()

    def _take(self, payload: Any) -> None:
        self._finished, items = payload
        if 2 * len(items) < _ENOUGH:
            self._most = min(2 * self._most, _MOST_ITEMS)
        elif len(items) > _ENOUGH:
            self._most = max(1, self._most * _ENOUGH // len(items))
        self._items.extend(self._read(items))


def _ended() -> UsageError:
    return UsageError("the guest's callbacks and streams end with the call they came with")
