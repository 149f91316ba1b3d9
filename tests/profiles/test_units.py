"""Sizes and durations as people write them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coilbox.bindings.jsonschema import schema_text as spec_schema
from coilbox.profiles import schema_text
from coilbox.support.units import (
    format_seconds,
    format_size,
    is_none,
    parse_rate,
    parse_seconds,
    parse_size,
)

SIZES = [
    ("1", 1),
    ("65536", 65536),
    ("1kB", 1000),
    ("64KiB", 65536),
    ("256MiB", 256 << 20),
    ("1.5 GiB", 3 << 29),
    (".5KiB", 512),
    (" 2gb ", 2 * 10**9),
    ("9007199254740993", 9007199254740993),
]
NO_SIZES = [
    ("", "'' is not a size like 256MiB, 1GB or 65536 (bytes)"),
    ("-1", "'-1' is not a size like"),
    ("1e6", "'1e6' is not a size like"),
    ("1M", "'1M' is ambiguous: write 1MiB or 1MB"),
    ("1.0k", "'1.0k' is ambiguous: write 1.0KiB or 1.0KB"),
    ("1TiB", "'1TiB' has no known unit; there are B, kB, MB, GB, KiB, MiB and GiB"),
    ("0.3B", "'0.3B' is not a whole number of bytes"),
]
DURATIONS = [("30", 30), ("1.5s", 1.5), ("500ms", 0.5), ("2m", 120), ("1h", 3600), ("90 s", 90)]


@pytest.mark.parametrize(("text", "size"), SIZES)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(("text", "message"), NO_SIZES)
def test_what_is_no_size(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_size(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("text", "seconds"), DURATIONS)
def test_durations(text: str, seconds: float) -> None:
    assert parse_seconds(text) == pytest.approx(seconds)


def test_no_limit() -> None:
    assert is_none(" None ")
    assert not is_none("")


@pytest.mark.parametrize(
    ("text", "rate"), [("100/s", (100, 1)), ("5/10min", (5, 600)), (" 1 / 2 H ", (1, 7200))]
)
def test_rates(text: str, rate: tuple[int, float]) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "100", "1.5/s", "0/s", "1/0s", "1/x", "-1/s"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a rate|must be above 0|has no known unit"):
        parse_rate(text)


@pytest.mark.parametrize("parse", [parse_size, parse_seconds, parse_rate])
@pytest.mark.parametrize(
    "text", ["9" * 5000, "٣", "1" * 31, "1." + "1" * 31, "\0", "\ud800", "1e5"]
)
def test_texts_that_no_quantity_has(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("text", ["", "soon", "1d", "-3", "1s2", "none"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        parse_seconds(text)


def test_the_schemas_accept_the_same_texts() -> None:
    limits = json.loads(schema_text())["$defs"]["LimitsSection"]["properties"]
    size, wall = (re.compile(limits[key]["anyOf"][1]["pattern"]) for key in ("memory", "wall"))
    of_spec = json.loads(spec_schema())["definitions"]["Limits"]["properties"]
    rate = re.compile(of_spec["rate"]["anyOf"][0]["pattern"])
    assert rate.search("100/10min") and not rate.search("100") and not rate.search("fast")
    assert of_spec["timeout"]["anyOf"][0]["anyOf"] == limits["wall"]["anyOf"]
    for text, _ in SIZES:
        assert size.search(text), text
    for text, _ in NO_SIZES[:-1]:  # the last one is a matter of arithmetic
        assert not size.search(text), text
    for text, _ in [*DURATIONS, ("none", math.inf)]:
        assert wall.search(text), text


@given(st.integers(0, 1 << 70))
def test_plain_bytes_are_exact(size: int) -> None:
    assert parse_size(str(size)) == size


def test_formats() -> None:
    assert [format_size(n) for n in (0, 1023, 1024, 5 << 20, 200 << 20, 3 << 30, 1 << 42)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "5.0 MiB",
        "200 MiB",
        "3.0 GiB",
        "4096.0 GiB",
    ]
    assert [format_seconds(s) for s in (2.5e-6, 0.0123, 1.5)] == ["2.5 µs", "12.30 ms", "1.50 s"]
