"""SQLite's functions whose work grows with the product of their arguments' lengths, done otherwise.

Nothing ends one call of a function: SQLite looks at the clock between the steps of its machine
alone. ``trim`` of a MiB by a MiB took minutes, ``replace`` and ``instr`` 7 s. Those here give the
same results in time that grows with the sum. ``json_patch`` is refused instead (``readonly.py``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Container
from typing import TypeAlias

_Value: TypeAlias = str | bytes | int | float | None

# From here on a set is faster than a look at each character.
_FEW = 16


def install(database: sqlite3.Connection, max_value_bytes: int) -> None:
    """Put them in place of SQLite's own.

    Args:
        database: the connection.
        max_value_bytes: what a result may have, in bytes.
    """

    def replace(value: _Value, old: _Value, new: _Value) -> _Value:
        return _replace(value, old, new, max_value_bytes)

    functions: list[tuple[str, int, Callable[..., _Value]]] = [
        ("trim", 2, lambda value, chars: _trim(value, chars, left=True, right=True)),
        ("ltrim", 2, lambda value, chars: _trim(value, chars, left=True, right=False)),
        ("rtrim", 2, lambda value, chars: _trim(value, chars, left=False, right=True)),
        ("instr", 2, _instr),
        ("replace", 3, replace),
    ]
    if sqlite3.sqlite_version_info >= (3, 41):
        functions.append(("unhex", 2, _unhex))
    for name, arguments, function in functions:
        database.create_function(name, arguments, function, deterministic=True)


def _text(value: str | bytes | float) -> str:
    """A value as SQLite makes it a text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, int):
        return str(value)
    if value in (float("inf"), float("-inf")):
        return "Inf" if value > 0 else "-Inf"
    digits, exponent, power = f"{value:.15g}".partition("e")
    return f"{digits}{'' if '.' in digits else '.0'}{exponent}{power}"


def _trim(value: _Value, chars: _Value, *, left: bool, right: bool) -> str | None:
    if value is None or chars is None:
        return None
    text, chosen = _text(value), _text(chars)
    if len(chosen) > _FEW:
        return _trim_by_set(text, set(chosen), left=left, right=right)
    if not chosen:
        return text
    if left and right:
        return text.strip(chosen)
    return text.lstrip(chosen) if left else text.rstrip(chosen)


def _trim_by_set(text: str, chosen: Container[str], *, left: bool, right: bool) -> str:
    start, end = 0, len(text)
    while left and start < end and text[start] in chosen:
        start += 1
    while right and start < end and text[end - 1] in chosen:
        end -= 1
    return text[start:end]


def _instr(value: _Value, wanted: _Value) -> int | None:
    if value is None or wanted is None:
        return None
    if isinstance(value, bytes) and isinstance(wanted, bytes):
        return value.find(wanted) + 1
    return _text(value).find(_text(wanted)) + 1


def _replace(value: _Value, old: _Value, new: _Value, most: int) -> _Value:
    if value is None or old is None:
        return None
    text, out = _text(value), _text(old)
    if not out or out.startswith("\0"):
        return text if isinstance(value, bytes) else value
    if new is None:
        return None
    into = _text(new)
    if len(into) > len(out) and len(text) + text.count(out) * (len(into) - len(out)) > most:
        raise OverflowError  # SQLite says: string or blob too big
    return text.replace(out, into)


def _unhex(value: _Value, ignored: _Value) -> bytes | None:
    if value is None or ignored is None:
        return None
    text, skipped = _text(value), set(_text(ignored)) - set("0123456789abcdefABCDEF")
    found = bytearray()
    first = ""
    for char in text:
        if first:
            if char not in "0123456789abcdefABCDEF":
                return None  # nothing may stand between the two digits of a byte
            found.append(int(first + char, 16))
            first = ""
        elif char in "0123456789abcdefABCDEF":
            first = char
        elif char not in skipped:
            return None
    return None if first else bytes(found)
