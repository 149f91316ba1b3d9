"""Random and damaged bytes for both decoders: only their own errors, bounded memory."""

from __future__ import annotations

import datetime
import decimal
import tracemalloc
import uuid
import zoneinfo
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import strategies as st

from coilbox import Image, Sandbox
from coilbox.codec import TypeRegistry, decode, encode
from coilbox.errors import GuestProtocolError, UnsupportedValueError
from tests.fuzzing import explore, mutated

from .values import DECLARED, Access, Colour, Counted, Point

TYPES = TypeRegistry(DECLARED)
# Bytes of the host for each byte of a message, and for any message: a small int or an empty list
# takes 1 byte in a message and about 64 in the host, and nested values are copied.
FACTOR, BASE = 200, 2 << 20

ZONE = datetime.timezone(datetime.timedelta(hours=-3), "x")
SAMPLES: list[Any] = [
    [None, True, False, 0, -1, 127, 128, -33, 2**16, 2**63, -(2**63), 2**64, -(2**200)],
    [0.5, float("nan"), 1 + 2j, "text", "\u00e9" * 40, "\ud800", b"bytes", b"x" * 300],
    {"key": [1, (2, {3, (4, 5)}, frozenset({"a"}))], 5: {}, (1, "t"): [[[[]]]]},
    [datetime.datetime(2020, 1, 2, 3, 4, 5, 6, ZONE, fold=1), datetime.date(1, 1, 1)],
    [datetime.datetime(2020, 1, 2, tzinfo=zoneinfo.ZoneInfo("UTC")), datetime.time(1, 2, 3, 4)],
    [datetime.timedelta(-1, 2, 3), decimal.Decimal("1E-20"), uuid.UUID(int=7)],
    [Colour.RED, Access.READ | Access.WRITE, Point(1, [Point("x")]), Counted([1, 2])],
    [0, {"env": {"A": "b"}, "functions": ["f"], "types": [["enum", "E", "Enum", {"A": 1}]]}],
    [list(range(300)), {str(n): n for n in range(40)}, tuple(range(20))],
]
CORPUS = [encode(sample, TYPES) for sample in SAMPLES]
messages = st.one_of(
    st.binary(max_size=300),
    mutated(CORPUS),
    # Long runs of one opener or header, as no value has them.
    st.builds(lambda a, n, b: a * n + b, st.binary(max_size=6), st.integers(1, 3000), st.binary()),
)


def test_the_hosts_decoder() -> None:
    def check(data: bytes) -> None:
        tracemalloc.start()
        try:
            value = decode(data, TYPES)
        except (GuestProtocolError, UnsupportedValueError):
            return
        finally:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert peak < FACTOR * len(data) + BASE
        # What was taken goes back and comes out again; an opaque value goes one way only.
        if "Opaque(" not in repr(value):
            decode(encode(value, TYPES), TYPES)

    explore(messages, check, few=600)


HELPERS = """
import _coilbox
def attempt(messages):
    taken = 0
    for data in messages:
        try:
            value = _coilbox.decode(data)
        except (ValueError, TypeError, KeyError, OverflowError, ArithmeticError, AttributeError):
            continue
        taken += 1
        repr(value)
        try:
            _coilbox.encode(value)
        except (TypeError, ValueError):
            pass
    return taken
"""


@pytest.fixture(scope="module")
def guest(image: Image, engine: str) -> Iterator[Sandbox]:
    with Sandbox(image, engine=engine, types=DECLARED) as box:
        box.run(HELPERS).check()
        yield box


def test_the_guests_decoder(guest: Sandbox) -> None:
    def check(batch: list[bytes]) -> None:
        assert guest.call("__main__:attempt", batch).check().value <= len(batch)

    explore(st.lists(messages, min_size=1, max_size=8), check, few=150)
