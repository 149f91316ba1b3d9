"""Rare conversions and the errors of ``converters``."""

from __future__ import annotations

import datetime
import decimal
import uuid
from typing import Any

from coilbox.bridge.encoding import LEFT_OUT, check_depth, malformed, pack_result, unpack
from coilbox.codec import Allowance, encode
from coilbox.codec.keys import set_of
from coilbox.codec.nesting import FEW, Malformed, shown
from coilbox.codec.scalars import (
    big_int,
    from_date,
    from_datetime,
    from_decimal,
    from_time,
    from_timedelta,
    from_uuid,
    pack,
)
from coilbox.errors import GuestProtocolError

Converted = tuple[int, tuple[Any, ...], dict[str, Any]]
"""Handle, positional and keyword arguments of a call."""

_NUMBER_MAX = (1 << 63) - 1


class WrongValue(Exception):
    """A value of the host's that is not of its declared type; never reaches the guest."""


def bad(form: object, expected: str) -> GuestProtocolError:
    """The error for a form that is not of its type."""
    return malformed(f"expected {expected}, found {shown(form)}")


def wrong(value: object, expected: str) -> WrongValue:
    """The error for a value that is not of its type."""
    kind = type(value).__qualname__
    shown = f"{kind} {value!r:.40}" if isinstance(value, int) else kind
    return WrongValue(f"expected {expected}, found {shown}")


def wrong_count(given: tuple[Any, ...], wanted: int) -> TypeError:
    """The error for a callback that is called with too many or too few arguments."""
    return TypeError(f"the callback takes {wanted} arguments, not {len(given)}")


def padded(items: Any, count: int) -> list[Any]:
    """The arguments with those that were left out at the end."""
    if type(items) is not list or len(items) > count:
        raise malformed(f"expected {count} arguments")
    return items + [LEFT_OUT] * (count - len(items))


def number(form: Any) -> int:
    """A number that the guest chose for a callback or stream."""
    if type(form) is not int or not 0 <= form <= _NUMBER_MAX:
        raise bad(form, "a callback's or stream's number")
    return form


def distinct(items: list[Any], allowance: Allowance) -> set[Any]:
    """A set, unless making it would take a hostile time."""
    try:
        return set_of(items, allowance)
    except Malformed as error:
        raise malformed(str(error)) from None


def pack_pieces(form: Any, allowance: Allowance) -> bytes:
    """The bytes that ``pack`` gives, for values of many parts."""
    return encode(form, allowance=allowance)


def as_int(value: Any) -> int:
    """The integer in an instance of a subclass."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong(value, "int")
    return int.__index__(value)


def as_float(value: Any) -> float:
    """The number in an instance of a subclass, or in an integer."""
    if isinstance(value, float):
        return float.__float__(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong(value, "float")
    return float(value)


def as_str(value: Any) -> str:
    """The text in an instance of a subclass."""
    if not isinstance(value, str):
        raise wrong(value, "str")
    return str.__str__(value)


def as_bytes(value: Any) -> bytes:
    """The bytes in an instance of a subclass."""
    if not isinstance(value, bytes):
        raise wrong(value, "bytes")
    return bytes(memoryview(value))


SCOPE: dict[str, Any] = {
    "Decimal": decimal.Decimal,
    "FEW": FEW,
    "LEFT_OUT": LEFT_OUT,
    "NOTHING": pack([0, None]),
    "UUID": uuid.UUID,
    "as_bytes": as_bytes,
    "as_float": as_float,
    "as_int": as_int,
    "as_str": as_str,
    "bad": bad,
    "big_int": big_int,
    "check_depth": check_depth,
    "date": datetime.date,
    "datetime": datetime.datetime,
    "distinct": distinct,
    "from_date": from_date,
    "from_datetime": from_datetime,
    "from_decimal": from_decimal,
    "from_time": from_time,
    "from_timedelta": from_timedelta,
    "from_uuid": from_uuid,
    "number": number,
    "pack": pack,
    "pack_pieces": pack_pieces,
    "pack_result": pack_result,
    "padded": padded,
    "time": datetime.time,
    "timedelta": datetime.timedelta,
    "unpack": unpack,
    "wrong": wrong,
    "wrong_count": wrong_count,
}
"""The names that the functions begin with."""
