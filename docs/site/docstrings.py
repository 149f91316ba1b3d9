"""Docstrings as Markdown: the roles and code blocks of reStructuredText in its words."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|func|meth|mod):`~?([^`]+)`")


def as_markdown(text: str) -> str:
    """A docstring's text with Markdown's code spans and blocks."""
    text = _ROLE.sub(r"`\1`", text)
    return re.sub(r"(?m)^( *)(.*?)::$", _introduced, text)


def _introduced(found: re.Match[str]) -> str:
    """The line before a code block: Markdown knows the block by its indentation."""
    indent, words = found.groups()
    return f"{indent}{words}:" if words else ""


class Markdown(griffe.Extension):
    """Rewrites every docstring that the site shows."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of an object."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)
