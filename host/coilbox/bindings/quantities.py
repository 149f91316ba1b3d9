"""Limits as people write them: ``100/s``, ``2s``, ``1MiB``."""

from __future__ import annotations

import re

from coilbox.bindings.ir import Rate
from coilbox.support.units import parse_seconds, parse_size
from coilbox.support.yaml_reader import Document, Path

_RATE = re.compile(r"\s*(\d+)\s*/\s*(\d*)\s*([A-Za-z]+)\s*")
_MAX = (1 << 53) - 1  # what every JSON reader keeps exactly


class Quantities:
    """Reads the limits of one function and reports what is none.

    Args:
        document: where they stand.
        path: the place of the function's ``limits``.
    """

    def __init__(self, document: Document, path: Path) -> None:
        self._document = document
        self._path = path

    def report(self, key: str, message: str, help_: str = "") -> None:
        """Tell of something wrong with a limit."""
        self._document.report(self._document.span((*self._path, key)), "limit", message, help_)

    def duration(self, key: str, value: object) -> float | None:
        """Seconds of ``2s``."""
        return self._quantity(key, value, "duration", f"{value}s or {value}ms", "2s")

    def size(self, key: str, value: object) -> int | None:
        """Bytes of ``1MiB``."""
        found = self._quantity(key, value, "size", f"{value}B or {value}KiB", "1MiB")
        return None if found is None else int(found)

    def count(self, key: str, value: object) -> int | None:
        """A number of calls."""
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _MAX:
            self.report(key, f"{key!r} must be a whole number above 0", f"write {key}: 8")
            return None
        return value

    def rate(self, key: str, value: object) -> Rate | None:
        """Calls per time of ``100/s``."""
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool):
            self.report(key, f"{key!r} has no unit", f"write {value}/s or {value}/min")
            return None
        match = _RATE.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            self.report(key, f"{key!r} must be calls in a time", "write 100/s or 10/min")
            return None
        try:
            seconds = parse_seconds(f"{match[2] or 1}{match[3]}")
        except ValueError as error:
            self.report(key, str(error), "write 100/s or 10/min")
            return None
        calls = int(match[1])
        if not 0 < calls <= _MAX or not seconds > 0:
            self.report(key, f"{key!r} must be above 0", "write 100/s or 10/min")
            return None
        return Rate(calls, seconds)

    def _quantity(
        self, key: str, value: object, what: str, instead: str, example: str
    ) -> float | None:
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool):
            self.report(key, f"{key!r} has no unit", f"write {instead}")
            return None
        if isinstance(value, str) and re.fullmatch(r"\s*[\d.]+\s*", value):
            self.report(key, f"{key!r} has no unit", f"write {instead}")
            return None
        if not isinstance(value, str) or value.strip().lower() == "none":
            self.report(key, f"{key!r} must be a {what}", f"write {example}, or leave it out")
            return None
        try:
            found = parse_seconds(value) if what == "duration" else parse_size(value)
        except ValueError as error:
            self.report(key, str(error), f"write {key}: {example}")
            return None
        if not 0 < found <= _MAX:
            self.report(key, f"{key!r} must be above 0", f"write {key}: {example}")
            return None
        return found
