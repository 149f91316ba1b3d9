"""The frame of a message: where its values lie, found without making objects, in pieces."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgpack  # type: ignore[import-untyped]

from coilbox.codec import wire
from coilbox.codec.allowance import Allowance
from coilbox.codec.nesting import CONTAINER_WEIGHT, TOO_DEEP, Malformed

Buffer = bytes | memoryview

PIECE: Final = 1 << 15
"""Bytes that are decoded at once: some 2 ms for as many empty lists."""

_SCANNED = 1 << 17  # bytes that are scanned at once: 1 ms, as no objects are made

# msgpack's parser stops at 1024 levels. With this many levels in front of the data it stops at 128.
_LEVELS_IN_FRONT = b"\x91" * (1024 - wire.MAX_DEPTH)

# The first bytes of lists, dicts and extension values.
_OPENERS = bytes([*range(0x80, 0xA0), *range(0xC7, 0xCA), *range(0xD4, 0xD9), *range(0xDC, 0xE0)])

# A scan costs 3 µs, counting openers 1 ns for each byte.
_COUNT_UP_TO = 1024

# Texts, byte strings and extension values longer than this have lengths of 32 bits.
_LONG = (1 << 16) + 1
_HEAD = 5  # bytes of their first byte and length
_EXTENSION = 0xC9


class Long(NamedTuple):
    """A long text, byte string or extension value in a message.

    Attributes:
        start: where it begins.
        kind: its first byte.
        body: where its content begins; in an extension value its type is the first byte of it.
        end: where it ends.
    """

    start: int
    kind: int
    body: int
    end: int


class Frame(NamedTuple):
    """The result of a scan.

    Attributes:
        shallow: whether nothing in the message, extension values included, can exceed the depth
            limit.
        longs: its long values outside of others, in their order; known of long messages only.
    """

    shallow: bool
    longs: tuple[Long, ...] = ()


_SHALLOW = Frame(True)
_UNKNOWN = Frame(False)


def scan(data: Buffer, allowance: Allowance) -> Frame:
    """Check the frame of ``data``.

    After a scan of data above a few hundred bytes, every length in it is true, so that decoding
    allocates no more than a multiple of its size, and lists and dicts nest within the limit.
    (Extension values are opaque here: what is in them is scanned when they are decoded.)

    Raises:
        Malformed: cut off, too deep, or not MessagePack.
    """
    size = len(data)
    if size <= wire.MAX_DEPTH:
        return _SHALLOW
    if size <= _COUNT_UP_TO and _openers(data) <= wire.MAX_DEPTH:
        return _SHALLOW
    front = len(_LEVELS_IN_FRONT)
    # Its buffer never moves, however long a value is that it waits for.
    whole = size + front
    unpacker = msgpack.Unpacker(read_size=whole, max_buffer_size=whole, timestamp=2)
    unpacker.feed(_LEVELS_IN_FRONT)
    longs: list[Long] = []
    fed = known = 0
    while fed < size:
        unpacker.feed(data[fed : fed + _SCANNED] if size > _SCANNED else data)
        fed += _SCANNED
        if fed > _SCANNED:
            allowance.checkpoint()
        try:
            unpacker.skip()
        except msgpack.OutOfData:
            place = unpacker.tell() - front
            if place > known and min(fed, size) - place > _LONG:
                known = place
                longs.append(_long(data, place))
        except msgpack.StackError:
            raise Malformed(TOO_DEEP) from None
        except (ValueError, msgpack.UnpackException) as error:
            raise Malformed(str(error) or "cut off") from None
        else:
            if unpacker.tell() - front != size:
                raise Malformed("bytes behind the value")
            return Frame(False, tuple(longs)) if longs else _UNKNOWN
    raise Malformed("cut off")


def _long(data: Buffer, body: int) -> Long:
    """The value that a scan waits for, whose content begins at ``body``."""
    start = body - _HEAD
    kind = data[start]
    end = body + int.from_bytes(data[start + 1 : body], "big") + (kind == _EXTENSION)
    if end > len(data):
        raise Malformed("cut off")
    return Long(start, kind, body, end)


def may_weigh(data: Buffer, allowance: Allowance) -> bool:
    """Whether ``data`` can weigh more than it may: if each opener in it were a container."""
    size, limit = len(data), allowance.value_bytes
    if size * (CONTAINER_WEIGHT + 1) <= limit:
        return False
    weight = size
    for start in range(0, size, PIECE):
        weight += CONTAINER_WEIGHT * _openers(data[start : start + PIECE])
        if weight > limit:
            return True
        allowance.done(16)
    return False


def _openers(data: Buffer) -> int:
    """How many bytes could be the first ones of lists, dicts or extension values."""
    return len(data) - len(bytes(data).translate(None, _OPENERS))
