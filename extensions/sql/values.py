"""Values between SQL and the spec's variant."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from coilbox.extensions.sql.coilbox_sql_host import (
    QueryFailed,
    Value,
    ValueClock,
    ValueData,
    ValueDay,
    ValueDecimal,
    ValueFlag,
    ValueMoment,
    ValueNothing,
    ValueReal,
    ValueSpan,
    ValueText,
    ValueUuid,
    ValueWhole,
)

_NOTHING = ValueNothing()
_CASES: dict[type, Any] = {
    bool: ValueFlag,
    int: ValueWhole,
    float: ValueReal,
    str: ValueText,
    bytes: ValueData,
    Decimal: ValueDecimal,
    datetime: ValueMoment,
    date: ValueDay,
    time: ValueClock,
    timedelta: ValueSpan,
    uuid.UUID: ValueUuid,
}
# What a value takes besides its text or bytes, roughly, where it is encoded and made.
_OVERHEAD = 16


def wrap(value: object) -> Value:
    """A driver's value as a case of the variant.

    Raises:
        QueryFailed: its type has no case.
    """
    if value is None:
        return _NOTHING
    case = _CASES.get(type(value))
    if case is not None:
        return case(value)  # type: ignore[no-any-return]
    if isinstance(value, memoryview | bytearray):
        return ValueData(bytes(value))
    if isinstance(value, dict | list):
        return ValueText(json.dumps(value, default=str))
    for base, case in _CASES.items():
        if isinstance(value, base):
            return case(value)  # type: ignore[no-any-return]
    raise QueryFailed(reason=f"a value of type {type(value).__name__} cannot be passed on")


def unwrap(value: Value) -> Any:
    """A parameter as a driver takes it."""
    return None if isinstance(value, ValueNothing) else value.value


def size_of(row: Sequence[object]) -> int:
    """About how many bytes a row takes."""
    size = _OVERHEAD * len(row)
    for value in row:
        if isinstance(value, (str, bytes)):  # faster than a union
            size += len(value)
    return size
