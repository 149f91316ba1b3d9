"""Work on a guest's values: it can be long, so it looks in between whether it may go on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

from coilbox.limits import DEFAULT_LIMITS

T = TypeVar("T", bound=Sequence[Any])
U = TypeVar("U")

# Units between two looks: less than 5 ms, as a unit is some 0.1 to 3 µs.
_UNITS: Final = 1000
# Items of a list between two looks.
_PIECE: Final = 4096


def _go_on() -> None:
    """Nothing can end the work."""


class Allowance:
    """The work that may be done with the values of one guest, by any thread.

    Args:
        value_bytes: what one value may weigh, in bytes (``Limits.value_bytes``).
        checkpoint: called every few milliseconds while the host works; raises if the guest was
            stopped, cancelled or is out of time.

    Attributes:
        value_bytes: what one value may weigh, in bytes.
        checkpoint: raises if the work has to end.
        large: whether a message came whose values are too many to be worked on in one piece.
        items: how many items ``each`` has given so far.
    """

    __slots__ = ("_left", "checkpoint", "items", "large", "value_bytes")

    def __init__(
        self,
        value_bytes: int = DEFAULT_LIMITS.value_bytes,
        checkpoint: Callable[[], None] = _go_on,
    ) -> None:
        self.value_bytes = value_bytes
        self.checkpoint = checkpoint
        self.items = 0
        self.large = False
        self._left = _UNITS  # threads that count at the same time lose a few, which does no harm

    def done(self, units: int = 1) -> None:
        """So much was done; a unit is one object that Python code makes.

        Raises:
            BaseException: what the checkpoint raises.
        """
        self._left -= units
        if self._left < 0:
            self._left = _UNITS
            self.checkpoint()

    def pieces(self, items: T) -> Iterator[T]:
        """Slices of a sequence, with a checkpoint before each."""
        for start in range(0, len(items), _PIECE):
            self.checkpoint()
            yield items[start : start + _PIECE]  # type: ignore[misc]

    def each(self, items: Collection[U]) -> Iterable[U]:
        """The items of a collection, with a checkpoint every few thousand."""
        count = len(items)
        self.items += count
        if count <= _PIECE:
            self.done(count >> 3)
            return items
        return self._paced(iter(items))

    def _paced(self, items: Iterator[U]) -> Iterator[U]:
        while piece := list(itertools.islice(items, _PIECE)):
            self.checkpoint()
            yield from piece


UNBOUNDED: Final = Allowance()
"""Allowance with values of the host's own."""
