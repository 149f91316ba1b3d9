"""Fixtures of the tests of all extensions."""

from __future__ import annotations

import pytest

from coilbox.bindings.testing import CallContext


@pytest.fixture
def context() -> CallContext:
    """The context of a sandbox."""
    return CallContext()
