"""Host values to bytes: what MessagePack has natively goes through its packer at C speed."""

from __future__ import annotations

import datetime
import decimal
import enum
import struct
import uuid
import zoneinfo
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgpack  # type: ignore[import-untyped]

from coilbox.codec import wire
from coilbox.codec.nesting import TOO_DEEP, Malformed, is_too_deep, scan
from coilbox.codec.registry import TypeRegistry
from coilbox.errors import UnsupportedValueError

_INT_MIN, _INT_MAX = -(1 << 63), (1 << 64) - 1  # what MessagePack has integers for
_MICROSECOND = datetime.timedelta(microseconds=1)

# Subclasses go as these, found in this order (datetime is a subclass of date).
_BASES: tuple[type[Any], ...] = (
    *(str, int, float, bytes, list, tuple, dict, set, frozenset, complex),
    *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta),
    *(decimal.Decimal, uuid.UUID),
)


class _Refused(Exception):
    """A value that cannot cross. Its place is searched for afterwards."""


class Encoder:
    """Encodes values with declared types; not for two threads at once."""

    def __init__(self, types: TypeRegistry) -> None:
        self.types = types
        self.busy = False  # a property of a dataclass may encode, too
        self._depth = 0  # of packers at work
        self._nested = False  # whether a container went as an extension value
        self._packers: list[msgpack.Packer] = []
        self._makers: dict[type[Any], Callable[[Any], object]] = {
            int: _big_int,
            tuple: lambda v: self._container(wire.TUPLE, v),
            set: lambda v: self._container(wire.SET, v),
            frozenset: lambda v: self._container(wire.FROZENSET, v),
            complex: lambda v: msgpack.ExtType(wire.COMPLEX, struct.pack("<dd", v.real, v.imag)),
            datetime.datetime: lambda v: self._fields(
                wire.DATETIME,
                *(v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond, v.fold),
                _zone(v.tzinfo),
            ),
            datetime.date: lambda v: self._fields(wire.DATE, v.year, v.month, v.day),
            datetime.time: lambda v: self._fields(
                wire.TIME, v.hour, v.minute, v.second, v.microsecond, v.fold, _zone(v.tzinfo)
            ),
            datetime.timedelta: lambda v: self._fields(
                wire.TIMEDELTA, v.days, v.seconds, v.microseconds
            ),
            decimal.Decimal: lambda v: msgpack.ExtType(wire.DECIMAL, str(v).encode("ascii")),
            uuid.UUID: lambda v: msgpack.ExtType(wire.UUID, v.bytes),
        }

    def encode(self, value: object, labels: Sequence[str] = ()) -> bytes:
        """Return ``value`` as bytes.

        Args:
            value: the value.
            labels: names for the items of the outermost list, for messages (``args[0]['x']``).

        Raises:
            UnsupportedValueError: the value, or one inside it, cannot cross.
        """
        self.busy = True
        self._depth = 0
        self._nested = False
        try:
            data = self._pack(value)
            if not scan(data) and self._nested and is_too_deep(value):
                raise Malformed(TOO_DEEP)
        except (_Refused, Malformed, ValueError, TypeError, OverflowError) as error:
            place, reason = self._find_bad(value, labels)
            raise UnsupportedValueError(f"{place}: {reason or error}") from None
        finally:
            self.busy = False
        return data

    def _pack(self, value: object) -> bytes:
        """Pack with the packer of the next level: one is busy while its default hook runs."""
        depth = self._depth
        if depth == len(self._packers):
            if depth > wire.MAX_DEPTH:
                raise _Refused(TOO_DEEP)
            self._packers.append(
                msgpack.Packer(default=self._default, strict_types=True, buf_size=4096)
            )
        self._depth = depth + 1
        try:
            return self._packers[depth].pack(value)  # type: ignore[no-any-return]
        except UnicodeEncodeError:
            self._depth = depth + 1
            return self._packers[depth].pack(_with_surrogates(value))  # type: ignore[no-any-return]
        finally:
            self._depth = depth

    def _default(self, value: Any) -> object:
        """Turn what MessagePack has no type for into something that it has."""
        cls = type(value)
        maker = self._makers.get(cls)
        if maker is not None:
            return maker(value)
        name = self.types.names.get(cls)
        if name is not None:
            return self._declared(name, value)
        if isinstance(value, enum.Enum):
            raise _Refused(f"cannot send the enum {cls.__qualname__}: declare it first")
        if hasattr(cls, "__dataclass_fields__"):
            raise _Refused(f"cannot send the dataclass {cls.__qualname__}: declare it first")
        for base in _BASES:
            if isinstance(value, base):
                return self._as_base(base, value)
        kind = cls.__qualname__ if cls.__module__ == "builtins" else _full_name(cls)
        raise _Refused(f"cannot send {'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}")

    def _as_base(self, base: type[Any], value: Any) -> object:
        """Take the built-in part of an instance of a subclass, whatever the subclass overrides."""
        if base is int:
            exact: Any = int.__index__(value)
        elif base is float:
            exact = float.__float__(value)
        elif base is str:
            exact = str.__str__(value)
        elif base is dict:
            exact = dict(dict.items(value))
        elif base in (bytes, list, tuple, set, frozenset):
            exact = base(base.__iter__(value))
        else:
            exact = value
        maker = self._makers.get(base)
        if maker is None or (base is int and _INT_MIN <= exact <= _INT_MAX):
            return exact
        return maker(exact)

    def _declared(self, name: str, value: Any) -> msgpack.ExtType:
        if isinstance(value, enum.Enum):
            # Combinations of flags have no name of their own.
            member = value.value if isinstance(value, enum.Flag) else value.name
            return msgpack.ExtType(wire.ENUM, self._pack([name, member]))
        self._nested = True
        fields = self.types.dataclasses[name].fields
        members = {field: getattr(value, field) for field in fields}
        return msgpack.ExtType(wire.DATACLASS, self._pack([name, members]))

    def _container(self, code: int, value: Any) -> msgpack.ExtType:
        self._nested = True
        return msgpack.ExtType(code, self._pack(list(value)))

    def _fields(self, code: int, *fields: object) -> msgpack.ExtType:
        return msgpack.ExtType(code, self._pack(list(fields)))

    def _find_bad(self, value: object, labels: Sequence[str]) -> tuple[str, str]:
        """Return place and reason of the first value inside ``value`` that cannot cross."""
        if labels and isinstance(value, list):
            for label, item in zip(labels, value, strict=False):
                place, reason = self._find(item, label, 1)
                if reason:
                    return place, reason
            return "the value", ""
        return self._find(value, "value", 0)

    def _find(self, value: object, place: str, depth: int) -> tuple[str, str]:
        if depth > wire.MAX_DEPTH:
            # The whole place would be 128 subscripts: its beginning says enough.
            return place[:80] + "...", TOO_DEEP
        if _is_container(value) or type(value) in self.types.names:
            for step, child in self._children(value):
                found = self._find(child, place + step, depth + 1)
                if found[1]:
                    return found
            return place, ""
        self._depth = 0
        try:
            self._pack(value)
        except (_Refused, ValueError, TypeError, OverflowError) as error:
            return place, str(error)
        return place, ""

    def _children(self, value: Any) -> Iterator[tuple[str, object]]:
        if isinstance(value, enum.Enum):
            return
        if isinstance(value, dict):
            for key, child in dict.items(value):
                yield f" key {_short(key)}", key
                yield f"[{_short(key)}]", child
        elif isinstance(value, (list, tuple)):
            for index, child in enumerate(value):
                yield f"[{index}]", child
        elif isinstance(value, (set, frozenset)):
            for child in value:
                yield f"{{{_short(child)}}}", child
        else:
            for field in self.types.dataclasses[self.types.names[type(value)]].fields:
                yield f".{field}", getattr(value, field)


def _is_container(value: object) -> bool:
    return isinstance(value, (dict, list, tuple, set, frozenset)) and not (
        isinstance(value, enum.Enum) or hasattr(value, "__dataclass_fields__")
    )


def _full_name(cls: type[Any]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _short(value: object) -> str:
    """A bounded repr, for places in messages."""
    if isinstance(value, (str, bytes)):
        return repr(value[:40]) + ("..." if len(value) > 40 else "")
    if isinstance(value, (int, float)):
        return repr(value) if abs(value) < 1e30 else "..."
    return f"<{type(value).__qualname__}>"


def _with_surrogates(value: Any) -> object:
    """Replace text with lone surrogates, which the packer refuses, in what the packer packs."""
    if type(value) is str:
        try:
            value.encode()
        except UnicodeEncodeError:
            return msgpack.ExtType(wire.SURROGATES, value.encode("utf-8", "surrogatepass"))
        return value
    if type(value) is list:
        return [_with_surrogates(item) for item in value]
    if type(value) is dict:
        return {_with_surrogates(key): _with_surrogates(item) for key, item in value.items()}
    return value


def _big_int(value: int) -> msgpack.ExtType:
    # One bit for the sign; ~value has as many bits as value needs when it is negative.
    bits = (value if value >= 0 else ~value).bit_length() + 1
    return msgpack.ExtType(wire.INT, value.to_bytes((bits + 7) // 8, "little", signed=True))


def _zone(zone: datetime.tzinfo | None) -> object:
    if zone is None:
        return None
    if isinstance(zone, datetime.timezone):
        # The arguments that it was made with: its name only if one was given.
        offset, *name = zone.__getinitargs__()  # type: ignore[attr-defined]
        return [offset // _MICROSECOND, name[0] if name else None]
    if isinstance(zone, zoneinfo.ZoneInfo) and zone.key is not None:
        return zone.key
    raise _Refused(
        f"cannot send a time zone of type {_full_name(type(zone))}: "
        "use datetime.timezone or zoneinfo.ZoneInfo"
    )
