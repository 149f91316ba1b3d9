"""The pages of the documentation, and what is code in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
_PATTERNS = (
    *("*.md", "docs/**/*.md", "tests/*.md", "extensions/*/README.md"),
    *("examples/*.md", "examples/*/README.md"),
)

PAGES = sorted({str(path.relative_to(ROOT)) for item in _PATTERNS for path in ROOT.glob(item)})
"""Every page that people write, as a path from the top of the repository."""

HISTORY = "CHANGELOG.md"
"""The page that may name what is no longer there."""

_SPAN = re.compile(r"`([^`\n]+)`")
_BULLET = re.compile(r"\s*([-*]|\d+\.)\s+")


class Line(NamedTuple):
    """One line of a page.

    Attributes:
        number: counted from 1.
        text: the line.
        is_code: whether it belongs to a code block.
        language: of a fenced block; empty for other lines.
    """

    number: int
    text: str
    is_code: bool
    language: str


def read(page: str) -> str:
    """The text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


def lines(text: str) -> Iterator[Line]:
    """The lines of a page, each with whether it is code."""
    fence, inside, blank, content = "", False, True, 0
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if inside:
            if stripped == "```":
                inside = False
                yield Line(number, line, False, "")
            else:
                yield Line(number, line, True, fence)
            continue
        if stripped.startswith("```"):
            inside, fence = True, stripped.removeprefix("```")
            yield Line(number, line, False, "")
            continue
        indent = len(line) - len(line.lstrip())
        bullet = _BULLET.match(line)
        if bullet is not None and indent <= content:
            content = bullet.end()
        elif stripped and indent == 0:
            content = 0
        # Four more than the text around it, after a blank line or another such line.
        is_code = bool(stripped) and bullet is None and blank and indent >= content + 4
        yield Line(number, line, is_code, "")
        blank = not stripped or is_code


def spans(text: str) -> Iterator[tuple[int, str]]:
    """What stands between backticks outside code blocks, with its line."""
    for line in lines(text):
        if not line.is_code:
            for match in _SPAN.finditer(line.text):
                yield line.number, match[1].replace("\\|", "|")


def commands(text: str) -> Iterator[tuple[int, str]]:
    """The command lines in code blocks that are no Python, and between backticks."""
    for line in lines(text):
        if line.is_code and line.language in ("", "sh", "console"):
            yield line.number, line.text.strip().removeprefix("$ ")
    yield from spans(text)
