"""What the host does for a guest's values is bounded: keys, pieces of work, sizes."""

from __future__ import annotations

import datetime
import decimal
import gc
import itertools
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest

from coilbox.bridge.encoding import unpack
from coilbox.codec import Allowance, TypeRegistry, decode, encode
from coilbox.codec.keys import dict_of, set_of
from coilbox.errors import GuestProtocolError, ValueLimitExceeded

from .chains import chained
from .values import DECLARED, Point

TYPES = TypeRegistry(DECLARED)
PRIME = 2**61 - 1  # integers hash to what is left of them by it


class Stopped(Exception):
    """What a checkpoint raises."""


def as_dict(keys: list[Any]) -> bytes:
    return b"\xdf" + len(keys).to_bytes(4, "big") + b"".join(encode(key) + b"\x01" for key in keys)


def as_set(keys: list[Any]) -> bytes:
    return set_of_encoded([encode(key) for key in keys])


def set_of_encoded(items: list[bytes], code: int = 3) -> bytes:
    content = b"\xdd" + len(items).to_bytes(4, "big") + b"".join(items)
    return b"\xc9" + len(content).to_bytes(4, "big") + bytes((code,)) + content


def far(key: int) -> int:
    """Another integer of the same hash."""
    return key + PRIME * (key % 7 + 1)


KEYS: dict[str, Callable[[int], Any]] = {
    "integers": lambda key: key,
    "integers of other bits": far,
    "floats": float,
    "Decimals": decimal.Decimal,
    "mixed": lambda key: (far, float, decimal.Decimal)[key % 3](key),
}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("bits", [11, 13])
def test_keys_that_share_their_places(bits: int, kind: str) -> None:
    keys = list(map(KEYS[kind], chained(bits)))
    for data in (as_dict(keys), b"\x92\x00" + as_dict(keys)):
        with pytest.raises(GuestProtocolError, match=r"same places"):
            decode(data)
    with pytest.raises(GuestProtocolError, match="same places"):
        unpack(b"\x91" + as_dict(keys), Allowance())


def test_keys_for_the_table_after_the_next_growth() -> None:
    """Whoever gets a dict may add to it."""
    keys = chained(12)[-1365:]  # as many as the table before has room for
    before = [key + (1 << 62) for key in range(1300)]
    assert len(decode(as_dict(before))) == 1300  # type: ignore[arg-type]
    with pytest.raises(GuestProtocolError, match="same places"):
        decode(as_dict(chained(12)[: 1365 // 2] + keys[: 1365 // 2]))


@pytest.mark.parametrize("make", [as_dict, as_set])
def test_keys_of_one_hash(make: Callable[[list[Any]], bytes]) -> None:
    with pytest.raises(GuestProtocolError, match="same places"):
        decode(make([number * PRIME for number in range(1, 3000)]))


@pytest.mark.parametrize("levels", [2, 3])
def test_frozensets_of_one_hash(levels: int) -> None:
    """All subsets of the same size have it, and what it takes to compare nested ones multiplies."""
    items = [encode(number * PRIME) for number in range(1, 17)]
    for _ in range(levels):
        some = itertools.islice(itertools.combinations(items, 8), 12)
        items = [set_of_encoded(list(one), 4) for one in some]
    used = time.thread_time()
    with pytest.raises(GuestProtocolError, match="slow to compare"):
        decode(set_of_encoded(items))
    assert time.thread_time() - used < 5


HONEST: dict[str, Callable[[int], Any]] = {
    "range": lambda i: i,
    "negative": lambda i: -i,
    "multiples": lambda i: i << 32,
    "few bits": lambda i: i << 44,
    "times": lambda i: 1_700_000_000_000_000_000 + i * 1_000_000_000,
    "tenths": lambda i: i * 0.1,
    "binary": lambda i: i / 2**20,
    "pairs": lambda i: (i // 60 - 30, i % 60 - 30),
    "texts": lambda i: f"key {i}",
    "frozensets": lambda i: frozenset((i, i + 1)),
    "Decimals": lambda i: decimal.Decimal(i) / 8,
    "dates": lambda i: datetime.date(2000, 1, 1) + datetime.timedelta(i),
    "uuids": lambda i: uuid.UUID(int=i << 64),
    "grid": lambda i: (i % 3 - 3, i // 3 % 3 - 3, i // 9 % 3 - 3, i // 27),
    "powers": lambda i: 2 ** (i % 500),
}


@pytest.mark.parametrize("kind", HONEST)
@pytest.mark.parametrize("count", [20, 300, 3600])
def test_honest_keys(kind: str, count: int) -> None:
    keys = [HONEST[kind](number) for number in range(count)]
    assert decode(encode(dict.fromkeys(keys))) == dict.fromkeys(keys)
    assert decode(encode(set(keys))) == set(keys)


def test_tables_grow_as_it_is_counted_on() -> None:
    """A dict's table has a power of two of places, and is filled to two thirds."""
    sizes = [sys.getsizeof(dict.fromkeys(iter(range(count)))) for count in range(1500)]
    grown = [count for count in range(10, 1500) if sizes[count] != sizes[count - 1]]
    assert grown == [2 * places // 3 + 1 for places in (16, 32, 64, 128, 256, 512, 1024, 2048)]


# -- pieces ---------------------------------------------------------------------------------------

LONG: dict[str, Any] = {
    "integers": list(range(150_000)),
    "texts": ["ab"] * 200_000,
    "empty lists": [[]] * 200_000,
    "nested lists": [[[number]] for number in range(30_000)],
    "dicts": [{"a": number} for number in range(30_000)],
    "a dict": dict.fromkeys(range(50_000)),
    "a dict of texts": {f"key {number}": number for number in range(30_000)},
    "a set": set(range(50_000)),
    "tuples": [(number, "a") for number in range(10_000)],
    "a tuple": tuple(range(150_000)),
    "tuples of long ones": ((tuple(range(100_000)), [1]), "a"),
    "datetimes": [datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)] * 10_000,
    "Decimals": [decimal.Decimal("1.5")] * 10_000,
    "uuids": [uuid.UUID(int=1)] * 10_000,
    "frozensets as keys": {frozenset((number,)): 0 for number in range(5_000)},
    "dataclasses": [Point(number, 2) for number in range(10_000)],
    "a text": "é" * 3_000_000,
    "bytes": b"x" * 5_000_000,
    "long texts": {"a": "x" * 100_000, "b" * 80_000: ["é" * 70_000, b"y" * 200_000, 1]},
}


class Looks:
    """A checkpoint that notes how much CPU time passes between looks."""

    def __init__(self, most: float = float("inf")) -> None:
        self.count = 0
        self.longest = 0.0
        self._most = most
        self._last = time.thread_time()

    def __call__(self) -> None:
        now = time.thread_time()
        self.longest = max(self.longest, now - self._last)
        self._last = now
        self.count += 1
        if self.count > self._most:
            raise Stopped


def large(checkpoint: Callable[[], None]) -> Allowance:
    """An allowance after a long message."""
    allowance = Allowance(checkpoint=checkpoint)
    allowance.large = True
    return allowance


@pytest.fixture
def others_frozen() -> Iterator[None]:
    """Python's collector leaves out what was there before, which may be all that pytest holds."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("others_frozen")
@pytest.mark.parametrize("kind", LONG)
def test_long_values_are_worked_on_in_pieces(kind: str) -> None:
    value = LONG[kind]
    looks = Looks()
    data = encode(value, TYPES, allowance=large(looks))
    sent, longest = looks.count, looks.longest
    looks = Looks()
    found = decode(data, TYPES, Allowance(checkpoint=looks))
    looks()
    assert found == value
    assert looks.count > len(data) / 150_000 - 5
    assert max(longest, looks.longest) < 0.1  # generous: some milliseconds
    if "text" not in kind and kind != "bytes":
        assert sent > 5


@pytest.mark.parametrize("kind", LONG)
def test_work_ends_where_the_guest_is_stopped(kind: str) -> None:
    value = LONG[kind]
    data = encode(value, TYPES)
    with pytest.raises(Stopped):
        decode(data, TYPES, Allowance(checkpoint=Looks(4)))
    assert decode(data, TYPES) == value  # what reads messages is as good as before
    if "text" not in kind and kind != "bytes":
        with pytest.raises(Stopped):
            encode(value, TYPES, allowance=large(Looks(4)))
        assert encode(value, TYPES) == data


@pytest.mark.parametrize("kind", ["integers", "texts", "dicts", "a dict", "datetimes", "a text"])
def test_typed_values_are_read_in_pieces(kind: str) -> None:
    data = encode([LONG[kind], 1])
    looks = Looks()
    assert unpack(data, Allowance(checkpoint=looks)) == [LONG[kind], 1]
    if kind != "a text":
        assert looks.count > 5
        with pytest.raises(Stopped):
            unpack(data, Allowance(checkpoint=Looks(4)))


def test_long_values_at_every_edge() -> None:
    """Values of the lengths at which pieces, and the lengths of long values, begin and end."""
    for size in (1 << 15, 1 << 16, 1 << 17):
        for near in range(size - 8, size + 3):
            value = ["a" * near, b"b" * near, {"c" * near: (1, b"d" * near)}]
            assert decode(encode(value)) == value


@pytest.mark.parametrize("cut", [1, 5, 40_000, 70_000, 200_000])
def test_long_values_that_are_cut_off(cut: int) -> None:
    data = encode([["a" * 100_000], (b"b" * 150_000,)])
    for bad in (data[:-cut], data + b"\x01", data[: cut + 5]):
        with pytest.raises(GuestProtocolError):
            decode(bad)


def test_what_stands_for_a_long_value_cannot_be_sent() -> None:
    fake = b"\xd8\x7f" + bytes(16)
    with pytest.raises(GuestProtocolError, match="extension type 127"):
        decode(b"\x92" + fake + encode("a" * 100_000))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xc9\x00\x40\x00\x01\x01" + b"\x01" * (1 << 22) + b"\x01", id="integer"),
        pytest.param(b"\xc9\x00\x04\x00\x01\x0a" + b"7" * ((1 << 18) + 1), id="Decimal"),
    ],
)
def test_numbers_that_take_long_to_read(data: bytes) -> None:
    with pytest.raises(ValueLimitExceeded, match="longest that can cross"):
        decode(data)


def test_a_list_that_changes_while_it_is_sent() -> None:
    value: list[Any] = [[number] for number in range(10_000)]

    def shorten() -> None:
        if len(value) == 10_000:
            value.pop()

    with pytest.raises(Exception, match="changed meanwhile"):
        encode(value, allowance=large(shorten))


def test_dicts_and_sets_of_keys_without_a_hash() -> None:
    allowance = Allowance()
    assert dict_of([(1, 2)], allowance) == {1: 2}
    assert set_of([1, 1], allowance) == {1}
    with pytest.raises(GuestProtocolError, match="unhashable"):
        decode(msgpack.packb([0] * 2000)[:-1] + b"\x81\x90\x01")
