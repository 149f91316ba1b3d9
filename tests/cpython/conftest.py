"""CPython's tests, unpacked once for the session."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import obtain


@pytest.fixture(scope="session")
def cpython_tests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds CPython's package ``test``."""
    try:
        return obtain.unpacked(tmp_path_factory.mktemp("cpython"))
    except obtain.SuiteUnavailable as error:
        pytest.skip(str(error))
