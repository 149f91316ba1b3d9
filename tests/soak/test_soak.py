"""A long mixed life leaves the process as it was; the figures are printed."""

from __future__ import annotations

import pytest

from coilbox import Image
from tests.soak import soak


def check(image: Image, engine: str, runs: int) -> None:
    before, after, total = soak.soak(image, engine, runs)
    assert set(total) >= set(soak.KINDS), "every kind of run came up"
    growth = soak.Figures(*(b - a for a, b in zip(before, after, strict=True)))
    # A leak of 100 bytes for each run would show; what the allocators keep back does not.
    assert growth.dirty < 16 << 10, growth
    # Pages of the image and of code come and go with the sandboxes that are there just then.
    assert growth.rss < 40 << 10, growth
    assert growth.descriptors <= 2, growth
    assert growth.mappings <= 40, growth
    assert growth.threads <= 1, growth


def test_a_short_soak(image: Image, engine: str) -> None:
    check(image, engine, 1000)


@pytest.mark.slow
def test_a_soak_of_200_000_runs(image: Image, engine: str) -> None:
    check(image, engine, 200_000)
