"""Bytes from the guest to host values. The guest may be hostile: every byte is doubted."""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable
from typing import Any

import msgpack  # type: ignore[import-untyped]

from coilbox.codec import wire
from coilbox.codec.allowance import Allowance
from coilbox.codec.frames import Buffer, scan
from coilbox.codec.nesting import HUGE_BYTES, TOO_DEEP, Malformed, is_too_deep, shown
from coilbox.codec.reader import Reader
from coilbox.codec.registry import Opaque, TypeRegistry
from coilbox.codec.scalars import SCALARS
from coilbox.errors import GuestProtocolError

# Decoding a nested extension value copies it; so many times the message may be copied altogether.
_COPIES = 16
_COPIES_FREE = 1 << 20

_COMPLEX_SIZE = 16

# Combinations of a Flag, which stay in the process: some 30 MB of them.
_COMBINATIONS = 1 << 16


class Decoder(Reader):
    """Decodes values with declared types; not for two threads at once."""

    messages = frozenset(
        (wire.TUPLE, wire.SET, wire.FROZENSET, wire.ENUM, wire.DATACLASS, wire.OPAQUE)
    )

    def __init__(self, types: TypeRegistry) -> None:
        super().__init__()
        self.types = types
        self.busy = False  # a dataclass's constructor may decode, too
        self._depth = 0  # of extension values being decoded
        self._budget = 0
        self._nested = False  # whether a container came as an extension value
        self._handlers: dict[int, Callable[[Any], object]] = {
            **SCALARS,
            wire.INT: self._big_int,
            wire.DECIMAL: self._decimal,
            wire.COMPLEX: _complex,
            wire.TUPLE: self._tuple,
            wire.SET: self._set,
            wire.FROZENSET: self._frozenset,
            wire.ENUM: self._enum,
            wire.DATACLASS: self._dataclass,
            wire.OPAQUE: self._opaque,
        }

    def decode(self, data: Buffer, allowance: Allowance) -> object:
        """Return the value that ``data`` holds.

        Raises:
            GuestProtocolError: ``data`` is not a value of the codec.
            ValueLimitExceeded: it weighs too much.
            UnsupportedValueError: a time zone in ``data`` is not known on this machine.
            BaseException: what its checkpoint raises.
        """
        self.busy = True
        self._depth = 0
        self._budget = len(data) * _COPIES + _COPIES_FREE
        self._nested = False
        try:
            self.begin(data, allowance)
            frame = scan(data, allowance)
            value = self.read_all(data, frame)
            if self._nested and not frame.shallow and is_too_deep(value, allowance):
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
            self.end()
        return value

    def extension(self, code: int, data: Any) -> object:
        """See :class:`Reader`."""
        self._budget -= len(data)
        if self._budget < 0:
            raise Malformed("tuples, sets or dataclasses with too much data in too many levels")
        handler = self._handlers.get(code)
        if handler is None:
            raise Malformed(f"extension type {code}")
        return handler(data)

    def _big_int(self, data: bytes) -> object:
        if len(data) > HUGE_BYTES:
            self.found_slow()
        return SCALARS[wire.INT](data)

    def _decimal(self, data: bytes) -> object:
        self.simple = False
        return SCALARS[wire.DECIMAL](data)

    def _nest(self, data: Buffer) -> Any:
        """Decode the payload of an extension value."""
        if self._depth >= wire.MAX_DEPTH:
            raise Malformed(TOO_DEEP)
        self._depth += 1
        try:
            return self.read(data)
        finally:
            self._depth -= 1

    def _items(self, data: Buffer, counts: tuple[int, ...] = ()) -> list[Any]:
        self.simple = False
        items = self._nest(data)
        if type(items) is not list or (counts and len(items) not in counts):
            raise Malformed("an extension value without its array")
        return items

    def _tuple(self, data: Buffer) -> tuple[Any, ...]:
        self._nested = True
        return tuple(self._items(data))

    def _set(self, data: Buffer) -> set[Any]:
        self._nested = True
        return self.set(self._items(data))

    def _frozenset(self, data: Buffer) -> frozenset[Any]:
        self._nested = True
        self.found_slow()
        return frozenset(self.set(self._items(data)))

    def _enum(self, data: Buffer) -> enum.Enum:
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

    def _dataclass(self, data: Buffer) -> object:
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

    def _opaque(self, data: Buffer) -> Opaque:
        match self._items(data, (3,)):
            case [str(type_name), str(text), None | int() as length]:
                return Opaque(type_name, text, length)
        raise Malformed("an opaque value without its texts")


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
