"""Fixtures for the passes' tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coilbox.wasm import Module


@pytest.fixture(scope="session")
def wat(wat: Callable[[str], bytes]) -> Callable[[str], Module]:
    """Assemble WebAssembly text to a module."""
    return lambda text: Module(wat(text))
