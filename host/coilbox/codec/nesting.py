"""Bounds on untrusted bytes and on nesting, checked at C speed where that is possible."""

from __future__ import annotations

import collections
import decimal
from collections.abc import Iterable
from typing import Any

import msgpack  # type: ignore[import-untyped]

from coilbox.codec import wire

TOO_DEEP = f"nested deeper than {wire.MAX_DEPTH} levels, or contains itself"

# msgpack's parser stops at 1024 levels. With this many levels in front of the data it stops at 128.
_LEVELS_IN_FRONT = b"\x91" * (1024 - wire.MAX_DEPTH)

# The first bytes of lists, dicts and extension values.
_OPENERS = bytes([*range(0x80, 0xA0), *range(0xC7, 0xCA), *range(0xD4, 0xD9), *range(0xDC, 0xE0)])

# A scan costs 3 µs, counting openers 1 ns for each byte.
_COUNT_UP_TO = 1024

_PLAIN = {str, bytes, float, bool, type(None)}
_SEQUENCES = (list, tuple, set, frozenset)
_SCALARS = (str, bytes, int, float, type(None))

_SHOWN_BITS = 128

# In one dict or set, so many keys of equal hash are taken for an attack. Keys that are not text
# have hashes that a guest can compute, and n of one hash cost n² comparisons.
_EQUAL_HASHES = 32


# To compare a Decimal with an integer Python converts the integer, which takes time quadratic in
# its length: 14 s for 400 KB. Of this length it takes 0.1 ms.
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
    plain = type(value) in (str, int, bool, float)
    return repr(value)[:80] if plain else f"a {type(value).__name__}"


def scan(data: bytes) -> bool:
    """Check the frame of ``data`` without making objects; return whether it is surely shallow.

    After a scan of data above a few hundred bytes, every length in it is true, so that decoding
    allocates no more than a multiple of its size, and lists and dicts nest within the limit.
    (Extension values are opaque here: what is in them is scanned when they are decoded.)

    Returns:
        True if nothing in ``data``, extension values included, can exceed the depth limit.

    Raises:
        Malformed: cut off, too deep, or not MessagePack.
    """
    size = len(data)
    if size <= wire.MAX_DEPTH:
        return True
    if size <= _COUNT_UP_TO and size - len(data.translate(None, _OPENERS)) <= wire.MAX_DEPTH:
        return True
    unpacker = msgpack.Unpacker(max_buffer_size=size + len(_LEVELS_IN_FRONT), timestamp=2)
    unpacker.feed(_LEVELS_IN_FRONT)
    unpacker.feed(data)
    try:
        unpacker.skip()
    except msgpack.StackError:
        raise Malformed(TOO_DEEP) from None
    except (ValueError, msgpack.UnpackException) as error:
        raise Malformed(str(error) or "cut off") from None
    return False


def may_weigh(data: bytes, limit: int) -> bool:
    """Whether ``data`` can weigh more than ``limit``: if each opener in it were a container."""
    size = len(data)
    if size * (CONTAINER_WEIGHT + 1) <= limit:
        return False
    return size + CONTAINER_WEIGHT * (size - len(data.translate(None, _OPENERS))) > limit


def is_too_deep(value: object) -> bool:
    """Whether lists, dicts, tuples, sets and dataclasses nest beyond the limit in ``value``."""
    level = [value]
    for _ in range(wire.MAX_DEPTH):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(dict.keys(item))
                inner.extend(dict.values(item))
            elif isinstance(item, _SEQUENCES):
                inner.extend(item)
            elif hasattr(item, "__dataclass_fields__"):
                inner.extend(getattr(item, name) for name in item.__dataclass_fields__)
        level = [item for item in inner if not isinstance(item, _SCALARS)]
        if not level:
            return False
    return any(
        isinstance(item, (dict, *_SEQUENCES)) or hasattr(item, "__dataclass_fields__")
        for item in level
    )


def may_hold_huge(data: bytes) -> bool:
    """Whether an integer longer than HUGE_BYTES can be in ``data``: an extension of long length."""
    return len(data) > HUGE_BYTES and (b"\xc8" in data or b"\xc9" in data)


def check_comparisons(keys: list[Any]) -> None:
    """Refuse keys of one dict or set that could take hours to be compared.

    Raises:
        Malformed: there is a huge integer among them, and a Decimal.
    """
    if _PLAIN.issuperset(map(type, keys)):
        return
    huge = decimals = False
    waiting = keys.copy()
    while waiting:
        key = waiting.pop()
        if isinstance(key, int):
            huge = huge or key.bit_length() > 8 * HUGE_BYTES
        elif isinstance(key, decimal.Decimal):
            decimals = True
        elif isinstance(key, (tuple, frozenset)):
            waiting.extend(key)
        elif hasattr(key, "__dataclass_fields__"):
            waiting.extend(getattr(key, name) for name in key.__dataclass_fields__)
    if huge and decimals:
        raise Malformed("a huge integer and a Decimal as keys of one dict or set")


def check_hashes(keys: Iterable[object], count: int) -> None:
    """Refuse ``count`` keys of a dict or set when too many share one hash.

    Raises:
        Malformed: too many keys share one hash, or a key has none.
    """
    if count <= _EQUAL_HASHES:
        return
    try:
        [(_, most)] = collections.Counter(map(hash, keys)).most_common(1)
    except TypeError as error:
        raise Malformed(str(error)) from None
    if most > _EQUAL_HASHES:
        raise Malformed(f"{most} keys of one dict or set have the same hash")
