"""The host's codec alone: round trips, refusals with their place, hostile bytes."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime
import decimal
import enum
import importlib
import threading
import tracemalloc
from typing import Any, NamedTuple, cast

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coilbox import codec
from coilbox.codec import MAX_DEPTH, Allowance, Opaque, TypeRegistry, decode, encode, wire
from coilbox.codec.scalars import SCALARS
from coilbox.errors import GuestProtocolError, UnsupportedValueError, UsageError, ValueLimitExceeded

from .values import DECLARED, VALUES, Access, Colour, Point, same

TYPES = TypeRegistry(DECLARED)


def back(value: Any) -> Any:
    return decode(encode(value, TYPES), TYPES)


@given(VALUES)
def test_values_come_back(value: Any) -> None:
    assert same(back(value), value)


@pytest.mark.parametrize("bits", [7, 8, 15, 16, 31, 32, 62, 63, 64, 65, 127, 128, 4096])
def test_integers_at_the_edges(bits: int) -> None:
    edges = [sign * (1 << bits) + step for sign in (1, -1) for step in (-1, 0, 1)]
    assert back(edges) == edges


def test_integers_outside_messagepack_are_shortest() -> None:
    assert encode(2**64) == b"\xc7\x09\x01" + b"\0" * 8 + b"\x01"
    assert encode(-(2**63) - 1) == b"\xc7\x09\x01" + b"\xff" * 7 + b"\x7f\xff"


class Named(NamedTuple):
    x: int


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "base"),
    [
        (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (collections.defaultdict(list, x=[1]), {"x": [1]}),
        (Named(5), (5,)),
        (Text("é"), "é"),
        (type("I", (int,), {})(2**70), 2**70),
        (type("F", (float,), {})(0.5), 0.5),
        (type("B", (bytes,), {})(b"x"), b"x"),
        (type("L", (list,), {})([1]), [1]),
        (type("S", (set,), {})([1]), {1}),
        (type("D", (datetime.datetime,), {})(2020, 1, 2), datetime.datetime(2020, 1, 2)),
        (type("N", (decimal.Decimal,), {})("1.50"), decimal.Decimal("1.50")),
        (bytearray(b"x"), b"x"),
        (memoryview(b"x"), b"x"),
    ],
)
def test_subclasses_go_as_their_base(value: Any, base: Any) -> None:
    assert same(back(value), base)


class Undeclared(enum.Enum):
    A = 1


@dataclasses.dataclass
class Plain:
    x: int = 0


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (print, "value: cannot send a builtin_function_or_method"),
        ([1, {"x": len}], "value[1]['x']: cannot send a builtin_function_or_method"),
        ((0, [{(1, 2): object()}]), "value[1][0][<tuple>]: cannot send an object"),
        ({"a": {Undeclared.A}}, "cannot send the enum Undeclared: declare it first"),
        ({3: Plain()}, "value[3]: cannot send the dataclass Plain: declare it first"),
        (Point(1, [iter([])]), "value.y[0]: cannot send a list_iterator"),
        ({collections.deque: 1}, "value key <type>: cannot send a type"),
        ([collections.deque()], "value[0]: cannot send a collections.deque"),
        (
            [datetime.datetime(2020, 1, 1, tzinfo=type("Z", (datetime.tzinfo,), {})())],
            "cannot send a time zone of type",
        ),
    ],
)
def test_what_cannot_cross_is_named_with_its_place(value: Any, message: str) -> None:
    with pytest.raises(UnsupportedValueError) as caught:
        encode(value, TYPES)
    assert message in str(caught.value)
    assert back([1]) == [1], "the codec goes on after a refusal"


def test_labels_name_the_parts_of_a_request() -> None:
    request = [2, "m:f", [{"x": print}], {"key": [len]}]
    labels = ("", "target", "args", "kwargs")
    with pytest.raises(UnsupportedValueError, match=r"^args\[0\]\['x'\]: cannot send a builtin"):
        encode(request, labels=labels)
    request[2] = []
    with pytest.raises(UnsupportedValueError, match=r"^kwargs\['key'\]\[0\]: "):
        encode(request, labels=labels)


def nested(levels: int, kind: Any) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = kind(value)
    return value


KINDS = {
    "list": lambda v: [v],
    "tuple": lambda v: (v,),
    "dict": lambda v: {"k": v},
    "mixed": lambda v: [(v, {"k": 1})],
}


@pytest.mark.parametrize("name", KINDS)
def test_nesting_is_bounded(name: str) -> None:
    kind = KINDS[name]
    # "mixed" has two levels for each step, and a dict in the last.
    steps = (MAX_DEPTH - 1) // 2 if name == "mixed" else MAX_DEPTH
    fits = nested(steps, kind)
    assert back(fits) == fits
    with pytest.raises(UnsupportedValueError, match="nested deeper than 128"):
        encode(nested(steps + 1, kind))


@pytest.mark.parametrize("wrap", [list, lambda v: {"k": v[0]}, lambda v: [tuple(v)]])
def test_cycles_are_refused(wrap: Any) -> None:
    cycle: list[Any] = []
    cycle.append(wrap([cycle]))
    with pytest.raises(UnsupportedValueError, match="contains itself"):
        encode(cycle)


def test_declaring() -> None:
    types = TypeRegistry([Colour])
    types.declare(Colour)
    types.declare(Point, "geo.Point")
    assert decode(encode(Point(1, 2), types), types) == Point(1, 2)
    assert types.specs() == [
        ["enum", "Colour", "Enum", {"RED": 1, "GREEN": "g"}],
        ["dataclass", "geo.Point", ["x", "y"], True],
    ]
    assert TypeRegistry([Access]).specs() == [
        ["enum", "Access", "IntFlag", {"READ": 1, "WRITE": 2}]
    ]
    with pytest.raises(UsageError, match="already declared"):
        types.declare(Access, "Colour")
    with pytest.raises(UsageError, match="neither an enum nor a dataclass"):
        types.declare(int)


@pytest.mark.parametrize("size", [1025, 3_000_000])
@pytest.mark.parametrize("place", ["set", "dict", "tuples", "frozensets", "dataclasses"])
def test_huge_integers_are_not_compared_with_decimals(size: int, place: str) -> None:
    """Python converts the integer, which takes minutes for a megabyte, and nothing stops it."""
    number = int.from_bytes(b"\x5a" * size, "little")
    alike = decimal.Decimal(hash(number))
    integer, other = (encode(value, TYPES) for value in (number, alike))
    wrap: dict[str, Any] = {
        "tuples": lambda data: ext(2, b"\x91" + data),
        "frozensets": lambda data: ext(4, b"\x91" + data),
        "dataclasses": lambda data: ext(13, b"\x92\xa5Point\x82\xa1x" + data + b"\xa1y\x00"),
    }
    keys = [wrap.get(place, bytes)(data) for data in (integer, other)]
    if place == "dict":
        data = b"\x82" + keys[0] + b"\x01" + keys[1] + b"\x01"
    else:
        data = ext(3, b"\x92" + b"".join(keys))
    with pytest.raises(GuestProtocolError, match="a huge integer and a Decimal as keys"):
        decode(data, TYPES)
    assert decode(encode({"a": number, "b": alike}, TYPES), TYPES) == {"a": number, "b": alike}


def test_flags_leave_nothing_behind() -> None:
    """Python keeps each combination of a flag that was made, and a guest can send any number."""
    types = TypeRegistry([Access])
    kept = dict(Access._value2member_map_)
    for value in range(8, 1000):
        assert decode(ext(12, array("Access", value)), types) == Access(value)
        Access._value2member_map_.pop(value, None)  # some releases of Python keep what we made
    huge = ext(12, array("Access", msgpack.ExtType(1, b"\x01" * 9000)))
    with pytest.raises(GuestProtocolError, match="malformed value"):
        decode(huge, types)
    assert Access._value2member_map_ == kept
    assert decode(ext(12, array("Access", 3)), types) == Access.READ | Access.WRITE


def test_flags_without_numbers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = enum.Flag("Wide", [f"F{n}" for n in range(12)])  # type: ignore[misc]
    types = TypeRegistry([wide])
    monkeypatch.setattr(importlib.import_module("coilbox.codec.decode"), "_COMBINATIONS", 100)
    for value in range(1, 90):
        assert decode(ext(12, array("Wide", value)), types) is wide(value)
    with pytest.raises(GuestProtocolError, match="more combinations of Wide than a process keeps"):
        for value in range(90, 300):
            decode(ext(12, array("Wide", value)), types)
    assert decode(ext(12, array("Wide", 3)), types) is wide(3)


def test_opaque_comes_from_the_guest_only() -> None:
    for length in (3, None):
        data = msgpack.packb(msgpack.ExtType(16, msgpack.packb(["m.T", "<T>", length])))
        assert decode(data) == Opaque("m.T", "<T>", length)
    for wrong in (["m.T", "<T>"], ["m.T", 1, None], ["m.T", "<T>", "3"]):
        with pytest.raises(GuestProtocolError):
            decode(msgpack.packb(msgpack.ExtType(16, msgpack.packb(wrong))))
    with pytest.raises(UnsupportedValueError, match="Opaque"):
        encode(Opaque("m.T", "<T>"))


# ---- hostile bytes ----


def ext(code: int, payload: bytes) -> bytes:
    return bytes(msgpack.packb(msgpack.ExtType(code, payload)))


def array(*items: Any) -> bytes:
    return bytes(msgpack.packb(list(items)))


HOSTILE = {
    "nothing": b"",
    "reserved byte": b"\xc1",
    "cut off list": b"\x93\x01",
    "a list of 4 billion": b"\xdd\xff\xff\xff\xff",
    "a dict of 4 billion": b"\xdf\xff\xff\xff\xff",
    "text of 4 GB": b"\xdb\xff\xff\xff\xff",
    "an ext of 4 GB": b"\xc9\xff\xff\xff\xff\x02",
    "bytes after the end": b"\x01\x02",
    "bad UTF-8": b"\xa2\xff\xff",
    "a list as key": b"\x81\x90\x01",
    "unknown ext": ext(99, b""),
    "tuple without array": ext(2, b"\x01"),
    "tuple cut off": ext(2, b"\x92\x01"),
    "tuple with more": ext(2, b"\x90\x90"),
    "set of lists": ext(3, array([1])),
    "surrogates that are no text": ext(5, b"\xff"),
    "month 13": ext(7, array(2020, 13, 1)),
    "year of 100 digits": ext(7, b"\x93" + ext(1, b"\x7f" * 40) + b"\x01\x01"),
    "date of texts": ext(7, array("2020", "1", "1")),
    "date of booleans": ext(7, array(True, True, True)),
    "date with too much": ext(7, array(1, 1, 1, 1)),
    "fold 2": ext(8, array(1, 1, 1, 1, 2, None)),
    "zone of a path": ext(8, array(1, 1, 1, 1, 0, "../../etc/passwd")),
    "zone of an absolute path": ext(8, array(1, 1, 1, 1, 0, "/etc/passwd")),
    "zone with nul": ext(8, array(1, 1, 1, 1, 0, "a\0b")),
    "zone of days": ext(8, array(1, 1, 1, 1, 0, [10**12, None])),
    "zone with a number as name": ext(8, array(1, 1, 1, 1, 0, [0, 1])),
    "too many days": ext(9, array(10**12, 0, 0)),
    "decimal text": ext(10, b"abc"),
    "decimal digits of another script": ext(10, "١".encode()),
    "decimal with underscores": ext(10, b"1_0"),
    "decimal exponent": ext(10, b"1E99999999999999999999"),
    "uuid of 15 bytes": ext(11, b"x" * 15),
    "unknown enum": ext(12, array("Nope", "A")),
    "unknown member": ext(12, array("Colour", "BLUE")),
    "enum method as member": ext(12, array("Colour", "__class__")),
    "enum name of a list": ext(12, array([1], "RED")),
    "flag of text": ext(12, array("Access", "READ")),
    "unknown dataclass": ext(13, array("Nope", {})),
    "dataclass with fields missing": ext(13, array("Point", {"x": 1})),
    "dataclass with more fields": ext(13, array("Point", {"x": 1, "y": 2, "z": 3})),
    "dataclass with a number as field": ext(13, array("Point", {"x": 1, 2: 2})),
    "dataclass that refuses": ext(13, array("Counted", {"items": 5, "size": 1})),
    "complex of one": ext(14, b"x" * 8),
    "opaque of numbers": ext(16, array(1, 2)),
    "deep lists": b"\x91" * 129 + b"\x01",
    "very deep lists": b"\x91" * 100_000 + b"\x01",
    "deep dicts": b"\x81\x01" * 129 + b"\x01",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_are_refused(name: str) -> None:
    with pytest.raises(GuestProtocolError, match=r"^the guest sent a malformed value: .+"):
        decode(HOSTILE[name], TYPES)
    assert decode(b"\x01") == 1, "the codec goes on after a refusal"


def tuples(levels: int, inside: bytes = b"\x01") -> bytes:
    for _ in range(levels):
        inside = ext(2, b"\x91" + inside)
    return inside


def test_deep_extension_values_are_refused() -> None:
    for data in (tuples(129), tuples(60, b"\x91" * 70 + b"\x01"), tuples(5000)):
        with pytest.raises(GuestProtocolError):
            decode(data)
    assert isinstance(decode(tuples(128)), tuple)


@pytest.mark.parametrize("item", [b"\x90", b"\x80", b"\xd4\x03\x90", b"\x91\x01"])
def test_values_are_weighed(item: bytes) -> None:
    """A container of one byte takes a hundred times as much in the host."""
    data = b"\xdc\x27\x10" + 10_000 * item  # a list of 10,000
    assert len(decode(data, allowance=Allowance(len(data) + 64 * 20_001))) == 10_000  # type: ignore[arg-type]
    with pytest.raises(ValueLimitExceeded, match=r"more than 600000 bytes \(Limits.value_bytes\)"):
        decode(data, allowance=Allowance(600_000))


@pytest.mark.parametrize(
    "item",
    [
        b"\xa2%c%c",
        b"\xcd%c%c",
        b"\xd0\x9c",
        b"\xc4\x02%c%c",
        b"\x90",
        b"\x80",
        b"\x81\x01\x01",
        b"\xd4\x03\x90",
        b"\xc7\x01\x0a1",
    ],
)
def test_values_take_no_more_than_25_times_their_weight(item: bytes) -> None:
    letters = [(97 + n % 26, 97 + n // 26 % 26) for n in range(20_000)]
    data = b"\xdc\x4e\x20" + b"".join(item % pair if b"%" in item else item for pair in letters)
    low, high = 1, 1 << 30
    while low < high:  # the smallest limit that lets it pass is its weight
        middle = (low + high) // 2
        try:
            decode(data, allowance=Allowance(middle))
            high = middle
        except ValueLimitExceeded:
            low = middle + 1
    tracemalloc.start()
    try:
        decode(data, allowance=Allowance(low))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 25 * low + 100_000


def test_bytes_weigh_what_they_are() -> None:
    data = b"\xc6\x00\x01\x00\x00" + b"\x90" * 65536
    assert decode(data, allowance=Allowance(70_000)) == b"\x90" * 65536
    with pytest.raises(ValueLimitExceeded):
        decode(data, allowance=Allowance(65536))


class Compared(int):
    """An integer that counts how often any of its kind is compared."""

    times = 0
    __hash__ = int.__hash__

    def __eq__(self, other: object) -> bool:
        Compared.times += 1
        return int.__eq__(self, other)


def test_keys_of_equal_hash_cost_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not compared with each other, which would take a minute."""
    whole = SCALARS[wire.INT]
    monkeypatch.setitem(SCALARS, wire.INT, lambda data: Compared(cast(int, whole(data))))
    prime = 2**61 - 1
    keys = [number * prime for number in range(1, 40_000)]
    data = b"".join(ext(1, key.to_bytes(16, "little")) for key in keys)
    header = len(keys).to_bytes(4, "big")
    as_set = ext(3, b"\xdd" + header + data)
    pairs = b"".join(ext(1, key.to_bytes(16, "little")) + b"\x01" for key in keys)
    many = b"\xdc" + (500).to_bytes(2, "big") + as_set * 500
    for data in (as_set, b"\xdf" + header + pairs, many):
        Compared.times = 0
        with pytest.raises(GuestProtocolError, match="take the same places"):
            decode(data, TypeRegistry(), allowance=Allowance(1 << 30))
        assert Compared.times == 0


def test_headers_that_lie_allocate_little() -> None:
    lie = b"\xdd\x00\x0f\xff\xff"  # a list of a million items
    data = lie * 100 + b"\xc0" * 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(GuestProtocolError):
            decode(data)
        assert tracemalloc.get_traced_memory()[1] < 64 * len(data)
    finally:
        tracemalloc.stop()


def test_nested_copies_are_bounded() -> None:
    with pytest.raises(GuestProtocolError, match="too much data in too many levels"):
        decode(tuples(100, msgpack.packb(b"x" * 1_000_000)))
    assert decode(tuples(5, msgpack.packb(b"x" * 1_000_000)))


def test_an_unknown_time_zone_is_not_the_guests_fault() -> None:
    with pytest.raises(UnsupportedValueError, match="'Mars/Phobos', which this machine has no"):
        decode(ext(8, array(1, 1, 1, 1, 0, "Mars/Phobos")))


@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_an_error(data: bytes) -> None:
    with contextlib.suppress(GuestProtocolError, UnsupportedValueError):
        decode(data, TYPES)


@given(VALUES, st.data())
def test_damaged_values_give_a_value_or_an_error(value: Any, data: st.DataObject) -> None:
    whole = bytearray(encode(value, TYPES))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(GuestProtocolError, UnsupportedValueError):
        decode(bytes(whole), TYPES)


def test_threads_do_not_share_what_encodes() -> None:
    """An encoder is for one thread at a time, also for those who declare no types."""
    waiting, go_on = threading.Event(), threading.Event()
    found: list[object] = []

    def elsewhere() -> None:
        found.append(codec._coders.encoder)
        found.append(codec._coders.decoder)
        waiting.set()
        go_on.wait(60)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    assert waiting.wait(60)
    try:
        assert codec._coders.encoder is not found[0]
        assert codec._coders.decoder is not found[1]
    finally:
        go_on.set()
        thread.join()
