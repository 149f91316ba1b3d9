"""Scalars that are extension values: bytes of the guest's to objects, and objects to bytes."""

from __future__ import annotations

import datetime
import decimal
import re
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any

import msgpack  # type: ignore[import-untyped]

from coilbox.codec import wire
from coilbox.codec.nesting import Malformed
from coilbox.errors import UnsupportedValueError, ValueLimitExceeded

# Of a date or time; bounds what hostile nesting in it can allocate. The longest part is the name
# of a time zone.
_FIELDS_BYTES = 512

# Longer numbers would take more than some milliseconds in one piece.
_INTEGER_BYTES = 1 << 22
_DECIMAL_BYTES = 1 << 18

_ZONE = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,3}")
_DECIMAL = re.compile(
    rb"[+-]?(\d+(\.\d*)?|\.\d+)(E[+-]?\d{1,18})?|[+-]?(Infinity|s?NaN\d*)", re.I | re.A
)
_MICROSECOND = datetime.timedelta(microseconds=1)
_EXACT = decimal.Context(prec=decimal.MAX_PREC, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)


def _fields(data: bytes, count: int) -> list[Any]:
    """The array of a date or time."""
    if len(data) > _FIELDS_BYTES:
        raise Malformed("a date or time of too many bytes")
    items = msgpack.unpackb(data, timestamp=2)
    if type(items) is not list or len(items) != count:
        raise Malformed("an extension value without its array")
    return items


def _integers(items: list[Any]) -> list[int]:
    for item in items:
        if type(item) is not int:
            raise Malformed("a date or time with fields that are not integers")
    return items


def _datetime(data: bytes) -> datetime.datetime:
    *fields, fold, zone = _fields(data, 9)
    year, month, day, hour, minute, second, micro = _integers(fields)
    return datetime.datetime(
        year, month, day, hour, minute, second, micro, _zone(zone), fold=_fold(fold)
    )


def _date(data: bytes) -> datetime.date:
    year, month, day = _integers(_fields(data, 3))
    return datetime.date(year, month, day)


def _time(data: bytes) -> datetime.time:
    *fields, fold, zone = _fields(data, 6)
    hour, minute, second, micro = _integers(fields)
    return datetime.time(hour, minute, second, micro, _zone(zone), fold=_fold(fold))


def _timedelta(data: bytes) -> datetime.timedelta:
    days, seconds, micros = _integers(_fields(data, 3))
    return datetime.timedelta(days, seconds, micros)


def _big_int(data: bytes) -> int:
    _check_size(data, "an integer", _INTEGER_BYTES)
    return int.from_bytes(data, "little", signed=True)


def _check_size(data: bytes, what: str, limit: int) -> None:
    if len(data) > limit:
        raise ValueLimitExceeded(
            f"the guest sent {what} of {len(data)} bytes; the longest that can cross has {limit}",
            limit=limit,
            used=len(data),
        )


def _surrogates(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _decimal(data: bytes) -> decimal.Decimal:
    _check_size(data, "a Decimal", _DECIMAL_BYTES)
    if not _DECIMAL.fullmatch(data):
        raise Malformed("a Decimal that is not a number")
    return _EXACT.create_decimal(data.decode("ascii"))


def _uuid(data: bytes) -> uuid.UUID:
    return uuid.UUID(bytes=data)


def _fold(fold: object) -> int:
    if type(fold) is not int or fold not in (0, 1):
        raise Malformed("a time with a fold other than 0 and 1")
    return fold


def _zone(zone: object) -> datetime.tzinfo | None:
    if zone is None:
        return None
    if type(zone) is str:
        if not _ZONE.fullmatch(zone):
            raise Malformed("a time zone that is not the name of one")
        try:
            return zoneinfo.ZoneInfo(zone)
        except Exception:
            # Not the guest's fault: it may know more zones than this machine.
            raise UnsupportedValueError(
                f"the guest sent a time in the zone {zone!r}, which this machine has no data for: "
                "install the tzdata package"
            ) from None
    if type(zone) is not list or len(zone) != 2 or type(zone[0]) is not int:
        raise Malformed("a time zone that is neither a name nor an offset")
    offset = datetime.timedelta(microseconds=zone[0])
    if zone[1] is None:
        return datetime.timezone(offset)
    if type(zone[1]) is not str:
        raise Malformed("a time zone whose name is not a text")
    return datetime.timezone(offset, zone[1])


SCALARS: dict[int, Callable[[bytes], object]] = {
    wire.INT: _big_int,
    wire.SURROGATES: _surrogates,
    wire.DATETIME: _datetime,
    wire.DATE: _date,
    wire.TIME: _time,
    wire.TIMEDELTA: _timedelta,
    wire.DECIMAL: _decimal,
    wire.UUID: _uuid,
}
"""The function that makes the object, by the number of the extension type."""


# -- objects to extension values ------------------------------------------------------------------

# One packer serves all threads: it holds the GIL throughout and runs no Python code, as what
# it is given consists of exact built-in types.
_pack = msgpack.Packer(strict_types=True, buf_size=4096).pack


def pack(value: object) -> bytes:
    """A value of exact built-in types (no tuples, no sets) and extension values, as bytes."""
    try:
        return _pack(value)  # type: ignore[no-any-return]
    except UnicodeEncodeError:
        return _pack(with_surrogates(value))  # type: ignore[no-any-return]


def with_surrogates(value: Any) -> object:
    """Replace text with lone surrogates, which the packer refuses."""
    if type(value) is str:
        try:
            value.encode()
        except UnicodeEncodeError:
            return msgpack.ExtType(wire.SURROGATES, value.encode("utf-8", "surrogatepass"))
        return value
    if type(value) is list:
        return [with_surrogates(item) for item in value]
    if type(value) is dict:
        return {with_surrogates(key): with_surrogates(item) for key, item in value.items()}
    return value


def big_int(value: int) -> msgpack.ExtType:
    """An integer outside of what MessagePack has."""
    # One bit for the sign; ~value has as many bits as value needs when it is negative.
    bits = (value if value >= 0 else ~value).bit_length() + 1
    return msgpack.ExtType(wire.INT, value.to_bytes((bits + 7) // 8, "little", signed=True))


def from_datetime(v: datetime.datetime) -> msgpack.ExtType:
    """A datetime."""
    parts = [v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond, v.fold]
    return msgpack.ExtType(wire.DATETIME, pack([*parts, _zone_form(v.tzinfo)]))


def from_date(v: datetime.date) -> msgpack.ExtType:
    """A date."""
    return msgpack.ExtType(wire.DATE, pack([v.year, v.month, v.day]))


def from_time(v: datetime.time) -> msgpack.ExtType:
    """A time."""
    parts = [v.hour, v.minute, v.second, v.microsecond, v.fold]
    return msgpack.ExtType(wire.TIME, pack([*parts, _zone_form(v.tzinfo)]))


def from_timedelta(v: datetime.timedelta) -> msgpack.ExtType:
    """A timedelta."""
    return msgpack.ExtType(wire.TIMEDELTA, pack([v.days, v.seconds, v.microseconds]))


def from_decimal(v: decimal.Decimal) -> msgpack.ExtType:
    """A Decimal."""
    return msgpack.ExtType(wire.DECIMAL, decimal.Decimal.__str__(v).encode("ascii"))


def from_uuid(v: uuid.UUID) -> msgpack.ExtType:
    """A UUID."""
    return msgpack.ExtType(wire.UUID, v.bytes)


def _zone_form(zone: datetime.tzinfo | None) -> object:
    if zone is None:
        return None
    if isinstance(zone, datetime.timezone):
        # The arguments that it was made with: its name only if one was given.
        offset, *name = zone.__getinitargs__()  # type: ignore[attr-defined]
        return [offset // _MICROSECOND, name[0] if name else None]
    if isinstance(zone, zoneinfo.ZoneInfo) and zone.key is not None:
        return zone.key
    kind = type(zone)
    raise ValueError(
        f"cannot send a time zone of type {kind.__module__}.{kind.__qualname__}: "
        "use datetime.timezone or zoneinfo.ZoneInfo"
    )
