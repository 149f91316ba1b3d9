"""Types of option values: sizes, durations, mounts, variables. Used as ``type=`` of options."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import click

from coilbox.errors import UsageError
from coilbox.mounts import Mount, Scratch
from coilbox.support.units import is_none, parse_seconds, parse_size


def size(text: str) -> int:
    """Bytes of ``256MiB``."""
    try:
        return parse_size(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def count(text: str) -> int:
    """The number ``1000``."""
    if not re.fullmatch("[0-9]{1,30}", text.strip()) or int(text) == 0:
        raise click.BadParameter(f"{text!r} is not a whole number above 0")
    return int(text)


def seconds(text: str) -> float:
    """Seconds of ``30`` or ``500ms``."""
    try:
        return parse_seconds(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def or_none(convert: Callable[[str], float]) -> Callable[[str], float]:
    """Infinity for ``none``, and else what a type gives.

    Args:
        convert: the type, such as :func:`size`.
    """

    def convert_or_none(text: str) -> float:
        return math.inf if is_none(text) else convert(text)

    return convert_or_none


def mount(text: str) -> Mount:
    """The mount ``HOST:GUEST[:ro|rw]``. The host path may hold colons, the guest path may not."""
    rest, mode = text, "ro"
    for known in ("ro", "rw"):
        if text.endswith(f":{known}"):
            rest, mode = text[:-3], known
    host, _, guest = rest.rpartition(":")
    if not host or not guest.startswith("/"):
        raise click.BadParameter(f"{text!r} is not HOST:GUEST[:ro|rw], like ./data:/data:ro")
    if not Path(host).is_dir():
        raise click.BadParameter(f"there is no directory {host!r} to mount")
    try:
        return Mount(host, guest, "rw" if mode == "rw" else "ro")
    except UsageError as error:
        raise click.BadParameter(str(error)) from None


def scratch(text: str) -> Scratch | Literal["none"]:
    """The scratch directory ``SIZE[:GUEST]``, or ``none``."""
    if is_none(text):
        return "none"
    amount, colon, path = text.partition(":")
    try:
        if colon:
            return Scratch(path, parse_size(amount))
        return Scratch(max_bytes=parse_size(amount))
    except (UsageError, ValueError) as error:
        raise click.BadParameter(str(error)) from None


def variable(text: str) -> tuple[str, str]:
    """Name and value of ``NAME=VALUE``, or of ``NAME`` with the value it has here."""
    name, equals, value = text.partition("=")
    if not name:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE")
    if not equals:
        own = os.environ.get(name)
        if own is None:
            raise click.BadParameter(f"{name} is not set here; give it as {name}=VALUE")
        value = own
    return name, value


def extension(text: str) -> tuple[str, dict[str, Any]]:
    """Name and setting of ``NAME`` or ``NAME.KEY=VALUE``; the value is JSON, or else a text."""
    start, equals, value = text.partition("=")
    name, dot, key = start.partition(".")
    if not name or bool(dot) != bool(equals) or (dot and not key):
        raise click.BadParameter(f"{text!r} is not NAME or NAME.KEY=VALUE, like kv.path=kv.db")
    if not dot:
        return name, {}
    try:
        return name, {key: json.loads(value)}
    except ValueError:
        return name, {key: value}
