"""Two ways to run the command line: in this process (fast), or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from coilbox import Image
from coilbox.cli import invoke as run


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Cli = Callable[..., Outcome]


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command in this process, with nothing to read from stdin."""
    monkeypatch.setattr(sys, "stdin", None)

    def invoke(*args: str) -> Outcome:
        capfd.readouterr()
        code = run(args)
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return invoke


@pytest.fixture
def process(image: Image) -> Callable[..., subprocess.Popen[bytes]]:
    """Start a command in a process of its own; the image is built before."""

    def start(*args: str, **variables: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "coilbox", *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **variables},
        )

    return start
