"""Bytes from the guest to host values. The guest may be hostile: every byte is doubted."""

from __future__ import annotations

import enum
import functools
import struct
from collections.abc import Callable
from typing import Any

import msgpack  # type: ignore[import-untyped]

from coilbox.codec import wire
from coilbox.codec.nesting import (
    CONTAINER_WEIGHT,
    HUGE_BYTES,
    TOO_DEEP,
    Malformed,
    check_comparisons,
    check_hashes,
    is_too_deep,
    may_hold_huge,
    may_weigh,
    scan,
    shown,
)
from coilbox.codec.registry import Opaque, TypeRegistry
from coilbox.codec.scalars import SCALARS
from coilbox.errors import GuestProtocolError, ValueLimitExceeded

# Decoding a nested extension value copies it; so many times the message may be copied altogether.
_COPIES = 16
_COPIES_FREE = 1 << 20

_COMPLEX_SIZE = 16

# Combinations of a Flag, which stay in the process: some 30 MB of them.
_COMBINATIONS = 1 << 16

# Below this size keys of equal hash cannot cost much; above it a hook checks every dict.
_CHECK_HASHES_FROM = 1 << 15


class Decoder:
    """Decodes values with declared types; not for two threads at once."""

    def __init__(self, types: TypeRegistry) -> None:
        self.types = types
        self.busy = False  # a dataclass's constructor may decode, too
        self._depth = 0  # of extension values being decoded
        self._budget = 0
        self._nested = False  # whether a container came as an extension value
        self._careful = False
        self._huge = False  # whether there was an integer that is slow to compare with Decimals
        self._decimals = False
        self._limit = 0
        self._weight = 0
        self._weighing = False
        self._unpackb = functools.partial(
            msgpack.unpackb,
            strict_map_key=False,
            timestamp=2,  # ext -1 is not in the codec; as an integer it does no harm
            ext_hook=self._ext,
        )
        self._handlers: dict[int, Callable[[bytes], object]] = {
            **SCALARS,
            wire.INT: self._big_int,
            wire.DECIMAL: self._decimal,
            wire.TUPLE: self._tuple,
            wire.SET: self._set,
            wire.FROZENSET: self._frozenset,
            wire.ENUM: self._enum,
            wire.DATACLASS: self._dataclass,
            wire.COMPLEX: _complex,
            wire.OPAQUE: self._opaque,
        }

    def decode(self, data: bytes, limit: int) -> object:
        """Return the value that ``data`` holds, if it weighs no more than ``limit``.

        Raises:
            GuestProtocolError: ``data`` is not a value of the codec.
            ValueLimitExceeded: it weighs more.
            UnsupportedValueError: a time zone in ``data`` is not known on this machine.
        """
        self.busy = True
        self._depth = 0
        self._budget = len(data) * _COPIES + _COPIES_FREE
        self._nested = False
        self._huge = self._decimals = False
        self._careful = len(data) >= _CHECK_HASHES_FROM or may_hold_huge(data)
        self._limit = limit
        self._weight = 0
        self._weighing = False
        self._add_weight(len(data))
        self._weighing = may_weigh(data, limit)
        try:
            shallow = scan(data)
            value = self._unpack(data)
            if self._nested and not shallow and is_too_deep(value):
                raise Malformed(TOO_DEEP)
        except Malformed as error:
            raise GuestProtocolError(f"the guest sent a malformed value: {error}") from None
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            # msgpack reports broken framing and unhashable keys so; texts of its own making.
            reason = str(error) or type(error).__name__
            raise GuestProtocolError(f"the guest sent a malformed value: {reason}") from None
        except (OverflowError, MemoryError, RecursionError, ArithmeticError) as error:
            kind = type(error).__name__
            raise GuestProtocolError(f"the guest sent a malformed value: {kind}") from None
        finally:
            self.busy = False
        return value

    def _add_weight(self, weight: int) -> None:
        self._weight += weight
        if self._weight > self._limit:
            raise ValueLimitExceeded(
                f"the guest sent a value that takes more than {self._limit} bytes "
                "(Limits.value_bytes)",
                limit=self._limit,
                used=self._weight,
            )

    def _weigh_list(self, items: list[Any]) -> list[Any]:
        self._add_weight(CONTAINER_WEIGHT)
        return items

    def _weigh_dict(self, pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
        self._add_weight(CONTAINER_WEIGHT)
        return self._checked_dict(pairs)

    def _checked_dict(self, pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
        self._check_keys([key for key, _ in pairs])
        return dict(pairs)

    def _check_keys(self, keys: list[Any]) -> None:
        check_hashes(keys, len(keys))
        if self._huge and self._decimals:
            check_comparisons(keys)

    def _big_int(self, data: bytes) -> object:
        self._huge = self._huge or len(data) > HUGE_BYTES
        return SCALARS[wire.INT](data)

    def _decimal(self, data: bytes) -> object:
        self._decimals = True
        return SCALARS[wire.DECIMAL](data)

    def _unpack(self, data: bytes) -> Any:
        if self._weighing:
            return self._unpackb(
                data, list_hook=self._weigh_list, object_pairs_hook=self._weigh_dict
            )
        if self._careful:
            return self._unpackb(data, object_pairs_hook=self._checked_dict)
        return self._unpackb(data)

    def _ext(self, code: int, data: bytes) -> object:
        handler = self._handlers.get(code)
        if handler is None:
            raise Malformed(f"extension type {code}")
        if self._weighing:
            self._add_weight(CONTAINER_WEIGHT)
        self._budget -= len(data)
        if self._budget < 0:
            raise Malformed("tuples, sets or dataclasses with too much data in too many levels")
        return handler(data)

    def _nest(self, data: bytes) -> Any:
        """Decode the payload of an extension value."""
        if self._depth >= wire.MAX_DEPTH:
            raise Malformed(TOO_DEEP)
        scan(data)
        self._depth += 1
        value = self._unpack(data)
        self._depth -= 1
        return value

    def _items(self, data: bytes, counts: tuple[int, ...] = ()) -> list[Any]:
        items = self._nest(data)
        if type(items) is not list or (counts and len(items) not in counts):
            raise Malformed("an extension value without its array")
        return items

    def _tuple(self, data: bytes) -> tuple[Any, ...]:
        self._nested = True
        return tuple(self._items(data))

    def _set(self, data: bytes) -> set[Any]:
        self._nested = True
        items = self._items(data)
        self._check_keys(items)
        return set(items)

    def _frozenset(self, data: bytes) -> frozenset[Any]:
        self._nested = True
        items = self._items(data)
        self._check_keys(items)
        return frozenset(items)

    def _enum(self, data: bytes) -> enum.Enum:
        name, member = self._items(data, (2,))
        cls = self.types.enums.get(name) if type(name) is str else None
        if cls is None:
            raise Malformed(f"the enum {shown(name)}, which is not declared")
        if issubclass(cls, enum.Flag):
            if type(member) is int:
                return _flags(cls, member)
        elif type(member) is str and member in cls.__members__:
            return cls[member]
        raise Malformed(f"{shown(member)}, which is not a member of the enum {name}")

    def _dataclass(self, data: bytes) -> object:
        self._nested = True
        name, values = self._items(data, (2,))
        plan = self.types.dataclasses.get(name) if type(name) is str else None
        if plan is None:
            raise Malformed(f"the dataclass {shown(name)}, which is not declared")
        if type(values) is not dict or values.keys() != set(plan.fields):
            raise Malformed(f"the dataclass {name} with other fields than it has")
        late = {field: values.pop(field) for field in plan.late}
        try:
            made = plan.cls(**values)
        except Exception as error:
            raise Malformed(f"the dataclass {name} refused its fields: {error}") from error
        for field, value in late.items():
            object.__setattr__(made, field, value)
        return made

    def _opaque(self, data: bytes) -> Opaque:
        type_name, text = self._items(data, (2,))
        if type(type_name) is not str or type(text) is not str:
            raise Malformed("an opaque value without its texts")
        return Opaque(type_name, text)


def _flags(cls: type[enum.Flag], value: int) -> enum.Flag:
    """The combination of that value.

    Python keeps each combination that ever was made in its class, for the life of the process.
    """
    kept = cls._value2member_map_
    if value in kept:
        return cls(value)
    if len(kept) >= _COMBINATIONS:
        raise Malformed(f"more combinations of {cls.__name__} than a process keeps")
    made = cls(value)
    if issubclass(cls, int):
        kept.pop(value, None)  # these are equal by their numbers, the others only by identity
    return made


def _complex(data: bytes) -> complex:
    if len(data) != _COMPLEX_SIZE:
        raise Malformed("a complex number of another size")
    return complex(*struct.unpack("<dd", data))
