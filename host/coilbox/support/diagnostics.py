"""Diagnostics of files: the place, the mistake, the line with a caret, and a suggestion."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

_WIDTH = 160


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A place in a file: line and column from 1, in characters, and how many it takes."""

    line: int
    column: int
    length: int = 1


@dataclass(frozen=True, slots=True, order=True)
class Diagnostic:
    """A broken rule.

    Attributes:
        span: where.
        rule: the rule's name, such as ``unknown-type``; docs/bindings.md lists them.
        message: what is wrong.
        help: what to do, if there is something to suggest.
        file: the name of the file.
        source: the line.
    """

    span: Span
    rule: str
    message: str
    help: str = ""
    file: str = ""
    source: str = ""

    def __str__(self) -> str:
        span = self.span
        number = str(span.line)
        margin = " " * len(number)
        source, column = self.source, span.column
        if len(source) > _WIDTH:  # show the part around the place
            start = min(max(column - 1 - _WIDTH // 2, 0), len(source) - _WIDTH)
            source, column = source[start : start + _WIDTH], column - start
        # Tabs stay tabs, so that the caret stands under what it means in any terminal.
        pad = "".join("\t" if char == "\t" else " " for char in source[: column - 1])
        room = max(len(source) - column + 1, 1)
        lines = [
            f"{self.file}:{span.line}:{span.column}: {self.message} [{self.rule}]",
            f"{number} | {source}".rstrip(),
            f"{margin} | {pad}{'^' * min(max(span.length, 1), room)}",
        ]
        if self.help:
            lines.append(f"{margin} = {self.help}")
        return "\n".join(lines)


def render(diagnostics: Iterable[Diagnostic]) -> str:
    """All of them, for people."""
    found = list(diagnostics)
    count = f"{len(found)} error" + ("s" if len(found) > 1 else "")
    return "\n\n".join([*map(str, found), count])


def near(name: str, names: Iterable[str]) -> str:
    """``did you mean 'retries'?`` if one of the names is near, else nothing."""
    known = sorted(set(names))
    folded = {item.casefold(): item for item in known}
    best = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return f"did you mean {folded[best[0]]!r}?" if best else ""


def listed(names: Iterable[str], none: str = "none") -> str:
    """``there are a, b and c``."""
    known = list(names)
    if not known:
        return f"there is {none}"
    if len(known) == 1:
        return f"there is {known[0]}"
    return f"there are {', '.join(known[:-1])} and {known[-1]}"
