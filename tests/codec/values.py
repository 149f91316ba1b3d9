"""Random values of the codec, and types to declare; shared by the suites of host and guest."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import math
from typing import Any

from hypothesis import strategies as st


class Colour(enum.Enum):
    RED = 1
    GREEN = "g"


class Access(enum.IntFlag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass(frozen=True)
class Point:
    x: Any
    y: Any = 0


@dataclasses.dataclass
class Counted:
    items: list[Any]
    size: int = dataclasses.field(init=False, default=0)

    def __post_init__(self) -> None:
        self.size = len(self.items)


DECLARED = (Colour, Access, Point, Counted)

ZONES = st.one_of(
    st.none(),
    st.just(datetime.UTC),
    st.builds(
        datetime.timezone,
        st.timedeltas(datetime.timedelta(hours=-23), datetime.timedelta(hours=23)),
        st.text(max_size=5),
    ),
)

TEXT = st.one_of(st.text(), st.text(st.characters(categories=["Cs", "L"]), max_size=8))

HASHABLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.integers(min_value=-(2**600), max_value=2**600),
    st.floats(allow_nan=False),
    TEXT,
    st.binary(),
    st.complex_numbers(allow_nan=False),
    st.datetimes(timezones=ZONES),
    st.dates(),
    st.times(timezones=ZONES),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.uuids(),
    st.sampled_from([*Colour, Access.READ, Access.READ | Access.WRITE, Access(0)]),
)

VALUES = st.recursive(
    st.one_of(HASHABLE, st.just(math.nan)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.lists(inner, max_size=5).map(tuple),
        st.dictionaries(HASHABLE, inner, max_size=5),
        st.sets(HASHABLE, max_size=5),
        st.frozensets(HASHABLE, max_size=5),
        st.dictionaries(
            st.tuples(HASHABLE, st.frozensets(HASHABLE, max_size=2)), inner, max_size=2
        ),
        st.builds(Point, inner, inner),
        st.builds(Counted, st.lists(inner, max_size=3)),
    ),
    max_leaves=20,
)


def same(left: Any, right: Any) -> bool:
    """Equal with equal types all the way down; nan equals nan, and 0.0 is not -0.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return (left == right and math.copysign(1, left) == math.copysign(1, right)) or (
            math.isnan(left) and math.isnan(right)
        )
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return same(list(left), list(right)) and same(list(left.values()), list(right.values()))
    if isinstance(left, (set, frozenset)):
        return left == right and sorted(map(_kind, left)) == sorted(map(_kind, right))
    if isinstance(left, (datetime.datetime, datetime.time)):
        return repr(left) == repr(right) and left.fold == right.fold
    if dataclasses.is_dataclass(left):
        return same(_fields(left), _fields(right))
    return bool(left == right)


def _kind(value: object) -> str:
    return type(value).__name__


def _fields(value: Any) -> list[Any]:
    return [getattr(value, field.name) for field in dataclasses.fields(value)]
