"""Callbacks and streams that the guest lends to a host function for the length of a call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T_co = TypeVar("T_co", covariant=True)


class Stream(Protocol[T_co]):
    """A stream that the guest sends: read it with ``for``, or ``async for`` in a coroutine."""

    def __iter__(self) -> Iterator[T_co]: ...

    def __aiter__(self) -> AsyncIterator[T_co]: ...


class Callback(Protocol[P, T_co]):
    """A function of the guest. Call it plainly in plain functions, with ``acall`` in coroutines."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co:
        """Call it and wait for its result. Arguments go by position.

        Raises:
            GuestError: it raised, or the guest is stopped.
            UsageError: the call with which it came has ended, or this is a coroutine.
        """

    async def acall(self, *args: P.args, **kwargs: P.kwargs) -> T_co:
        """Call it from a coroutine; the same otherwise."""
