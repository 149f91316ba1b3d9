"""What the native engine's tests share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def native_units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where small modules are compiled, by content: modes that write the same C share it."""
    return tmp_path_factory.mktemp("native-units")
