"""What the tests of all extensions share."""

from __future__ import annotations

import pytest

from coilbox.bindings.testing import CallContext


@pytest.fixture
def context() -> CallContext:
    """The context of a sandbox."""
    return CallContext()
