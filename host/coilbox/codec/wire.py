"""The numbers of the extension types, as ``docs/abi.md`` fixes them."""

from __future__ import annotations

from typing import Final

INT: Final = 1
TUPLE: Final = 2
SET: Final = 3
FROZENSET: Final = 4
SURROGATES: Final = 5
DATETIME: Final = 6
DATE: Final = 7
TIME: Final = 8
TIMEDELTA: Final = 9
DECIMAL: Final = 10
UUID: Final = 11
ENUM: Final = 12
DATACLASS: Final = 13
COMPLEX: Final = 14
OPAQUE: Final = 16

#: Lists, dicts and extension types may nest this deep, the outermost included.
MAX_DEPTH: Final = 128
