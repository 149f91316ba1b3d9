"""A guest that was given the extension ``probe``."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from coilbox import Image, Sandbox
from coilbox.results import Result

from .probe import Probe, make


class Guest:
    """A sandbox, and what its extension saw."""

    def __init__(self, sandbox: Sandbox, probe: Probe) -> None:
        self.sandbox = sandbox
        self.probe = probe

    def run(self, code: str) -> Result:
        return self.sandbox.run(textwrap.dedent(code))

    def value(self, code: str) -> Any:
        """The value of the last expression."""
        return self.run(code).check().value

    def error(self, code: str) -> str:
        """The last line of the traceback."""
        result = self.run(code)
        assert result.error is not None, "it did not fail"
        return str(result.error).strip().splitlines()[-1]


@pytest.fixture(scope="module")
def shared(image: Image, engine: str) -> Iterator[Guest]:
    extension, probe = make()
    with Sandbox(image, engine=engine, extensions=[extension]) as sandbox:
        yield Guest(sandbox, probe)


@pytest.fixture
def guest(shared: Guest) -> Guest:
    """A fresh interpreter that has imported the extension."""
    shared.sandbox.reset()
    shared.probe.seen.clear()
    shared.run("import asyncio, probe, coilbox").check()
    return shared
