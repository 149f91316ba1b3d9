"""Checks of what callers give: each error names the argument and says what it can be."""

from __future__ import annotations

import os
from typing import NoReturn

from coilbox.errors import UsageError

MOST = (1 << 63) - 1
"""The largest size or count."""
SHORTEST = 1e-9
"""The shortest time limit, in seconds."""
LONGEST = 1e9
"""The longest time limit, in seconds: 31 years."""
_SHOWN = 80


def shown(value: object) -> str:
    """A value in a message: its ``repr`` if that is there and short, else the start or its type."""
    try:
        text = repr(value)
    except Exception:  # of a class of the caller's, or an int of thousands of digits
        return f"this {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def checked_whole(value: object, name: str, least: int = 0, most: int = MOST) -> int:
    """A whole number within bounds.

    Args:
        value: what was given.
        name: the argument's name.
        least: the smallest number that it can be.
        most: the largest.

    Raises:
        UsageError: it is none, or beyond the bounds.
    """
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise UsageError(f"{name} must be a whole number from {least} to {most}, not {shown(value)}")


def checked_seconds(
    value: object, name: str, least: float = SHORTEST, most: float = LONGEST
) -> float:
    """A duration within bounds.

    Args:
        value: what was given.
        name: the argument's name.
        least: the shortest that it can be, in seconds.
        most: the longest.

    Raises:
        UsageError: it is none, or beyond the bounds.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(value, int | float) and number and least <= value <= most:
        return value
    bounds = f"from {least:.0e} to {most:.0f}".replace("e-0", "e-")
    raise UsageError(f"{name} must be a number of seconds {bounds}, not {shown(value)}")


def checked_flag(value: object, name: str) -> bool:
    """True or False.

    Raises:
        UsageError: it is neither; ``name`` is the argument's name.
    """
    if isinstance(value, bool):
        return value
    raise UsageError(f"{name} must be True or False, not {shown(value)}")


def checked_path(value: object, name: str) -> str:
    """The text of a path on the host.

    Raises:
        UsageError: it is no path, or one that no file can have; ``name`` is the argument's name.
    """
    try:
        path = os.fspath(value)  # type: ignore[call-overload]
    except TypeError:
        raise UsageError(f"{name} must be a str or a path, not {type(value).__name__}") from None
    if not isinstance(path, str):
        raise UsageError(f"{name} must be a str or a path of str, not of bytes")
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError:
        encoded = b"\0"
    if not encoded or b"\0" in encoded:
        raise UsageError(f"{name} is not a path: {shown(path)}")
    if len(encoded) > 4095 or any(len(part) > 255 for part in encoded.split(b"/")):
        raise UsageError(f"{name} is too long for a path: {shown(path)}")
    return path


class NotCopyable:
    """A base of what holds something that exists once, such as a guest."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse ``copy``, ``deepcopy`` and ``pickle``.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{type(self).__name__} objects cannot be copied or pickled; make another")
