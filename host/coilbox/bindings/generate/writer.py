"""Lines of Python: indented, wrapped as formatters do, with docstrings that say what is meant."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

WIDTH = 88
"""The width that formatters have by default, so that checked-in code is formatted."""


class Writer:
    """Collects the lines of a file."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._depth = 0

    @property
    def room(self) -> int:
        """How many characters fit in a line at this depth."""
        return WIDTH - 4 * self._depth

    def line(self, text: str = "") -> None:
        """Add a line at the present depth; without text an empty one."""
        self.lines.append("    " * self._depth + text if text else "")

    def blank(self, count: int = 1) -> None:
        """Have exactly so many empty lines before what follows."""
        while self.lines and not self.lines[-1]:
            self.lines.pop()
        self.lines += [""] * count

    @contextmanager
    def indented(self) -> Iterator[None]:
        """One level deeper."""
        self._depth += 1
        yield
        self._depth -= 1

    def call(self, start: str, parts: Sequence[str], end: str) -> None:
        """Add ``start part, part end``, over more lines if one is too short.

        Args:
            start: up to the opening bracket.
            parts: what stands between the brackets.
            end: from the closing bracket on.
        """
        inner = ", ".join(parts)
        if len(start + inner + end) <= self.room or not parts:
            self.line(start + inner + end)
            return
        self.line(start)
        with self.indented():
            if len(inner) <= self.room:
                self.line(inner)
            else:
                for part in parts:
                    self.line(part + ",")
        self.line(end)

    def docstring(self, text: str) -> None:
        """Add a docstring; paragraphs are wrapped, indented lines stay as they are."""
        lines = escape(_wrap(text.strip(), self.room)).split("\n")
        if len(lines) == 1:
            self.line(f'"""{_closable(lines[0])}"""')
            return
        self.line(f'"""{lines[0]}')
        for line in lines[1:]:
            self.line(line)
        self.line('"""')

    def text(self) -> str:
        """The file."""
        return "\n".join(self.lines).rstrip("\n") + "\n"


def escape(text: str) -> str:
    """The text as it must stand between triple quotes."""
    text = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return re.sub(r"[^\n -~\u00a0-\ud7ff\ue000-\U0010ffff]", _code, text)


def string(value: str | bytes) -> str:
    """The text or bytes as a literal, in double quotes if possible, as formatters prefer."""
    prefix, _, inner = repr(value).partition("'")
    if inner and prefix in ("", "b") and '"' not in inner:
        return f'{prefix}"{inner[:-1]}"'
    return repr(value)


def _closable(text: str) -> str:
    """The text, so that a quote at its end does not run into the closing ones."""
    return text[:-1] + '\\"' if text.endswith('"') else text


def _code(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"


def _wrap(text: str, room: int) -> str:
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", text):
        lines = [line.rstrip() for line in paragraph.split("\n")]
        if any(line[:1] in (" ", "\t", "-", "*", ">", "|") for line in lines):
            paragraphs.append("\n".join(lines))  # code, lists and sections
        else:
            # The first line stands behind three quotes and may stand before three.
            filled = textwrap.fill(
                " ".join(lines), max(room - 6, 40), break_long_words=False, break_on_hyphens=False
            )
            paragraphs.append(filled)
    return "\n\n".join(paragraphs)
