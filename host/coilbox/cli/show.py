"""Results for people and for programs."""

from __future__ import annotations

import base64
import dataclasses
import math
import re
from typing import Any

from coilbox.errors import (
    GuestCancelled,
    GuestError,
    GuestException,
    GuestProtocolError,
    LimitExceeded,
)
from coilbox.results import Result

_KINDS: dict[type[GuestError], str] = {
    GuestException: "exception",
    GuestCancelled: "cancelled",
    GuestProtocolError: "protocol",
}


def value_text(value: object) -> str:
    """``repr`` of a value that came from a guest, whatever it is."""
    try:
        return repr(value)
    except ValueError:  # an int of more digits than Python prints
        return f"<{type(value).__name__} with too many digits to print>"


def result_json(result: Result, exit_code: int) -> dict[str, Any]:
    """A result as JSON can hold it; docs/cli.md describes it."""
    fits = _fits_json(result.value)
    data: dict[str, Any] = {
        "exit_code": exit_code,
        "value": result.value if fits else None,
        "value_repr": None if result.value is None else value_text(result.value),
        "stdout": result.stdout,
        "stderr": result.stderr,
        "stdout_truncated": result.stdout_truncated,
        "stderr_truncated": result.stderr_truncated,
        "error": None if result.error is None else _error(result.error),
        "displays": [
            {"kind": item.kind, "number": item.number, **_display_data(item.data)}
            for item in result.displays
        ],
        "needs_reset": result.needs_reset,
        "usage": dataclasses.asdict(result.usage),
    }
    for name, text, raw in (
        ("stdout_base64", result.stdout, result.stdout_bytes),
        ("stderr_base64", result.stderr, result.stderr_bytes),
    ):
        if text.encode() != raw:  # not UTF-8: the text above has lost something
            data[name] = base64.b64encode(raw).decode()
    return data


def _display_data(data: str | bytes) -> dict[str, str]:
    if isinstance(data, str) and _is_utf8(data):
        return {"data": data}
    raw = data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")
    return {"data_base64": base64.b64encode(raw).decode()}


def _fits_json(value: object) -> bool:
    """Whether JSON gives back the very same value."""
    match value:
        case None | bool():
            return True
        case str():
            return _is_utf8(value)
        case int():
            return value.bit_length() <= 64
        case float():
            return math.isfinite(value)
        case list():
            return all(map(_fits_json, value))
        case dict():
            return all(isinstance(key, str) and _is_utf8(key) for key in value) and all(
                map(_fits_json, value.values())
            )
    return False


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _error(error: GuestError) -> dict[str, Any]:
    data: dict[str, Any] = {"kind": _KINDS.get(type(error), "trap"), "message": str(error)}
    if isinstance(error, GuestException):
        data |= _exception(error)
        data["traceback"] = error.traceback
    if isinstance(error, LimitExceeded):
        # CpuLimitExceeded becomes cpu-limit.
        words = re.findall("[A-Z][a-z]+", type(error).__name__.removesuffix("Exceeded"))
        data["kind"] = "-".join(words).lower()
        data |= {"limit": error.limit, "used": error.used, "unit": error.unit}
    return data


def _exception(error: GuestException) -> dict[str, Any]:
    return {
        "type": error.type,
        "message": error.message,
        "notes": list(error.notes),
        "frames": [dataclasses.asdict(frame) for frame in error.frames],
        "cause": None if error.cause is None else _exception(error.cause),
        "context": None if error.context is None else _exception(error.context),
        "children": [_exception(child) for child in error.children],
    }
