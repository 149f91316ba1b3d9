"""Fixtures of the standard library's tests: a program that must end well, and real data."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import pytest

from coilbox import Scratch


@pytest.fixture
def value(sandbox: Callable[..., Any]) -> Callable[..., Any]:
    """Run a program in a fresh sandbox with a scratch directory; the value of its last line."""

    def run(code: str, **options: Any) -> Any:
        box = sandbox(scratch=Scratch())
        result = box.run(textwrap.dedent(code), **options).check()
        assert result.stderr == ""
        return result.value

    return run
