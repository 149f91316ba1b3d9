"""The documentation names every option of every command."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

from coilbox.cli.group import group

from .pages import ROOT

DOCUMENTED = frozenset(
    option
    for path in (ROOT / "docs").glob("*.md")
    for option in re.findall(r"--[a-z][a-z-]*", path.read_text(encoding="utf-8"))
)


def options(command: click.Command, name: str) -> Iterator[tuple[str, list[str]]]:
    """The options of a command and of those below it, by the command's words."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for word in command.list_commands(context):
            below = command.get_command(context, word)
            assert below is not None
            yield from options(below, f"{name} {word}")
    elif not command.hidden:
        long = [opt for param in command.params for opt in param.opts if opt.startswith("--")]
        yield name, long


@pytest.mark.parametrize(
    ("command", "named"), options(group, "coilbox"), ids=lambda value: str(value)[:40]
)
def test_every_option_is_documented(command: str, named: list[str]) -> None:
    missing = sorted(set(named) - DOCUMENTED - {"--help"})
    assert missing == [], f"no page of docs/ names these options of {command}"
