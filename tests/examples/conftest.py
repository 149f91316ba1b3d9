"""The programs in ``examples/``, loaded from their files."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from coilbox import Image

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(image: Image, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Load a program of ``examples/``; the image that it needs is there."""

    def load(path: str) -> ModuleType:
        name = "example_" + path.removesuffix(".py").replace("/", "_")
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)  # dataclasses look there
        spec.loader.exec_module(module)
        return module

    return load
