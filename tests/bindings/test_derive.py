"""Specs from annotations: what is taken, what is refused, and the YAML that is written."""
# ruff: noqa: E501  (tables are easier to read in long lines)

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from coilbox.bindings.checker import parse
from coilbox.bindings.derive import Functions, host_function
from coilbox.bindings.host import Context, DeclaredError
from coilbox.bindings.ir import Variant
from coilbox.bindings.sized import i64, u8
from coilbox.bindings.typetext import type_text
from coilbox.errors import ExtensionError, SpecError


class Level(enum.StrEnum):
    """How loud."""

    LOW = "low"
    NO = "no"


@dataclass(frozen=True)
class Tree:
    """A tree."""

    name: str
    children: list[Tree] = field(default_factory=list)
    level: Level = Level.NO
    size: u8 = 3


@dataclass(frozen=True)
class ShapeCircle:
    """It is round."""

    radius: float = 1.0


@dataclass(frozen=True)
class ShapeNotThere:
    pass


@dataclass(frozen=True)
class ShapeGroup:
    shapes: list[Shape]
    of: Level = Level.LOW


Shape = ShapeCircle | ShapeNotThere | ShapeGroup


@dataclass(frozen=True)
class Circle:
    radius: float


class Lost(DeclaredError, KeyError):
    """It is lost."""

    key: str

    def __init__(self, *, key: str) -> None:
        DeclaredError.__init__(self, key)
        self.key = key


class Plain(enum.Enum):
    A = 1


def everything(
    context: Context,
    tree: Tree,
    wait: datetime.timedelta = datetime.timedelta(milliseconds=1500),
    *,
    price: decimal.Decimal = decimal.Decimal("1.10"),
    day: datetime.date = datetime.date(2026, 1, 31),
    text: str = "1e3",
    data: bytes = b"\x00\xff",
    number: uuid.UUID | None = None,
    table: dict[int, set[str]] | None = None,
    callback: Callable[[int], str] | None = None,
) -> Iterator[Tree | None]:
    """Do everything.

    In two paragraphs: yes.
    """
    yield tree


def test_what_is_derived_is_what_yaml_says() -> None:
    tools = Functions("tools", version="1.1.0", doc="Tools.", capabilities={"tools.use": "Use."})
    tools.function(requires=["tools.use"], raises=[Lost], limits={"rate": "5/s"})(everything)

    @tools.function
    def double(n: i64) -> i64:
        return 2 * n

    @tools.function(awaited=True)
    async def words() -> AsyncIterator[str]:
        yield "a"

    spec = tools.spec()
    assert parse(tools.to_yaml()) == spec
    first, second, third = spec.functions
    assert [type_text(param.type) for param in first.params] == [
        *("Tree", "timedelta", "Decimal", "date", "str", "bytes"),
        *("UUID | None", "dict[int, set[str]] | None", "Callable[[int], str] | None"),
    ]
    assert [param.default and param.default.literal for param in first.params] == [
        *(None, 1_500_000, "1.10", "2026-01-31", "1e3", "00ff", None, None, None)
    ]
    assert first.doc == "Do everything.\n\nIn two paragraphs: yes."
    assert type_text(first.returns) == "stream[Tree | None]"
    assert (first.raises, first.requires) == (("Lost",), ("tools.use",))
    assert (type_text(second.returns), third.is_async) == ("i64", True)
    assert {item.name for item in spec.types} == {"Tree", "Level", "Lost"}
    assert spec.by_name["Level"].doc == "How loud."
    extension = tools.extension()
    assert extension.classes == {"Tree": Tree, "Level": Level, "Lost": Lost}
    assert extension.functions()[1](None, 21) == 42


def test_a_union_of_dataclasses_is_a_variant() -> None:
    shapes = Functions("shapes")

    @shapes.function
    def grow(
        shape: Shape,
        *,
        at: Shape | None = None,
        first: ShapeGroup | ShapeCircle | ShapeNotThere = ShapeCircle(2.5),  # noqa: B008
        last: Shape = ShapeNotThere(),  # noqa: B008
    ) -> list[Shape]:
        return [shape]

    spec = shapes.spec()
    assert parse(shapes.to_yaml()) == spec
    function = spec.functions[0]
    assert [type_text(param.type) for param in function.params] == [
        *("Shape", "Shape | None", "Shape", "Shape")
    ]
    assert type_text(function.returns) == "list[Shape]"
    variant = spec.by_name["Shape"]
    assert isinstance(variant, Variant)
    assert [(case.name, [field.name for field in case.fields]) for case in variant.cases] == [
        ("circle", ["radius"]),
        ("not_there", []),
        ("group", ["shapes", "of"]),
    ]
    assert variant.cases[0].doc == "It is round."
    defaults = [param.default and param.default.literal for param in function.params]
    assert defaults == [None, None, ["circle", {"radius": 2.5}], ["not_there"]]
    assert shapes.extension().classes == {
        "Shape.circle": ShapeCircle,
        "Shape.not_there": ShapeNotThere,
        "Shape.group": ShapeGroup,
        "Level": Level,
    }


def test_one_function_is_an_extension() -> None:
    @host_function("adder", limits={"timeout": "1s"})
    def add(a: int, b: int = 2) -> int:
        return a + b

    assert add.spec.name == "adder"
    assert add.functions()[0](None, 1, 2) == 3


def no_annotation(x) -> None: ...  # type: ignore[no-untyped-def]
def no_result(x: int): ...  # type: ignore[no-untyped-def]
def an_object(x: object) -> None: ...
def a_list(x: list) -> None: ...  # type: ignore[type-arg]
def any_number(*x: int) -> None: ...
def positional(x: int, /) -> None: ...
def a_union(x: int | str) -> None: ...
def long_tuple(x: tuple[int, ...]) -> None: ...
def a_class(x: Context) -> None: ...
def a_resource() -> Functions: ...  # type: ignore[empty-body]
def a_nameless_union(x: Circle | ShapeCircle) -> None: ...
def a_case(x: Shape, y: ShapeCircle) -> None: ...
def a_record_and_case(x: ShapeCircle, y: Shape) -> None: ...
def half_a_union(x: Shape, y: ShapeCircle | ShapeGroup) -> None: ...
def a_mixed_union(x: Circle | str) -> None: ...
def plain_enum(x: Plain) -> None: ...
def bad_default(x: int = object()) -> None: ...  # type: ignore[assignment]
def unknown_name(x: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (no_annotation, "parameter 'x' of 'no_annotation' has no annotation"),
        (no_result, "function 'no_result' has no annotation for its result: add -> None"),
        (an_object, "parameter 'x' of 'an_object': object says nothing about what may cross"),
        (a_list, "parameter 'x' of 'a_list': list does not say of what: write list[...]"),
        (any_number, "parameter 'x' of 'any_number' takes any number of arguments; use a list or dict"),
        (positional, "parameter 'x' of 'positional' is positional only; guests may give it by name"),
        (a_union, "parameter 'x' of 'a_union': of unions only `T | None` and those of dataclasses can cross"),
        (a_mixed_union, "parameter 'x' of 'a_mixed_union': of unions only `T | None` and those of dataclasses can cross"),
        (a_nameless_union, "parameter 'x' of 'a_nameless_union': Circle | ShapeCircle has no name: let the names of its classes begin with it, as ReplyHit and ReplyMiss of Reply do"),
        (a_case, "parameter 'y' of 'a_case': ShapeCircle is a case of Shape, which crosses as a whole union only"),
        (a_record_and_case, "parameter 'y' of 'a_record_and_case': ShapeCircle is a record already, and no case of Shape"),
        (half_a_union, "parameter 'y' of 'half_a_union': two unions are named Shape: ShapeCircle | ShapeGroup is not the other"),
        (a_resource, "the result of 'a_resource': Functions cannot cross: it is no dataclass; for an object that stays on the host declare a resource in YAML"),
        (long_tuple, "parameter 'x' of 'long_tuple': a tuple of any length is a list here: write list[...]"),
        (a_class, "parameter 'x' of 'a_class': Context cannot cross: it is no dataclass; for an object that stays on the host declare a resource in YAML"),
        (plain_enum, "parameter 'x' of 'plain_enum': Plain is no enum of texts: derive it from StrEnum"),
        (bad_default, "parameter 'x' of 'bad_default': a default of type object cannot cross"),
        (unknown_name, "the annotations of 'unknown_name' cannot be read: name 'Nowhere' is not defined"),
    ],
)  # fmt: skip
def test_what_cannot_be_typed_is_refused(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(ExtensionError) as caught:
        Functions("tools").function(function)
    assert str(caught.value) == message


def test_the_checker_sees_what_is_derived() -> None:
    def f(x: float, y: dict[float, int]) -> None: ...

    tools = Functions("json")
    tools.function(f)
    with pytest.raises(SpecError) as caught:
        tools.spec()
    assert "the module 'json' would hide one that the guest has" in str(caught.value)
    assert "float cannot be the key of a dict" in str(caught.value)
