"""The wire encoding of typed values: MessagePack without names, sets, tuples or classes.

``docs/abi.md`` ("Wire encoding of typed values") has the table. What is here knows nothing
of specs: it decodes and encodes plain values, with every bound on hostile bytes.
"""

from __future__ import annotations

from typing import Any, Final

import msgpack  # type: ignore[import-untyped]

from coilbox.codec import Allowance, wire
from coilbox.codec.frames import Buffer, scan
from coilbox.codec.nesting import HUGE_BYTES, Malformed
from coilbox.codec.reader import Reader
from coilbox.codec.scalars import SCALARS, pack
from coilbox.errors import GuestProtocolError

Reply = bytes | tuple[bytes, bytes]
"""A message to the guest: bytes, or two parts that it finds one after the other.

Parts spare copying a long text or byte string once more.
"""

_LEFT_OUT_CODE = 17
_SMALL = 1024  # bytes of data that is scanned quickly
_LONG = 1 << 14


# What reading raises for bytes that hold no value, with texts without the host's secrets.
_NO_VALUE = (
    *(Malformed, msgpack.UnpackException, ValueError, TypeError, ArithmeticError),
    *(MemoryError, RecursionError),
)


class LeftOut:
    """The type of ``LEFT_OUT``: an argument that the guest did not give."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "LEFT_OUT"


LEFT_OUT: Final = LeftOut()


def malformed(reason: str) -> GuestProtocolError:
    """The error for bytes that no generated module sends."""
    return GuestProtocolError(f"the guest sent a malformed value: {reason}")


def _extension(code: int, data: bytes) -> object:
    handler = SCALARS.get(code)
    if handler is not None:
        return handler(data)
    if code == _LEFT_OUT_CODE and not data:
        return LEFT_OUT
    raise Malformed(f"extension type {code}")


class _Reader(Reader):
    """Reads messages that are not small."""

    def extension(self, code: int, data: Any) -> object:
        """See :class:`Reader`."""
        if code == wire.INT and len(data) > HUGE_BYTES:
            self.found_slow()
        elif code == wire.DECIMAL:
            self.simple = False
        return _extension(code, data)


def unpack(data: Buffer, allowance: Allowance) -> Any:
    """The plain value that ``data`` holds: lists, dicts, scalars, ``LEFT_OUT``.

    Raises:
        GuestProtocolError: it holds none, or one that is too deep.
        ValueLimitExceeded: it weighs more than a value may.
        UnsupportedValueError: a time zone in it is not known on this machine.
        BaseException: what the allowance's checkpoint raises.
    """
    try:
        if len(data) <= wire.MAX_DEPTH or _is_flat(data):
            return msgpack.unpackb(data, strict_map_key=False, timestamp=2, ext_hook=_extension)
        reader = _Reader()
        reader.begin(data, allowance)
        return reader.read_all(data, scan(data, allowance))
    except _NO_VALUE as error:
        raise malformed(str(error) or type(error).__name__) from None


def _is_flat(data: Buffer) -> bool:
    """Whether ``data`` is an array of few scalars that fill it exactly.

    Such are the calls with long texts or byte strings, which a scan would copy.
    """
    if len(data) <= _SMALL or not 0x90 <= data[0] <= 0x9F:
        return False
    place = 1
    for _ in range(data[0] & 0x0F):
        if place >= len(data):
            return False
        width = _WIDTHS[data[place]]
        if width < 0:  # a length of so many bytes follows
            start, place = place + 1, place + 1 - width
            place += int.from_bytes(data[start:place], "big")
        elif width:
            place += width
        else:
            return False
    return place == len(data)


def _widths() -> list[int]:
    """For each first byte: bytes of the value, minus the bytes of its length, or 0 (no scalar)."""
    widths = [0] * 256
    widths[:0x80] = [1] * 0x80
    widths[0xA0:0xC0] = range(1, 33)
    widths[0xC0], widths[0xC2], widths[0xC3] = 1, 1, 1
    widths[0xC4:0xC7] = [-1, -2, -4]
    widths[0xCA:0xD4] = [5, 9, 2, 3, 5, 9, 2, 3, 5, 9]
    widths[0xD9:0xDC] = [-1, -2, -4]
    widths[0xE0:] = [1] * 32
    return widths


_WIDTHS = _widths()


def pack_result(value: object) -> Reply:
    """The reply ``[0, value]``."""
    if type(value) is bytes and len(value) > _LONG:
        return b"\x92\x00\xc6" + len(value).to_bytes(4, "big"), value
    return pack([0, value])


def length_of(reply: Reply) -> int:
    """Bytes of a reply."""
    return len(reply) if isinstance(reply, bytes) else len(reply[0]) + len(reply[1])


def joined(reply: Reply) -> bytes:
    """A reply in one piece."""
    return reply if isinstance(reply, bytes) else b"".join(reply)


def array_head(count: int) -> bytes:
    """The bytes before the items of an array."""
    if count < 16:
        return bytes((0x90 | count,))
    if count < 1 << 16:
        return b"\xdc" + count.to_bytes(2, "big")
    return b"\xdd" + count.to_bytes(4, "big")


def check_depth(data: Buffer, allowance: Allowance) -> None:
    """Refuse what the other side would refuse: values of recursive types can be too deep.

    Raises:
        ValueError: it is nested too deep.
    """
    try:
        scan(data, allowance)
    except Malformed as error:
        raise ValueError(str(error)) from None
