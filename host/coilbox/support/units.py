"""Sizes, durations and rates as people write them: ``256MiB``, ``500ms``, ``100/s``.

Profiles, extension specs, settings of extensions and the command line read them here, and the
patterns of the JSON Schemas are made from the same tables. The case of letters has no meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SIZE_UNITS = {
    "B": 1,
    "kB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
}
"""Bytes of each unit of sizes."""
TIME_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
"""Seconds of each unit of durations."""

_NUMBER = r"(?:[0-9]{1,30}(?:\.[0-9]{1,30})?|\.[0-9]{1,30})"
_QUANTITY = re.compile(rf"({_NUMBER})\s*([A-Za-z]*)")
_RATE = re.compile(r"([0-9]{1,15})\s*/\s*([0-9]{0,9})\s*([A-Za-z]+)")
_SIZES = {unit.lower(): size for unit, size in SIZE_UNITS.items()}


def parse_size(text: str) -> int:
    """Bytes of a size such as ``256MiB``, ``1.5GB`` or ``65536``.

    Raises:
        ValueError: it is none; the message says what one looks like.
    """
    number, unit = _split(text, "a size like 256MiB, 1GB or 65536 (bytes)")
    if unit.lower() in ("k", "m", "g"):
        letter = unit.upper()
        raise ValueError(f"{text!r} is ambiguous: write {number}{letter}iB or {number}{letter}B")
    scale = _SIZES.get(unit.lower() or "b")
    if scale is None:
        raise ValueError(f"{text!r} has no known unit; there are {_listed(SIZE_UNITS)}")
    whole, _, fraction = number.partition(".")
    size: int = int(whole + fraction) * scale
    parts: int = 10 ** len(fraction)
    if size % parts:
        raise ValueError(f"{text!r} is not a whole number of bytes")
    return size // parts


def parse_seconds(text: str) -> float:
    """Seconds of a duration such as ``30``, ``1.5s``, ``500ms`` or ``2m``.

    Raises:
        ValueError: it is none; the message says what one looks like.
    """
    number, unit = _split(text, "a duration like 30 (seconds), 1.5s, 500ms or 2m")
    return float(number) * _scale(text, unit or "s")


def parse_rate(text: str) -> tuple[int, float]:
    """Calls, and the seconds that they may be made in, of a rate such as ``100/s`` or ``5/10min``.

    Raises:
        ValueError: it is none; the message says what one looks like.
    """
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{_short(text)} is not a rate like 100/s or 10/min")
    calls, seconds = int(match[1]), float(match[2] or 1) * _scale(text, match[3])
    if not calls or not seconds:
        raise ValueError(f"{text!r} must be above 0, like 100/s")
    return calls, seconds


def is_none(text: str) -> bool:
    """Whether a text says that there is no limit: ``none``."""
    return text.strip().lower() == "none"


def size_pattern(*, none: bool = False) -> str:
    """A regular expression for the texts that :func:`parse_size` takes, for JSON Schemas.

    Args:
        none: whether ``none`` fits, too.
    """
    return _pattern(rf"{_NUMBER}\s*(?:{_any_case(SIZE_UNITS)})?", none)


def seconds_pattern(*, none: bool = False) -> str:
    """A regular expression for the texts that :func:`parse_seconds` takes, for JSON Schemas.

    Args:
        none: whether ``none`` fits, too.
    """
    return _pattern(rf"{_NUMBER}\s*(?:{_any_case(TIME_UNITS)})?", none)


def rate_pattern() -> str:
    """A regular expression for the texts that :func:`parse_rate` takes, for JSON Schemas."""
    return _pattern(rf"[0-9]{{1,15}}\s*/\s*[0-9]{{0,9}}\s*(?:{_any_case(TIME_UNITS)})", False)


def none_pattern() -> str:
    """A regular expression for the text ``none``, for JSON Schemas."""
    return _pattern(_any_case(["none"]), False)


def format_size(size: float) -> str:
    """A size for people: three digits or so, in binary units."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def format_seconds(seconds: float) -> str:
    """A duration for people, in the unit that suits it."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.1f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.2f} ms"
    return f"{seconds:.2f} s"


def _split(text: str, wanted: str) -> tuple[str, str]:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{_short(text)} is not {wanted}")
    return match[1], match[2]


def _scale(text: str, unit: str) -> float:
    scale = TIME_UNITS.get(unit.lower())
    if scale is None:
        raise ValueError(f"{text!r} has no known unit; there are {_listed(TIME_UNITS)}")
    return scale


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    return f"{', '.join(known[:-1])} and {known[-1]}"


def _pattern(inner: str, none: bool) -> str:
    return rf"^\s*(?:{inner}|{_any_case(['none'])})\s*$" if none else rf"^\s*{inner}\s*$"


def _any_case(words: Iterable[str]) -> str:
    """Alternatives in any case of letters, which JSON Schema's expressions have no flag for."""
    return "|".join("".join(f"[{c.lower()}{c.upper()}]" for c in word) for word in words)
