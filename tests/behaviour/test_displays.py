"""Displays: what a program shows besides text."""

from __future__ import annotations

from typing import Any

import pytest

from coilbox import Display, Limits, Sandbox

pytestmark = pytest.mark.isolated

CLASSES = """
import coilbox
class Picture:
    def _repr_png_(self): return b'\\x89PNG'
class Table:
    def _repr_html_(self): return '<table/>'
class Plot:
    def _repr_mimebundle_(self, include=None, exclude=None):
        return {'application/json': {'a': 1}, 'text/plain': 'plot'}
class Broken:
    def _repr_html_(self): raise RuntimeError('no')
"""


def kinds(displays: tuple[Display, ...]) -> list[tuple[str, str | bytes, int]]:
    return [(item.kind, item.data, item.number) for item in displays]


def test_displays_of_all_kinds(box: Sandbox) -> None:
    seen: list[Display] = []
    box.run(CLASSES).check()
    code = (
        "coilbox.display(Picture(), Table())\ncoilbox.display(b'GIF', kind='image/gif')\n"
        "coilbox.display(12)\nPlot()"
    )
    result = box.run(code, on_display=seen.append).check()
    assert kinds(result.displays) == [
        ("image/png", b"\x89PNG", 0),
        ("text/html", "<table/>", 1),
        ("image/gif", b"GIF", 2),
        ("text/plain", "12", 3),
        ("application/json", '{"a": 1}', 4),
        ("text/plain", "plot", 4),
    ]
    assert tuple(seen) == result.displays
    assert box.run("1").displays == ()


def test_a_last_value_that_fails_to_show_itself_is_no_error(box: Sandbox) -> None:
    box.run(CLASSES).check()
    result = box.run("Broken()").check()
    assert result.displays == ()
    error: Any = box.run("coilbox.display(Broken())").error
    assert error.type == "RuntimeError"


def test_a_last_value_without_room_is_left_out(sandbox: Any) -> None:
    box = sandbox(limits=Limits(display_bytes=1000))
    code = "class Big:\n    def _repr_html_(self): return 'x' * 2000\nBig()"
    assert box.run(code).check().displays == ()


def test_data_of_another_type_is_refused_in_the_guest(box: Sandbox) -> None:
    error: Any = box.run("import coilbox\ncoilbox.display(5, kind='image/png')").error
    assert error.type == "TypeError"


@pytest.mark.parametrize("message", ["[1, 2]", "[[[1, 2]], False]", "[[], False, 3]", "[{}, 1]"])
def test_malformed_displays_stop_the_guest(box: Sandbox, message: str) -> None:
    result = box.run(f"import _coilbox\n_coilbox.control(64, {message})")
    assert type(result.error).__name__ == "GuestProtocolError"
