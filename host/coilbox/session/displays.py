"""The displays of one run: bounded as they come."""

from __future__ import annotations

from collections.abc import Callable

from coilbox.engines.protocol import StopGuest
from coilbox.errors import DisplayLimitExceeded, GuestProtocolError
from coilbox.results import Display
from coilbox.session.output import Wait, answer_of

DisplayCallback = Callable[[Display], object]

_EACH = 64  # bytes that a display counts besides its data


class Displays:
    """The displays of one run.

    Args:
        limit: bytes that they may have together.
        callback: called with each display as it comes, on the thread that runs the guest.

    Attributes:
        items: the displays so far.
        wait: waits until what the callback returned is done.
    """

    __slots__ = ("_callback", "_limit", "_number", "_used", "items", "wait")

    def __init__(self, limit: int, callback: DisplayCallback | None) -> None:
        self._limit = limit
        self._callback = callback
        self._used = 0
        self._number = 0
        self.items: list[Display] = []
        self.wait: Wait | None = None

    def take(self, shown: object, unasked: object) -> None:
        """Take what the guest shows of one object.

        Args:
            shown: pairs of kind and data.
            unasked: whether it is a last value, which the guest did not ask to show; it is left
                out if there is no room for it.

        Raises:
            StopGuest: the limit is met.
            GuestProtocolError: these are no displays.
        """
        displays = self._checked(shown)
        used = self._used + sum(_EACH + len(item.kind) + _size(item.data) for item in displays)
        if used > self._limit:
            if unasked is True:
                return
            raise StopGuest(
                DisplayLimitExceeded(
                    f"the guest displayed more than {self._limit} bytes (Limits.display_bytes)",
                    limit=self._limit,
                    used=used,
                )
            )
        self._used = used
        self._number += 1
        for display in displays:
            self.items.append(display)
            if self._callback is not None:
                answer_of(self._callback(display), self.wait)

    def _checked(self, shown: object) -> list[Display]:
        displays = []
        for pair in shown if isinstance(shown, list) else [None]:
            match pair:
                case [str(kind), str() | bytes() as data]:
                    displays.append(Display(kind, data, self._number))
                case _:
                    raise GuestProtocolError("the guest displayed what is no kind and data")
        return displays


def _size(data: str | bytes) -> int:
    return len(data) if isinstance(data, bytes) else len(data.encode("utf-8", "surrogatepass"))
