"""Fuzzing, seeded and bounded: every suite's ``test_fuzz.py`` explores strategies with it.

``make test`` does one small round for each target. With ``COILBOX_SLOW=1`` (``make test-all``)
rounds go on for ``COILBOX_FUZZ_SECONDS`` (20) for each target. The first round's seed is
``COILBOX_FUZZ_SEED`` (1), further ones count up; a failure prints the seed of its round.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

T = TypeVar("T")


def _seconds() -> float:
    default = "20" if os.environ.get("COILBOX_SLOW") == "1" else "0"
    return float(os.environ.get("COILBOX_FUZZ_SECONDS", default))


def seeds() -> Iterator[int]:
    """The seeds of the rounds: one, or as many as the time allows."""
    end = time.monotonic() + _seconds()
    seed = int(os.environ.get("COILBOX_FUZZ_SEED", "1"))
    yield seed
    while time.monotonic() < end:
        seed += 1
        yield seed


def explore(strategy: st.SearchStrategy[T], check: Callable[[T], object], few: int) -> None:
    """Check values of a strategy; ``few`` in each round. A failing value is made small."""
    for seed in seeds():

        @hypothesis.seed(seed)
        @settings(
            max_examples=few,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def round_of(value: T) -> None:
            check(value)

        try:
            round_of()
        except BaseException as error:
            error.add_note(f"found with COILBOX_FUZZ_SEED={seed}")
            raise


# Bytes that mean something to most binary formats: LEB128 and MessagePack edges, tags, ASCII.
_TELLING = bytes([0, 1, 2, 3, 0x0B, 0x40, 0x60, 0x70, 0x7F, 0x80, 0x90, 0x91, 0xC1, 0xC7, 0xC9,
                  0xD4, 0xD9, 0xDD, 0xDF, 0xFC, 0xFD, 0xFF])  # fmt: skip


@st.composite
def mutated(draw: Any, corpus: Sequence[bytes], most: int = 6) -> bytes:
    """A member of the corpus with a few places changed, cut, doubled, or taken from another."""
    data = bytearray(draw(st.sampled_from(corpus)))
    for _ in range(draw(st.integers(1, most))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.integers(0, 6))
        if kind <= 1:
            data[at : at + 1] = bytes([draw(st.integers(0, 255))])
        elif kind == 2:
            data[at : at + 1] = bytes([draw(st.sampled_from(_TELLING))])
        elif kind == 3:
            del data[at : at + draw(st.integers(1, 12))]
        elif kind == 4:
            data[at:at] = data[at : at + draw(st.integers(1, 12))]
        elif kind == 5:
            data[at:at] = bytes([0xFF] * draw(st.integers(1, 10)))
        else:
            other = draw(st.sampled_from(corpus))
            start = draw(st.integers(0, len(other)))
            data[at:at] = other[start : start + draw(st.integers(1, 40))]
    return bytes(data)
