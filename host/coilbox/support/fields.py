"""The types of a profile's values: how each is written, checked and described in the schema."""

from __future__ import annotations

import datetime
import math
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from coilbox.errors import UsageError
from coilbox.mounts import guest_components
from coilbox.support.units import parse_seconds, parse_size

_SIZE_PATTERN = r"^\s*(\d+(\.\d+)?|\.\d+)\s*(([kKmMgG]i?)?[bB])?\s*$"
_SIZE_OR_NONE_PATTERN = r"^\s*(((\d+(\.\d+)?|\.\d+)\s*(([kKmMgG]i?)?[bB])?)|none)\s*$"
_DURATION_PATTERN = r"^\s*(\d+(\.\d+)?|\.\d+)\s*(ms|s|m|min|h)?\s*$"
_SECONDS_PATTERN = r"^\s*((\d+(\.\d+)?|\.\d+)\s*(ms|s|m|min|h)?|none)\s*$"


def _size(value: object) -> object:
    return parse_size(value) if isinstance(value, str) else value


def _seconds(value: object) -> object:
    return parse_seconds(value) if isinstance(value, str) else value


def _size_or_none(value: object) -> object:
    return math.inf if _is_none(value) else _whole(_size(value))


def _count_or_none(value: object) -> object:
    return math.inf if _is_none(value) else _whole(value)


def _is_none(value: object) -> bool:
    return isinstance(value, str) and value.strip().lower() == "none"


def _whole(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is not a whole number, or none for no limit")
    return value


def _moment(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return datetime.datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a time like 2026-01-31T12:00:00Z") from None


def _guest_path(value: str) -> str:
    try:
        guest_components(value)
    except UsageError as error:
        raise ValueError(str(error)) from None
    return value


def _variable(name: str) -> str:
    if not name or "=" in name or "\0" in name:
        raise ValueError(f"{name!r} cannot be the name of an environment variable")
    return name


Size = Annotated[
    int,
    BeforeValidator(_size),
    Field(gt=0),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "exclusiveMinimum": 0},
                {"type": "string", "pattern": _SIZE_PATTERN},
            ],
            "examples": ["256MiB", "1GB", 65536],
        }
    ),
]
SizeOrNone = Annotated[
    int | float,
    BeforeValidator(_size_or_none),
    Field(gt=0),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "exclusiveMinimum": 0},
                {"type": "string", "pattern": _SIZE_OR_NONE_PATTERN},
            ],
            "examples": ["256MiB", "1GB", 65536, "none"],
        }
    ),
]
CountOrNone = Annotated[
    int | float,
    BeforeValidator(_count_or_none),
    Field(gt=0),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "exclusiveMinimum": 0},
                {"type": "string", "pattern": r"^\s*none\s*$"},
            ],
            "examples": [1000, "none"],
        }
    ),
]
Moment = Annotated[datetime.datetime, BeforeValidator(_moment)]
Seconds = Annotated[
    float,
    BeforeValidator(_seconds),
    Field(gt=0),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": _SECONDS_PATTERN},
            ],
            "examples": ["500ms", "30s", "2m", "none", 1.5],
        }
    ),
]
Resolution = Annotated[
    float,
    BeforeValidator(_seconds),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": _DURATION_PATTERN},
            ],
            "examples": ["1ms", 0.001],
        }
    ),
]
GuestPath = Annotated[str, AfterValidator(_guest_path), Field(pattern="^/")]
Variable = Annotated[str, AfterValidator(_variable)]
