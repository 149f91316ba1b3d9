"""Values of every type of the codec, into the guest and back, exactly as they went."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import math
import uuid
import zoneinfo
from typing import Any

import pytest

from coilbox import Opaque, Sandbox, UnsupportedValueError

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")

VALUES: dict[str, object] = {
    "none": None,
    "true": True,
    "false": False,
    "zero": 0,
    "minus one": -1,
    "largest msgpack uint": 2**64 - 1,
    "above msgpack": 2**64,
    "smallest msgpack int": -(2**63),
    "below msgpack": -(2**63) - 1,
    "int of 4000 bits": 3**2500,
    "negative int of 4000 bits": -(3**2500),
    "int of 5000 digits": 10**5000 + 7,
    "float": 0.1,
    "float zero": 0.0,
    "minus zero": -0.0,
    "smallest float": 5e-324,
    "infinity": math.inf,
    "minus infinity": -math.inf,
    "whole float": 3.0,
    "complex": complex(1.5, -0.0),
    "empty str": "",
    "str": "größer 日本 🐍",
    "str with nul": "a\0b",
    "lone surrogates": "a\ud800b\udfff",
    "long str": "é" * 70_000,
    "empty bytes": b"",
    "bytes": bytes(range(256)),
    "long bytes": b"\xff\x00" * 100_000,
    "empty list": [],
    "list": [1, "a", None, [2.5, [b"x"]]],
    "long list": list(range(70_000)),
    "empty tuple": (),
    "tuple": (1, (2, (3,))),
    "dict": {"a": 1, 2: "b", None: [True], (1, 2): {"x": b"y"}},
    "dict order": {"z": 1, "a": 2, "m": 3},
    "empty dict": {},
    "set": {1, "a", None, (2, 3)},
    "empty set": set(),
    "frozenset": frozenset({1, frozenset({2})}),
    "date": dt.date(2024, 2, 29),
    "first date": dt.date.min,
    "time": dt.time(23, 59, 59, 999_999),
    "time with offset": dt.time(1, 2, 3, tzinfo=dt.timezone(dt.timedelta(hours=-5))),
    "naive datetime": dt.datetime(1999, 12, 31, 23, 59, 59, 1),
    "utc datetime": dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
    "named offset": dt.datetime(2026, 1, 2, tzinfo=dt.timezone(dt.timedelta(minutes=330), "IST")),
    "offset with seconds": dt.datetime(
        1900, 1, 1, tzinfo=dt.timezone(dt.timedelta(seconds=1172, microseconds=5))
    ),
    "zone datetime": dt.datetime(2026, 7, 1, 12, tzinfo=BERLIN),
    "zone datetime in the fold": dt.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN),
    "timedelta": dt.timedelta(days=-3, seconds=7, microseconds=11),
    "largest timedelta": dt.timedelta.max,
    "decimal": decimal.Decimal("3.1400"),
    "decimal exponent": decimal.Decimal("-1E+1000"),
    "decimal infinity": decimal.Decimal("-Infinity"),
    "uuid": uuid.UUID("12345678-1234-5678-1234-567812345678"),
    "nested to the limit": None,  # set below
    "mixture": {"rows": [(1, {"at": dt.date(2020, 1, 1)}), (2, {"at": None})], "n": {1, 2}},
}


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


VALUES["nested to the limit"] = nested(100)

ECHO = """
def echo(value):
    return value

def describe(value):
    return type(value).__module__ + "." + type(value).__qualname__, repr(value)
"""


def same(a: object, b: object) -> bool:
    """Whether two values are equal with equal types all the way down, NaN and -0.0 included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        assert isinstance(b, float)
        return (math.isnan(a) and math.isnan(b)) or (
            a == b and math.copysign(1, a) == math.copysign(1, b)
        )
    if isinstance(a, dict):
        assert isinstance(b, dict)
        return len(a) == len(b) and all(
            same(x, y) and same(a[x], b[y]) for x, y in zip(a, b, strict=True)
        )
    if isinstance(a, (list, tuple)):
        assert isinstance(b, (list, tuple))
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, (dt.datetime, dt.time)):
        assert isinstance(b, (dt.datetime, dt.time))
        return (repr(a), a.fold) == (repr(b), b.fold)
    return repr(a) == repr(b) if isinstance(a, (decimal.Decimal, complex)) else a == b


@pytest.fixture
def echo(box: Sandbox) -> Sandbox:
    box.run(ECHO).check()
    return box


@pytest.mark.parametrize("name", VALUES)
def test_a_value_comes_back_as_it_went(echo: Sandbox, name: str) -> None:
    value = VALUES[name]
    result = echo.call("__main__:echo", value).check()
    assert same(result.value, value), f"{str(result.value)[:200]!r}"


@pytest.mark.parametrize(
    "name",
    [name for name in VALUES if "set" not in name and "long" not in name and "digits" not in name],
)
def test_the_guest_sees_the_same_type_and_repr(echo: Sandbox, name: str) -> None:
    value = VALUES[name]
    kind = type(value).__module__ + "." + type(value).__qualname__
    seen = echo.call("__main__:describe", value).check().value
    if kind == "zoneinfo.ZoneInfo" or isinstance(value, (dt.datetime, dt.date, dt.time)):
        kind = "datetime." + type(value).__qualname__
    assert seen[0] == kind
    assert seen[1] == repr(value)


def test_nan_comes_back(echo: Sandbox) -> None:
    value = echo.call("__main__:echo", [math.nan, {"x": decimal.Decimal("NaN")}]).check().value
    assert math.isnan(value[0])
    assert value[1]["x"].is_nan()


def test_all_values_at_once_with_keywords(echo: Sandbox) -> None:
    echo.run("def swap(*args, **kwargs): return kwargs, args").check()
    values = list(VALUES.values())
    keywords, positional = echo.call("__main__:swap", *values, last=values, 日本=1).value
    assert same(list(positional), values)
    assert same(keywords, {"last": values, "日本": 1})


MADE_IN_THE_GUEST: dict[str, object] = {
    "2 ** 200": 2**200,
    "-(2 ** 63)": -(2**63),
    "float('1e308') * 10": math.inf,
    "'\\udc80'": "\udc80",
    "{(1, 2): {3}, None: frozenset()}": {(1, 2): {3}, None: frozenset()},
    "__import__('datetime').datetime(2020, 1, 1, fold=1)": dt.datetime(2020, 1, 1, fold=1),
    "__import__('decimal').Decimal('0.10')": decimal.Decimal("0.10"),
    "__import__('uuid').UUID(int=5)": uuid.UUID(int=5),
    "__import__('collections').OrderedDict(b=1, a=2)": {"b": 1, "a": 2},
    "__import__('collections').Counter('aab')": {"a": 2, "b": 1},
    "__import__('collections').namedtuple('P', 'x y')(1, 2)": (1, 2),
    "type('MyInt', (int,), {})(7)": 7,
    "type('MyStr', (str,), {})('s')": "s",
    "type('MyList', (list,), {'__iter__': None})([1])": [1],
    "True": True,
}


@pytest.mark.parametrize("expression", MADE_IN_THE_GUEST)
def test_values_made_in_the_guest(box: Sandbox, expression: str) -> None:
    expected = MADE_IN_THE_GUEST[expression]
    value = box.run(expression).check().value
    assert same(value, expected), value


class Colour(enum.Enum):
    RED = "red"
    BLUE = 2


class Bits(enum.IntFlag):
    READ = 4
    WRITE = 2


@dataclasses.dataclass
class Point:
    x: float
    y: float
    colour: Colour = Colour.RED
    tags: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Line:
    start: Point
    end: Point


@pytest.fixture
def typed(sandbox: Any) -> Sandbox:
    box: Sandbox = sandbox(types=[Colour, Bits, Point, Line])
    box.run(ECHO).check()
    return box


@pytest.mark.parametrize(
    "value",
    [
        Colour.RED,
        Colour.BLUE,
        Bits.READ,
        Bits.READ | Bits.WRITE,
        Point(1.0, 2.5),
        Point(0.0, -1.0, Colour.BLUE, ["a", "b"]),
        Line(Point(0.0, 0.0), Point(1.0, 1.0, tags=["end"])),
        [{"p": Point(1.0, 2.0)}, (Colour.RED, {Colour.BLUE})],
    ],
    ids=repr,
)
def test_declared_types_come_back(typed: Sandbox, value: object) -> None:
    result = typed.call("__main__:echo", value).check().value
    assert result == value
    assert type(result) is type(value)


def test_the_guest_works_with_declared_types(typed: Sandbox) -> None:
    typed.run(
        "def move(point, dx):\n"
        "    point.x += dx\n"
        "    point.tags.append(point.colour.name)\n"
        "    return point"
    ).check()
    moved = typed.call("__main__:move", Point(1.0, 2.0, Colour.BLUE), dx=2.0).check().value
    assert moved == Point(3.0, 2.0, Colour.BLUE, ["BLUE"])


OPAQUE = {
    "object()": "object",
    "lambda: 1": "function",
    "__import__('re').compile('a')": "re.Pattern",
    "type('Mine', (), {'__repr__': lambda self: 'Mine!'})()": "__main__.Mine",
    "(x for x in ())": "generator",
    "int": "type",
    "__import__('json')": "module",
    "range(3)": "range",
}


@pytest.mark.parametrize("expression", OPAQUE)
def test_the_value_of_a_snippet_that_cannot_cross_is_opaque(box: Sandbox, expression: str) -> None:
    value = box.run(expression).check().value
    assert isinstance(value, Opaque), value
    assert value.type_name.rpartition(".")[2] == OPAQUE[expression].rpartition(".")[2]
    assert value.repr


def test_an_opaque_value_has_the_guests_repr_bounded(box: Sandbox) -> None:
    code = "class Mine:\n    def __repr__(self): return 'r' * 10_000_000\nMine()"
    value = box.run(code).check().value
    assert isinstance(value, Opaque)
    assert value.repr.startswith("rrr")
    assert len(value.repr) <= 1 << 16


@pytest.mark.parametrize(
    "body", ["raise ValueError", "return 5", "self.loop = self; return repr(self)", "exit(1)"]
)
def test_an_opaque_value_with_a_broken_repr(box: Sandbox, body: str) -> None:
    result = box.run(f"class Mine:\n    def __repr__(self): {body}\nMine()").check()
    assert isinstance(result.value, Opaque)
    assert result.value.repr.startswith("<repr() raised")
    assert box.run("1 + 1").value == 2


def test_an_unsupported_argument_is_refused_with_its_place(echo: Sandbox) -> None:
    with pytest.raises(UnsupportedValueError, match=r"\[1\].*object"):
        echo.call("__main__:echo", [1, object()])
    with pytest.raises(UnsupportedValueError, match=r"'key'.*function"):
        echo.call("__main__:echo", value={"key": [test_nan_comes_back]})
    with pytest.raises(UnsupportedValueError, match="Colour: declare"):
        echo.call("__main__:echo", Colour.RED)
    with pytest.raises(UnsupportedValueError, match="deep"):
        echo.call("__main__:echo", nested(200))
    assert echo.call("__main__:echo", "still works").value == "still works"


def test_cycles_are_refused(echo: Sandbox) -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(UnsupportedValueError, match="deep"):
        echo.call("__main__:echo", loop)
    result = echo.run("loop = []; loop.append(loop); loop")
    assert isinstance(result.value, Opaque) or result.error is not None
    result = echo.run("def give(): return loop")
    assert result.ok
    assert echo.call("__main__:give").error is not None
    assert echo.run("2").value == 2


def test_a_call_that_returns_what_cannot_cross_is_an_error(echo: Sandbox) -> None:
    echo.run("def give(): return {'x': [object()]}").check()
    error = echo.call("__main__:give").error
    assert error is not None
    assert "object" in str(error)
