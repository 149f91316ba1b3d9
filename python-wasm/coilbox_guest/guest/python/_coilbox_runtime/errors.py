"""Exceptions as the data that the host gets, whatever the guest's classes do."""

import sys
from itertools import islice
from traceback import TracebackException
from types import TracebackType

from _coilbox_runtime.values import type_name

_FRAMES = 100
_DEEP = 2000  # frames of a traceback that are looked at
_CAUSES = 10
_CHILDREN = 100
_EXCEPTIONS = 500  # in one description, however they are nested
_TEXT = 64 * 1024
_LINE = 4096


def describe(error, traceback):
    """Return the description of an exception raised with `traceback` (docs/abi.md)."""
    try:
        _shorten_all(error)
        # Copies the traceback, because the exception keeps those of our own frames.
        traceback = _shortened(traceback)
        text = TracebackException(type(error), error, traceback, lookup_lines=False, compact=True)
        description = _describe(error, text, _CAUSES, [_EXCEPTIONS])
        description["traceback"] = _cut("".join(text.format()), _TEXT)
        if isinstance(error, RecursionError):
            description["recursion_limit"] = sys.getrecursionlimit()
    except BaseException as trouble:  # out of memory or stack, or classes that break traceback
        del trouble
        return minimal(error)
    return description


def _shorten_all(error):
    """Shorten the tracebacks of the exceptions that hang on this one: each frame costs time."""
    waiting, seen = [error], set()
    while waiting and len(seen) < _EXCEPTIONS:
        exception = waiting.pop()
        if exception is None or id(exception) in seen:
            continue
        seen.add(id(exception))
        traceback = _shortened(exception.__traceback__)
        if traceback is not exception.__traceback__:
            exception.__traceback__ = traceback
        waiting += (exception.__context__, exception.__cause__)
        waiting += getattr(exception, "exceptions", ())[:_CHILDREN]


def _shortened(traceback):
    """Return a traceback of bounded length: its outermost and its innermost frames."""
    length, last = 0, traceback
    while last is not None:
        length, last = length + 1, last.tb_next
    if length <= _DEEP:
        return traceback
    outermost = []
    for _ in range(length - _DEEP // 2):
        if len(outermost) < _DEEP // 2:
            outermost.append(traceback)
        traceback = traceback.tb_next
    for one in reversed(outermost):
        traceback = TracebackType(traceback, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return traceback


def minimal(error):
    """Return a description that runs as little of the guest's code as can be."""
    name = type_name(type(error))
    message = _message(error)
    return _fields(name, message) | {"traceback": f"{name}: {message}\n"}


def _fields(name, message):
    return {
        "type": name[:_LINE],
        "message": message,
        "notes": [],
        "cause": None,
        "context": None,
        "frames": [],
        "children": [],
        "traceback": "",
    }


def _message(error):
    try:
        return _cut(str.__str__(str(error)), _TEXT)
    except BaseException:
        return "<exception str() failed>"


def _describe(error, text, depth, left):
    left[0] -= 1
    description = _fields(type_name(type(error)), _message(error))
    description["notes"] = [_cut(str(note), _TEXT) for note in (text.__notes__ or ())[:_FRAMES]]
    description["frames"] = _frames(error, text)
    if depth > 0:
        if text.__cause__ is not None:
            cause = _describe(error.__cause__, text.__cause__, depth - 1, left)
            description["cause"] = cause
        elif text.__context__ is not None:
            context = _describe(error.__context__, text.__context__, depth - 1, left)
            description["context"] = context
        pairs = zip(getattr(error, "exceptions", ()), text.exceptions or (), strict=False)
        for child, child_text in islice(pairs, _CHILDREN):
            if left[0] > 0:
                description["children"].append(_describe(child, child_text, depth - 1, left))
    return description


def _frames(error, text):
    stack = list(text.stack)
    if len(stack) > _FRAMES:
        stack[_FRAMES // 2 : -_FRAMES // 2] = ()
    frames = [
        {
            "file": frame.filename,
            "line": frame.lineno or 0,
            "end_line": frame.end_lineno,
            "column": frame.colno,
            "end_column": frame.end_colno,
            "function": frame.name,
            "source": _cut(frame.line or "", _LINE),
        }
        for frame in stack
    ]
    if isinstance(error, SyntaxError) and isinstance(error.lineno, int):
        frames.append(_syntax_frame(error))
    return frames


def _syntax_frame(error):
    """The place of a syntax error, which is no frame of the traceback."""
    return {
        "file": str(error.filename or "<unknown>"),
        "line": error.lineno,
        "end_line": _integer(error.end_lineno),
        "column": _column(error.offset),
        "end_column": _column(error.end_offset),
        "function": "",
        "source": _cut(str(error.text or "").rstrip("\n"), _LINE),
    }


def _integer(value):
    return value if isinstance(value, int) else None


def _column(offset):
    # SyntaxError counts from 1, and 0 means that it does not know.
    return offset - 1 if isinstance(offset, int) and offset > 0 else None


def _cut(text, length):
    if len(text) <= length:
        return text
    half = length // 2 - 20
    return f"{text[:half]}\n... cut ...\n{text[-half:]}"
