"""Host values to bytes: what MessagePack has natively goes through its packer at C speed."""

from __future__ import annotations

import datetime
import decimal
import enum
import itertools
import struct
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import msgpack  # type: ignore[import-untyped]

from coilbox.codec import wire
from coilbox.codec.allowance import UNBOUNDED, Allowance
from coilbox.codec.frames import scan
from coilbox.codec.nesting import TOO_DEEP, Malformed, is_long, is_small, is_too_deep
from coilbox.codec.registry import TypeRegistry
from coilbox.codec.scalars import (
    big_int,
    from_date,
    from_datetime,
    from_decimal,
    from_time,
    from_timedelta,
    from_uuid,
    with_surrogates,
)
from coilbox.errors import UnsupportedValueError

_INT_MIN, _INT_MAX = -(1 << 63), (1 << 64) - 1  # what MessagePack has integers for

# Subclasses go as these, found in this order (datetime is a subclass of date).
_BASES: tuple[type[Any], ...] = (
    *(str, int, float, bytes, list, tuple, dict, set, frozenset, complex),
    *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta),
    *(decimal.Decimal, uuid.UUID),
)


# What packing them raises; RuntimeError if somebody changes a dict meanwhile.
_BAD_VALUES = (ValueError, TypeError, OverflowError, RuntimeError)

# The first byte of long arrays, maps and extension values, before a length of 32 bits.
_ARRAY, _MAP, _EXTENSION = b"\xdd", b"\xdf", b"\xc9"
_LONG = 1 << 16

_TOGETHER = 64  # items of a list or dict that are packed at once if they are small


class _Refused(Exception):
    """A value that cannot cross. Its place is searched for afterwards."""


class Encoder:
    """Encodes values with declared types; not for two threads at once."""

    def __init__(self, types: TypeRegistry) -> None:
        self.types = types
        self.busy = False  # a property of a dataclass may encode, too
        self._depth = 0  # of packers at work
        self._nested = False  # whether a container went as an extension value
        self._small = False  # whether what is being packed is known to be small
        self._allowance: Allowance = UNBOUNDED
        self._packers: list[msgpack.Packer] = []
        self._makers: dict[type[Any], Callable[[Any], object]] = {
            int: big_int,
            tuple: lambda v: self._container(wire.TUPLE, v),
            set: lambda v: self._container(wire.SET, v),
            frozenset: lambda v: self._container(wire.FROZENSET, v),
            complex: lambda v: msgpack.ExtType(wire.COMPLEX, struct.pack("<dd", v.real, v.imag)),
            datetime.datetime: from_datetime,
            datetime.date: from_date,
            datetime.time: from_time,
            datetime.timedelta: from_timedelta,
            decimal.Decimal: from_decimal,
            uuid.UUID: from_uuid,
        }

    def encode(self, value: object, labels: Sequence[str], allowance: Allowance) -> bytes:
        """Return ``value`` as bytes.

        Args:
            value: the value.
            labels: names for the items of the outermost list, for messages (``args[0]['x']``).
            allowance: what may be done.

        Raises:
            UnsupportedValueError: the value, or one inside it, cannot cross.
            BaseException: what its checkpoint raises.
        """
        self.busy = True
        self._depth = 0
        self._nested = False
        self._small = not (allowance.large or is_long(value))
        self._allowance = allowance
        try:
            data = self._pack(value)
            if not scan(data, allowance).shallow and self._nested and is_too_deep(value, allowance):
                raise Malformed(TOO_DEEP)
        except (_Refused, Malformed, *_BAD_VALUES) as error:
            self._small = True
            place, reason = self._find_bad(value, labels)
            raise UnsupportedValueError(f"{place}: {reason or error}") from None
        finally:
            self.busy = False
            self._allowance = UNBOUNDED
        return data

    def _pack(self, value: object) -> bytes:
        if self._small:
            return self._pack_at_once(value)
        parts: list[bytes] = []
        self._pack_pieces(value, parts, 0)
        return b"".join(parts)

    def _pack_small(self, value: object) -> bytes:
        self._small = True
        try:
            return self._pack_at_once(value)
        finally:
            self._small = False

    def _pack_at_once(self, value: object) -> bytes:
        """Pack with the packer of the next level: one is busy while its default hook runs."""
        depth = self._depth
        self._deepen()
        try:
            return self._packers[depth].pack(value)  # type: ignore[no-any-return]
        except UnicodeEncodeError:
            self._depth = depth + 1
            return self._packers[depth].pack(with_surrogates(value))  # type: ignore[no-any-return]
        finally:
            self._depth = depth

    def _deepen(self) -> None:
        depth = self._depth
        if depth == len(self._packers):
            if depth > wire.MAX_DEPTH:
                raise _Refused(TOO_DEEP)
            self._packers.append(
                msgpack.Packer(default=self._default, strict_types=True, buf_size=4096)
            )
        self._depth = depth + 1

    # -- values that may be large, in pieces that let other threads run --------------------------

    def _pack_pieces(self, value: Any, parts: list[bytes], level: int) -> None:
        self._allowance.done()
        if is_small(value):
            parts.append(self._pack_small(value))
        elif level > wire.MAX_DEPTH:
            raise _Refused(TOO_DEEP)
        elif type(value) is list:
            parts.append(_ARRAY + len(value).to_bytes(4, "big"))
            self._pack_items(value, list, parts, level)
        elif type(value) is dict:
            parts.append(_MAP + len(value).to_bytes(4, "big"))
            self._pack_items(value.items(), dict, parts, level)
        else:
            depth = self._depth
            self._deepen()
            try:
                made = self._default(value)
            finally:
                self._depth = depth
            if isinstance(made, msgpack.ExtType) and len(made.data) >= _LONG:
                parts.append(_EXTENSION + len(made.data).to_bytes(4, "big") + bytes((made.code,)))
                parts.append(made.data)
            else:
                self._pack_pieces(made, parts, level)

    def _pack_items(
        self, items: Collection[Any], kind: type[Any], parts: list[bytes], level: int
    ) -> None:
        """Pack the items of a list or dict, which is ``kind``, some together if they are small."""
        left = len(items)
        every = iter(items)
        while some := list(itertools.islice(every, _TOGETHER)):
            left -= len(some)
            self._allowance.done(_TOGETHER)
            if is_small(some):
                # Without the head of the small list or dict.
                packed = self._pack_small(kind(some))
                parts.append(packed[1 if len(some) < 16 else 3 :])
                continue
            for item in some:
                for part in (item,) if kind is list else item:
                    self._pack_pieces(part, parts, level + 1)
        if left:
            raise _Refused("cannot send a list that is changed meanwhile")

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
        except (_Refused, *_BAD_VALUES) as error:
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
