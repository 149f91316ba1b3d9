"""Calls of typed functions, as the guest sees them."""

from __future__ import annotations

import pytest

from coilbox import GuestException

from .conftest import Guest


def test_plain_calls(guest: Guest) -> None:
    assert guest.value("probe.add(2, 3)") == 5
    assert guest.value("probe.add(-2**70, b=1)") == 1 - 2**70
    assert guest.value("probe.sized(255, 2**64 - 1, -128)") == (255, 2**64 - 1, -128)


def test_records_and_variants_have_their_exact_types(guest: Guest) -> None:
    code = """
        moved = probe.move(probe.Point(x=1, tags={"a": [1, 2]}, next=probe.Point(x=9)))
        assert type(moved) is probe.Point and type(moved.next) is probe.Point
        assert moved == probe.Point(x=2, tags={"a": [1, 2]}, next=probe.Point(x=9),
                                    colour=probe.Colour.RED)
        assert moved.colour is probe.Colour.RED
        nested = probe.ShapeMany([probe.ShapeEmpty(), probe.ShapeCircle(radius=1)])
        back = probe.shape(nested)
        assert back == probe.ShapeMany([probe.ShapeEmpty(), probe.ShapeCircle(radius=1.0)])
        assert isinstance(back, probe.Shape)
        repr(back)
    """
    assert guest.value(code) == "ShapeMany(value=[ShapeEmpty(), ShapeCircle(radius=1.0)])"


def test_what_is_left_out_is_filled_in_by_the_host(guest: Guest) -> None:
    guest.run("probe.move(probe.Point(x=1))").check()
    guest.run("probe.move(probe.Point(x=1), colour=None)").check()
    (_, by, first), (_, _, second) = guest.probe.seen
    assert (by, first.value, second) == (1, "red", None)


def test_scalars_of_the_library(guest: Guest) -> None:
    code = """
        import datetime, decimal, uuid, zoneinfo
        values = (datetime.date(2026, 1, 2),
                  datetime.datetime(2026, 1, 2, 3, 4, 5, 6, zoneinfo.ZoneInfo("Europe/Paris")),
                  datetime.time(1, 2, tzinfo=datetime.UTC), datetime.timedelta(days=-3, seconds=1),
                  decimal.Decimal("1.50"), uuid.UUID(int=5))
        back = probe.moment(*values)
        assert back == values and str(back[4]) == "1.50" and type(back) is tuple
    """
    guest.run(code).check()


def test_sets_and_tables(guest: Guest) -> None:
    code = "probe.collect({probe.Colour.RED}, {1: ('a', True), -5: ('b', False)})"
    assert guest.value(code) == ["-5('b', False)", "1('a', True)", "red"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("add('x', 1)", "TypeError: probe.add: a must be int, not str"),
        ("add(1, None)", "TypeError: probe.add: b must be int, not None"),
        ("add(1.0, 1)", "TypeError: probe.add: a must be int, not float"),
        ("sized(256, 0, 0)", "ValueError: probe.sized: small must be from 0 to 255"),
        ("sized(0, -1, 0)", "probe.sized: large must be from 0 to 18446744073709551615"),
        ("sized(0, 2**64, 0)", "probe.sized: large must be from 0 to 18446744073709551615"),
        ("sized(0, 0, -10**30)", "ValueError: probe.sized: low must be from -128 to 127"),
        ("echo('x')", "TypeError: probe.echo: data must be bytes, not str"),
        ("maybe(5)", "TypeError: probe.maybe: data must be bytes, not int"),
        ("move({'x': 1})", "TypeError: probe.move: point must be Point, not dict"),
        ("move(probe.Point(x='a'))", "probe.move: point.x must be int, not str"),
        (
            "move(probe.Point(x=1, tags={'x': [3, 'y']}))",
            "TypeError: probe.move: point.tags['x'][1] must be int, not str",
        ),
        ("move(probe.Point(x=1, tags={'x': [300]}))", "point.tags['x'][0] must be from 0 to 255"),
        ("move(probe.Point(x=1, tags={1: []}))", "point.tags key must be str, not int"),
        ("move(probe.Point(x=1, next=3))", "probe.move: point.next must be Point, not int"),
        ("move(probe.Point(x=1, y='1'))", "probe.move: point.y must be float, not str"),
        ("move(probe.Point(x=1, y=10**400))", "must be a float, not an int too large for one"),
        ("move(probe.Point(x=1), colour='red')", "colour must be Colour, not str"),
        ("shape(probe.Point(x=1))", "probe.shape: shape must be Shape, not probe.Point"),
        ("shape(probe.ShapeMany([1]))", "probe.shape: shape.value[0] must be Shape, not int"),
        ("collect({1}, {})", "probe.collect: items item must be Colour, not int"),
        ("collect(set(), {1: ('a',)})", "table[1] must be a tuple of 2, not of 1"),
        ("collect([], {})", "probe.collect: items must be set, not list"),
        ("apply(3, 1)", "TypeError: probe.apply: function must be a callable, not int"),
        ("total(3)", "TypeError: probe.total: numbers must be an iterable, not int"),
        ("move(probe.Point.__new__(probe.Point))", "probe.move: point.x must be set"),
    ],
)
def test_errors_name_the_place(guest: Guest, call: str, message: str) -> None:
    assert message in guest.error(f"probe.{call}")


def test_dates_are_not_datetimes(guest: Guest) -> None:
    code = """
        import datetime, decimal, uuid
        now = datetime.datetime(2026, 1, 1)
        probe.moment(now, now, now.time(), now - now, decimal.Decimal(1), uuid.UUID(int=1))
    """
    assert "probe.moment: day must be date, not datetime.datetime" in guest.error(code)


def test_values_that_contain_themselves(guest: Guest) -> None:
    code = """
        items = []
        items.append(probe.ShapeMany(items))
        probe.shape(probe.ShapeMany(items))
    """
    assert "nested deeper than 128 levels, or contains itself" in guest.error(code)


def test_subclasses_of_the_guest_go_as_their_base(guest: Guest) -> None:
    code = """
        class Mine(probe.Point):
            def double(self): return 2 * self.x
        class Name(str): pass
        mine = Mine(x=4, label=Name("n"))
        mine.extra = 1
        assert mine.double() == 8
        moved = probe.move(mine)
        type(moved) is probe.Point, moved.label
    """
    assert guest.value(code) == (True, "n")


@pytest.mark.parametrize("size", [0, 1, 4_000, 4_090, 4_100, 65_535, 65_536, 70_000, 3_000_000])
def test_bytes_of_every_size(guest: Guest, size: int) -> None:
    code = f"""
        import random
        data = random.randbytes({size})
        for give in (data, bytearray(data), memoryview(data)):
            back = probe.echo(give)
            assert type(back) is bytes and len(back) == {size} and back == data
            assert hash(back) == hash(data) and back + b"x" == data + b"x"
            assert probe.maybe(give) == data
    """
    guest.run(code).check()


def test_text_of_every_kind(guest: Guest) -> None:
    code = """
        for text in ("", "a" * 5000, "é" * 70_000, "\\U0001f600", "\\0", "\\ud800"):
            assert probe.move(probe.Point(x=1, label=text)).label == text
    """
    guest.run(code).check()


def test_every_function_has_a_twin(guest: Guest) -> None:
    assert guest.value("asyncio.run(probe.add_async(1, 2))") == 3
    assert guest.value("probe.add_later_sync(1, 2)") == 3


def test_grants(guest: Guest, image: object) -> None:
    assert guest.error("probe.secret()").startswith("PermissionError: probe.secret needs")
    code = """
        try:
            probe.secret()
        except PermissionError as error:
            caught = isinstance(error, coilbox.HostError)
        caught
    """
    assert guest.value(code) is True
    error = guest.run("probe.secret()").error
    assert isinstance(error, GuestException)
    assert error.type == "PermissionError"
