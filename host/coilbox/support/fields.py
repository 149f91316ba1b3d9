"""The types of values in YAML files and settings: how each is written, checked and described."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from coilbox.support.units import (
    is_none,
    none_pattern,
    parse_rate,
    parse_seconds,
    parse_size,
    rate_pattern,
    seconds_pattern,
    size_pattern,
)


def _text_as(parse: Callable[[str], Any]) -> BeforeValidator:
    """Texts are parsed; what is a number already stays as it is."""
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


def _none_or(parse: Callable[[str], Any], wanted: str, kinds: Any = int) -> BeforeValidator:
    """``none`` is infinity, other texts are parsed, and a number stays as it is.

    Args:
        parse: reads a text.
        wanted: what the value should have been, for the error.
        kinds: the types of numbers that it may be.
    """

    def convert(value: object) -> object:
        if isinstance(value, str):
            return math.inf if is_none(value) else parse(value)
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise ValueError(f"{value!r} is not {wanted}, or none for no limit")
        return value

    return BeforeValidator(convert)


def _no_count(text: str) -> int:
    raise ValueError(f"{text!r} is not a whole number, or none for no limit")


def _rate(value: object) -> tuple[int, float]:
    if isinstance(value, str):
        return parse_rate(value)
    raise ValueError(f"{value!r} is not a rate like 100/s or 10/min")


def _moment(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return datetime.datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a time like 2026-01-31T12:00:00Z") from None


def _schema(number: str, pattern: str, *examples: str | float, least: int = 1) -> WithJsonSchema:
    """A number or a text.

    Args:
        number: JSON Schema's type of the number.
        pattern: what the text looks like.
        examples: for editors.
        least: 1 if the number is above 0, 0 if it may be 0.
    """
    bound = {"exclusiveMinimum": 0} if least else {"minimum": 0}
    return WithJsonSchema(
        {
            "anyOf": [{"type": number, **bound}, {"type": "string", "pattern": pattern}],
            "examples": list(examples),
        }
    )


Size = Annotated[
    int,
    _text_as(parse_size),
    Field(gt=0),
    _schema("integer", size_pattern(), "256MiB", "1GB", 65536),
]
SizeOrNone = Annotated[
    int | float,
    _none_or(parse_size, "a size like 256MiB"),
    Field(gt=0),
    _schema("integer", size_pattern(none=True), "256MiB", "1GB", 65536, "none"),
]
Count = Annotated[int, Field(gt=0)]
CountOrNone = Annotated[
    int | float,
    _none_or(_no_count, "a whole number"),
    Field(gt=0),
    _schema("integer", none_pattern(), 1000, "none"),
]
Duration = Annotated[
    float,
    _text_as(parse_seconds),
    Field(ge=0, allow_inf_nan=False),
    _schema("number", seconds_pattern(), "1ms", 0.001, least=0),
]
Seconds = Annotated[
    float,
    _none_or(parse_seconds, "a duration like 30, 1.5s or 500ms", int | float),
    Field(gt=0),
    _schema("number", seconds_pattern(none=True), "500ms", "30s", "2m", "none", 1.5),
]
Rate = Annotated[
    tuple[int, float],
    BeforeValidator(_rate),
    WithJsonSchema({"type": "string", "pattern": rate_pattern(), "examples": ["100/s", "10/min"]}),
]
Moment = Annotated[datetime.datetime, BeforeValidator(_moment)]
