"""What the tests of all extensions share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest


@dataclass
class CallContext:
    """A context of a call, as the bridge makes them, for implementations that are called here."""

    sandbox_id: str = "test"
    grants: frozenset[str] = frozenset()
    deadline: float | None = None
    cancelled: bool = False
    state: dict[str, Any] = field(default_factory=dict)


@pytest.fixture
def context() -> CallContext:
    return CallContext()


@pytest.fixture
def new_context() -> type[CallContext]:
    """Make contexts of other sandboxes."""
    return CallContext
