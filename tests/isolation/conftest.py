"""Sandboxes in worker processes."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

SUPPORTED = sys.platform == "linux" and platform.machine() == "x86_64"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip = pytest.mark.skip(reason="worker processes need Linux on x86-64")
    for item in items:
        if not SUPPORTED and item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(skip)


@pytest.fixture
def isolation() -> str:
    """Every sandbox of these tests is in a worker."""
    return "process"
