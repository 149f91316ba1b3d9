"""Writes what a guest displays to files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import click

from coilbox.results import Display

# A file's suffix says what a viewer does with it: the guest chooses among these only.
_SUFFIXES = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/svg+xml": "svg",
    "text/html": "html",
    "text/markdown": "md",
    "text/latex": "tex",
    "application/json": "json",
}


def write_displays(folder: Path, displays: Iterable[Display]) -> None:
    """Write each display to a file: its number, its place among the kinds, and its suffix.

    Raises:
        click.ClickException: a file cannot be written; one that is there is not replaced.
    """
    for place, display in enumerate(displays):
        is_text = re.fullmatch(r"text/[a-z.+-]+", display.kind) is not None
        suffix = _SUFFIXES.get(display.kind, "txt" if is_text else "bin")
        path = folder / f"display-{display.number}-{place}.{suffix}"
        data = display.data
        raw = data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(raw)
        except OSError as error:
            raise click.ClickException(f"cannot write {path}: {error.strerror}") from None
