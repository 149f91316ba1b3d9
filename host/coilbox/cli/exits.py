"""Exit codes, and how the command line tells of what went wrong: in lines, never in tracebacks."""

from __future__ import annotations

import os
import sys
import warnings
from typing import TextIO

from coilbox.errors import (
    CoilboxError,
    ConfigError,
    GuestCancelled,
    GuestError,
    GuestException,
    LimitExceeded,
    UsageError,
)
from coilbox.limits import LIMITS

GUEST_EXCEPTION = 1
"""The guest's code raised; as ``python`` would exit."""
USAGE = 120
"""The command line, a profile or a guest build file is wrong."""
HOST = 121
"""This machine, the image or an engine failed, or coilbox itself."""
TRAP = 122
"""The guest crashed inside its sandbox."""
LIMIT = 124
"""The guest was stopped at a limit; the code that ``timeout`` uses, too."""
INTERRUPTED = 130
"""Ctrl-C: 128 + SIGINT."""
BROKEN_PIPE = 141
"""The reader of our output went away: 128 + SIGPIPE."""


def complain(text: str) -> None:
    """Tell of a failure on stderr, each line under the program's name."""
    # What the API calls its limits, and the options that set them here.
    for spec in LIMITS:
        text = text.replace(f"Limits.{spec.name}", spec.option)
    text = text.replace("or None for no limit", "or none for no limit")
    # A stderr that is gone is no reason to fail in another way.
    try:
        for line in text.splitlines():
            print(f"coilbox: {line}", file=sys.stderr)
        sys.stderr.flush()
    except OSError:
        discard(sys.stderr)


def discard(stream: TextIO | None) -> None:
    """Send a broken stream's rest to nowhere, so that Python does not complain of it at exit."""
    if stream is None:
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def code_of(error: CoilboxError) -> int:
    """The exit code that an error stands for."""
    match error:
        case GuestException():  # also one that met the recursion limit
            return GUEST_EXCEPTION
        case LimitExceeded():
            return LIMIT
        case GuestCancelled():
            return INTERRUPTED
        case GuestError():
            return TRAP
        case UsageError() | ConfigError():
            return USAGE
    return HOST


def plain_warnings() -> None:
    """Have warnings shown as lines like our errors, without file names and source."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        complain(f"warning: {message}")

    warnings.showwarning = show
