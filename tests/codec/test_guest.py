"""The guest's codec in C, between real host and guest, and fed with damaged bytes."""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coilbox import Image, Opaque, Sandbox
from coilbox.codec import TypeRegistry, decode, encode

from .values import DECLARED, VALUES, Access, Colour, Point, same

SHARED = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

HELPERS = """
import _coilbox
from coilbox import host

def echo(value): return value
def through_host(value): return host.echo(value)
def again(data):
    value = _coilbox.decode(data)
    return _coilbox.decode(_coilbox.encode(value)) == value
def attempt(data):
    try:
        _coilbox.decode(data)
    except Exception as error:
        return type(error).__name__
"""


@pytest.fixture(scope="module")
def guest(image: Image, engine: str) -> Iterator[Sandbox]:
    with Sandbox(
        image, engine=engine, functions={"echo": lambda value: value}, types=DECLARED
    ) as box:
        box.run(HELPERS).check()
        yield box


@SHARED
@given(VALUES)
def test_arguments_come_back(guest: Sandbox, value: Any) -> None:
    assert same(guest.call("__main__:echo", value).check().value, value)


@SHARED
@given(VALUES)
def test_values_pass_through_host_functions(guest: Sandbox, value: Any) -> None:
    assert same(guest.call("__main__:through_host", value).check().value, value)


@SHARED
@given(VALUES, st.data())
def test_damaged_bytes_are_values_or_exceptions(
    guest: Sandbox, value: Any, data: st.DataObject
) -> None:
    whole = bytearray(encode(value, TypeRegistry(DECLARED)))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    for damaged in (bytes(whole), bytes(whole[:cut])):
        name = guest.call("__main__:attempt", damaged).check().value
        assert name in (None, "ValueError", "TypeError", "KeyError", "OverflowError",
                        "UnicodeDecodeError", "InvalidOperation", "ZoneInfoNotFoundError",
                        "AttributeError")  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [b"", b"\xc1", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff",
     b"\xc9\xff\xff\xff\xff\x02", b"\x91" * 129 + b"\x01", b"\x91" * 100_000, b"\x01\x02",
     b"\xc7\x02\x02\x91", b"\xc7\x02\x02\x90\x90", b"\xc7\x02\x07\x91\x01", b"\xd6\x63abcd"],
)  # fmt: skip
def test_malformed_bytes_are_value_errors(guest: Sandbox, data: bytes) -> None:
    assert guest.call("__main__:attempt", data).check().value == "ValueError"


@pytest.mark.parametrize("size", [0, 31, 32, 255, 256, 65_535, 65_536, 1_000_000])
@pytest.mark.parametrize("kind", ["bytes", "ascii", "text", "list", "tuple", "dict", "set"])
def test_sizes_at_the_edges(guest: Sandbox, kind: str, size: int) -> None:
    makers: dict[str, Any] = {
        "bytes": lambda: b"x" * size,
        "ascii": lambda: "x" * size,
        "text": lambda: "é" * size,
        "list": lambda: [None] * min(size, 70_000),
        "tuple": lambda: (None,) * min(size, 70_000),
        "dict": lambda: dict.fromkeys(range(min(size, 70_000))),
        "set": lambda: set(range(min(size, 70_000))),
    }
    value = makers[kind]()
    assert guest.call("__main__:through_host", value).check().value == value
    assert guest.call("__main__:again", encode(value)).check().value is True


@pytest.mark.parametrize("bits", [7, 8, 15, 16, 31, 32, 62, 63, 64, 65, 127, 128, 4096])
def test_integers_at_the_edges(guest: Sandbox, bits: int) -> None:
    edges = [sign * (1 << bits) + step for sign in (1, -1) for step in (-1, 0, 1)]
    assert guest.call("__main__:through_host", edges).check().value == edges
    for value in edges:
        payload = guest.call("_coilbox:encode", value).check().value
        assert decode(payload) == value
        assert len(payload) - len(encode(value)) in (0, 1, 2)  # the host has shorter headers


def test_time_zones(guest: Sandbox) -> None:
    winter = datetime.datetime(
        2020, 10, 25, 2, 30, tzinfo=zoneinfo.ZoneInfo("Europe/Paris"), fold=1
    )
    guest.run("from coilbox import host; import datetime").check()
    fixed = datetime.timezone(datetime.timedelta(hours=-3, minutes=-30), "NST")
    for zone in (datetime.UTC, fixed, datetime.timezone(datetime.timedelta(seconds=-1))):
        value = winter.replace(tzinfo=zone)
        result = guest.call("__main__:echo", value).check().value
        assert repr(result) == repr(value)
        assert result.fold == 1


def test_nesting_is_bounded(guest: Sandbox) -> None:
    deep = "x = 1\nfor _ in range({}): x = {}\n"
    for kind in ("[x]", "(x,)", "{1: x}"):
        # Arguments are two levels down in a call, and the value one level down in a reply.
        guest.run(deep.format(126, kind)).check()
        guest.run("host.echo(x)").check()
        guest.run(deep.format(127, kind)).check()
        assert isinstance(guest.run("x").check().value, (list, tuple, dict))
        error = guest.run("host.echo(x)").error
        assert "ValueError: argument 1[" in str(error)
        assert "nested deeper than 128 levels" in str(error)
        guest.run(deep.format(128, kind)).check()
        assert isinstance(guest.run("x").check().value, Opaque)


def test_what_cannot_cross_is_named_with_its_place(guest: Sandbox) -> None:
    error = guest.run("host.echo([1, {'x': print}])").error
    assert "argument 1[1]['x']: cannot send a value of type builtin_function" in str(error)
    guest.run("def bad(): return {'k': (1, object())}").check()
    assert "value['k'][1]: cannot send a value of type object" in str(
        guest.call("__main__:bad").error
    )
    code = "import enum\nclass E(enum.Enum): A = 1\nhost.echo(E.A)"
    assert "cannot send the enum E: declare it first" in str(guest.run(code).error)


def test_values_that_change_while_they_are_sent(image: Image, engine: str) -> None:
    code = """
import dataclasses
from coilbox import declare
items = []
@declare
@dataclasses.dataclass
class Point:
    x: int
    y: int = 0
    def __getattribute__(self, name):
        items.clear()
        return 1
items[:] = [Point(1), 2, 3]
host.echo(items)
"""
    with Sandbox(
        image, engine=engine, functions={"echo": lambda value: value}, types=DECLARED
    ) as box:
        box.run("from coilbox import host").check()
        assert "changed while it was being sent" in str(box.run(code).error)


def test_subclasses_go_as_their_base(guest: Sandbox) -> None:
    code = """
import collections
order = collections.OrderedDict(a=1, b=2)
order.move_to_end("a")
[order, collections.Counter("aab"), collections.namedtuple("N", "x")(1), bytearray(b"x"),
 memoryview(b"y"), type("I", (int,), {})(2**70), type("S", (frozenset,), {})([1]),
 type("T", (str,), {})("t"), type("L", (list,), {})([1])]
"""
    value = guest.run(code).check().value
    assert list(value[0]) == ["b", "a"]
    expected = [{"b": 2, "a": 1}, {"a": 2, "b": 1}, (1,), b"x", b"y", 2**70, frozenset([1])]
    assert same(value, [*expected, "t", [1]])


def test_declared_types(guest: Sandbox) -> None:
    value = (
        guest.run("from coilbox import types\n[types.Colour.RED, types.Access(3)]").check().value
    )
    assert value == [Colour.RED, Access.READ | Access.WRITE]
    assert guest.run("types.Point(1, types.Point(2, 3))").check().value == Point(1, Point(2, 3))
    assert "the type 'Nope' is not declared" in str(guest.run("types.Nope").error)
