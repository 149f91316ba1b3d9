"""Bounds on nesting, and what is said of values that break a bound."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from coilbox.codec import wire
from coilbox.codec.allowance import Allowance

TOO_DEEP = f"nested deeper than {wire.MAX_DEPTH} levels, or contains itself"

_SEQUENCES = (list, tuple, set, frozenset)
_CONTAINERS = (dict, *_SEQUENCES)
_SCALARS = (str, bytes, int, float, type(None))

ATOMS = frozenset({str, bytes, int, float, bool, type(None)})
"""Exact types of values that consist of no others."""

FEW = 2048
"""So many values are encoded in one piece."""
_A_LEVEL = 8  # counts as so many values, which bounds the depth of what is looked at

_SHOWN_BITS = 128

# Integers above this length are slow to compare with Decimals; of this length it takes 0.1 ms.
HUGE_BYTES = 1024

# What a container of one byte takes in the host, at least, in bytes.
CONTAINER_WEIGHT = 64


class Malformed(Exception):
    """Bytes that are not a value of the codec; becomes GuestProtocolError."""


def shown(value: object) -> str:
    """A guest's text made fit for messages: of bounded length, without control characters.

    Python makes no text of a huge integer: that is a ValueError, and which one comes is up to
    the guest.
    """
    if isinstance(value, int) and value.bit_length() > _SHOWN_BITS:
        return f"an integer of {value.bit_length()} bits"
    if type(value) is str:
        value = value[:80]
    plain = type(value) in (str, int, bool, float)
    return repr(value)[:80] if plain else f"a {type(value).__name__}"


def is_too_deep(value: object, allowance: Allowance) -> bool:
    """Whether lists, dicts, tuples, sets and dataclasses nest beyond the limit in ``value``."""
    level = [value]
    for _ in range(wire.MAX_DEPTH):
        inner: list[Any] = []
        for item in allowance.each(level):
            for parts in _parts(item):
                inner += [part for part in allowance.each(parts) if not isinstance(part, _SCALARS)]
        level = inner
        if not level:
            return False
    return any(True for item in level for _ in _parts(item))


def _parts(item: Any) -> tuple[Collection[Any], ...]:
    """The values in a value, in some collections."""
    if isinstance(item, dict):
        return dict.keys(item), dict.values(item)
    if isinstance(item, _SEQUENCES):
        return (item,)
    if hasattr(item, "__dataclass_fields__"):
        return ([getattr(item, name) for name in item.__dataclass_fields__],)
    return ()


def is_long(value: object) -> bool:
    """Whether a value, or one of few in it, has many items, as can be seen at once."""
    if not isinstance(value, _CONTAINERS):
        return False
    if len(value) > 4 or not isinstance(value, list):
        return len(value) > FEW
    return any(isinstance(item, _CONTAINERS) and len(item) > FEW for item in value)


def is_small(value: object) -> bool:
    """Whether a value consists of so few others that it is encoded in a millisecond."""
    return type(value) in ATOMS or _room_beside(value, FEW) >= 0


def _room_beside(value: Any, room: int) -> int:
    """How many values fit beside those in this one; below 0 if they are too many, or too deep."""
    room -= _A_LEVEL
    for parts in _parts(value):
        room -= len(parts)
        if room < 0:
            return room
        for part in parts:
            if type(part) not in ATOMS:
                room = _room_beside(part, room)
                if room < 0:
                    return room
    return room
