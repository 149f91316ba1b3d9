"""Records and cases are, to guest code, frozen dataclasses with slots."""

from __future__ import annotations

import pytest

from .conftest import Guest


def test_making_and_showing(guest: Guest) -> None:
    code = """
        point = probe.Point(x=1)
        assert point.tags == {} and point.tags is not probe.Point(x=1).tags
        assert (point.y, point.label, point.next, point.colour) == (
            0.5, "p", None, probe.Colour.LIGHT_GREEN)
        assert probe.ShapeMany([]) == probe.ShapeMany(value=[])
        repr(point), repr(probe.ShapeCircle(radius=2.0)), repr(probe.ShapeEmpty())
    """
    assert guest.value(code) == (
        "Point(x=1, y=0.5, label='p', tags={}, next=None, "
        "colour=<Colour.LIGHT_GREEN: 'light-green'>)",
        "ShapeCircle(radius=2.0)",
        "ShapeEmpty()",
    )


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("probe.Point()", "TypeError: Point.__init__() missing the argument 'x'"),
        ("probe.Point(1)", "Point.__init__() takes 0 positional arguments, but 1 were given"),
        ("probe.Point(x=1, z=2)", "Point.__init__() got an unexpected keyword argument 'z'"),
        ("probe.ShapeMany([], value=[])", "ShapeMany.__init__() takes its 1 arguments once"),
        ("probe.ShapeMany()", "ShapeMany.__init__() missing the argument 'value'"),
        ("probe.Point(x=1).x = 2", "FrozenInstanceError: cannot assign to field 'x'"),
        ("del probe.Point(x=1).x", "FrozenInstanceError: cannot delete field 'x'"),
        ("probe.Point(x=1).other = 2", "FrozenInstanceError: cannot assign to field 'other'"),
        ("hash(probe.Point(x=1))", "TypeError: unhashable type: 'dict'"),
        ("probe.Point(x=1) < probe.Point(x=2)", "TypeError: '<' not supported"),
    ],
)
def test_mistakes(guest: Guest, code: str, message: str) -> None:
    assert message in guest.error(code)


def test_equality_and_hash(guest: Guest) -> None:
    code = """
        class Mine(probe.ShapeCircle): pass
        one, two = probe.ShapeCircle(radius=1.0), probe.ShapeCircle(radius=1.0)
        (one == two, one != two, hash(one) == hash(two), one == Mine(radius=1.0), one == 1,
         len({one, two}))
    """
    assert guest.value(code) == (True, False, True, False, False, 1)


def test_copies_and_pickles(guest: Guest) -> None:
    code = """
        import copy, dataclasses, pickle
        point = probe.Point(x=1, next=probe.Point(x=2), tags={"a": [1]})
        assert copy.copy(point) == point and copy.copy(point).tags is point.tags
        assert copy.deepcopy(point) == point and copy.deepcopy(point).tags is not point.tags
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            assert pickle.loads(pickle.dumps(point, protocol)) == point
        assert copy.replace(point, x=5) == dataclasses.replace(point, x=5) != point
        assert copy.replace(point, x=5).next is point.next
        many = probe.ShapeMany([probe.ShapeEmpty()])
        assert copy.replace(many, value=[]) == probe.ShapeMany([])
        assert pickle.loads(pickle.dumps(many)) == many
    """
    guest.run(code).check()
    assert "unexpected keyword argument 'z'" in guest.error("copy.replace(point, z=5)")


def test_what_looks_at_dataclasses(guest: Guest) -> None:
    code = """
        import dataclasses, inspect, pprint, typing
        assert dataclasses.is_dataclass(probe.Point)
        fields = {field.name: field for field in dataclasses.fields(probe.Point)}
        assert list(fields) == ["x", "y", "label", "tags", "next", "colour"]
        assert fields["x"].default is dataclasses.MISSING and fields["y"].default == 0.5
        assert fields["tags"].default_factory is dict and fields["x"].kw_only
        assert fields["x"].type is int and fields["next"].type == probe.Point | None
        assert dataclasses.asdict(probe.Point(x=1, next=probe.Point(x=2)))["next"]["x"] == 2
        assert dataclasses.astuple(probe.ShapeCircle(radius=1.0)) == (1.0,)
        assert typing.get_type_hints(probe.Point)["colour"] is probe.Colour
        assert "Point(x=1" in pprint.pformat(probe.Point(x=1))
        class Mine(probe.Point): pass
        assert [field.name for field in dataclasses.fields(Mine)] == list(fields)
        (str(inspect.signature(probe.Point)), str(inspect.signature(probe.ShapeMany)),
         probe.Point.__match_args__, probe.ShapeMany.__match_args__)
    """
    assert guest.value(code) == (
        "(*, x: int, y: float = 0.5, label: str = 'p', tags: dict[str, list[int]] = <factory>, "
        "next: probe.Point | None = None, "
        "colour: probe.Colour = <Colour.LIGHT_GREEN: 'light-green'>)",
        "(value: list[probe.ShapeCircle | probe.ShapeMany | probe.ShapeEmpty])",
        (),
        ("value",),
    )


def test_matching(guest: Guest) -> None:
    code = """
        def area(shape):
            match shape:
                case probe.ShapeMany(shapes): return sum(map(area, shapes))
                case probe.ShapeCircle(radius=radius): return radius
                case probe.ShapeEmpty(): return 0
        area(probe.ShapeMany([probe.ShapeCircle(radius=2.0), probe.ShapeEmpty()]))
    """
    assert guest.value(code) == 2.0


def test_values_that_hold_themselves(guest: Guest) -> None:
    code = """
        many = probe.ShapeMany([])
        many.value.append(many)
        assert repr(many) == "ShapeMany(value=[...])"
        deep = probe.ShapeEmpty()
        for _ in range(100_000):
            deep = probe.ShapeMany((deep,))
        for use in (repr, hash, lambda value: value == probe.ShapeMany((deep.value[0],))):
            try:
                use(deep)
            except RecursionError:
                pass
        del deep
    """
    guest.run(code).check()


def test_classes_that_the_guest_spoils(guest: Guest) -> None:
    code = """
        class Bad(probe.Point):
            __fields__ = 5
        class Worse(probe.Point):
            __defaults__ = {"x": 1}
            __factories__ = None
        caught = []
        for use in (lambda: Bad(x=1), lambda: repr(Bad.__new__(Bad)), lambda: Worse(),
                    lambda: probe.Point.__new__(probe.Point) == probe.Point.__new__(probe.Point),
                    lambda: probe.Point(x=1).__setstate__((1,)),
                    lambda: probe.Point(x=1).__setstate__(5)):
            try:
                use()
            except (TypeError, AttributeError) as error:
                caught.append(type(error).__name__)
        caught
    """
    names = ["TypeError"] * 3 + ["AttributeError"] + ["TypeError"] * 2
    assert guest.value(code) == names
