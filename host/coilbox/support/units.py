"""Sizes and durations as people write them: ``256MiB``, ``500ms``, ``2m``."""

from __future__ import annotations

import math
import re

_SIZES = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
}
_SECONDS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_NUMBER = r"(\d+(?:\.\d+)?|\.\d+)\s*([A-Za-z]*)"


def parse_size(text: str) -> int:
    """Bytes of a size such as ``256MiB``, ``1.5GB`` or ``65536``.

    Raises:
        ValueError: it is none; the message says what one looks like.
    """
    number, unit = _split(text, "a size like 256MiB, 1GB or 65536 (bytes)")
    if unit.lower() in ("k", "m", "g"):
        letter = unit.upper()
        raise ValueError(f"{text!r} is ambiguous: write {number}{letter}iB or {number}{letter}B")
    scale = _SIZES.get(unit.lower())
    if scale is None:
        raise ValueError(f"{text!r} has no known unit; there are B, kB, MB, GB, KiB, MiB and GiB")
    value = float(number) * scale
    if value != int(value):
        raise ValueError(f"{text!r} is not a whole number of bytes")
    return int(number) * scale if number.isdigit() else int(value)


def parse_seconds(text: str) -> float:
    """Seconds of a duration such as ``30``, ``1.5s``, ``500ms``, ``2m``, or ``none`` for no limit.

    Raises:
        ValueError: it is none; the message says what one looks like.
    """
    if text.strip().lower() == "none":
        return math.inf
    number, unit = _split(text, "a duration like 30, 1.5s, 500ms, 2m or none")
    scale = _SECONDS.get(unit.lower())
    if scale is None:
        raise ValueError(f"{text!r} has no known unit; there are ms, s, m and h")
    return float(number) * scale


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
    match = re.fullmatch(_NUMBER, text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not {wanted}")
    return match[1], match[2]
