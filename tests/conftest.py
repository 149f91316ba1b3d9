"""Fixtures that all suites share: the image, the engines, and sandboxes that are closed.

Slow tests run with ``COILBOX_SLOW=1`` or ``-m slow``; ``make test-all`` does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from coilbox import Image, Sandbox, open_image
from coilbox.engines import ENGINE_NAMES

SandboxFactory = Callable[..., Sandbox]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("COILBOX_SLOW") == "1" or "slow" in (config.getoption("-m") or ""):
        return
    skip = pytest.mark.skip(reason="slow; set COILBOX_SLOW=1 or give -m slow to run it")
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def image() -> Image:
    """The default image, built in the cache (``COILBOX_CACHE``, or the user's) if missing."""
    return open_image(None)


@pytest.fixture(scope="session", params=ENGINE_NAMES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn: every test of behaviour runs on all of them."""
    return str(request.param)


@pytest.fixture
def sandbox(image: Image, engine: str) -> Iterator[SandboxFactory]:
    """Make sandboxes on the engine under test; they are closed when the test ends."""
    made: list[Sandbox] = []

    def make(**options: Any) -> Sandbox:
        made.append(Sandbox(image, engine=engine, **options))
        return made[-1]

    yield make
    for box in made:
        box.close()


@pytest.fixture
def box(sandbox: SandboxFactory) -> Sandbox:
    """One sandbox with nothing granted."""
    return sandbox()
