"""Text of the guest made harmless for logs, terminals and readers."""

from __future__ import annotations

import re

# Control characters of C0 and C1 (new lines and escape sequences among them), invisible and
# direction-changing format characters, line separators, tags, and halves of surrogate pairs.
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_NAME = re.compile(r"[^A-Za-z0-9_-]+")


def one_line(text: str, most: int) -> str:
    """One harmless line: at most ``most`` characters of the text, the harmful ones escaped."""
    shown = _HARMFUL.sub(lambda found: _escape(found[0]), text[:most])
    return f"{shown}... ({len(text) - most} characters more)" if len(text) > most else shown


def lines(text: str, most: int) -> list[str]:
    """Harmless lines of a text of several: at most ``most`` characters in all."""
    shown = [one_line(line, most) for line in text[:most].splitlines()]
    return [*shown, f"... ({len(text) - most} characters more)"] if len(text) > most else shown


def logger_name(name: str) -> str:
    """A name for a logger below a prefix; empty if nothing is left of it."""
    parts = (_NAME.sub("_", part[:32]) for part in name[:256].split(".") if part)
    return ".".join(list(parts)[:6])


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
