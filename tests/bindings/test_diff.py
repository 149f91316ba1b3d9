"""Changes between versions of a spec, told as breaking or compatible."""
# ruff: noqa: E501  (tables are easier to read in long lines)

from __future__ import annotations

from pathlib import Path

import pytest

from coilbox.bindings.checker import parse
from coilbox.bindings.diff import diff, is_breaking, version_problem

BASE = """\
extension: 1
module: {name: m, version: "1.2.0"}
capabilities: {m.read: Read.}
types:
  E: {enum: [a, b]}
  R: {record: {x: int, y: {type: int, default: 1}}}
  V: {variant: {hit: int, miss: null, both: {a: int}}}
  Oops: {error: {n: int}, base: KeyError, message: "no {n}"}
  Thing: {resource: {use: {params: {n: int}}}}
functions:
  f:
    doc: Some words.
    params: {a: u8, b: {type: int, default: 1}, c: {type: str, default: x, keyword: true}}
    returns: int
    raises: [Oops]
    requires: [m.read]
    limits: {timeout: 2s, calls: 10}
  g: null
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Some words.", "Other words.", []),
        ("name: m,", "name: n,", ["breaking module: renamed from m to n"]),
        ("{m.read: Read.}", "{m.read: Read., m.more: x}", ["compatible m.more: the capability is new"]),
        ("[a, b]", "[a, b, c]", ["breaking E: the member 'c' is new: a match over all is incomplete"]),
        ("[a, b]", "[a]", ["breaking E: the member 'b' was removed"]),
        ("x: int, y", "x: str, y", ["breaking R.x: was int, is str"]),
        ("x: int, y", "y", ["breaking R.x: the field was removed"]),
        ("x: int, y", "x: int, z: int, y", ["breaking R.z: the field is new and has no default"]),
        ("x: int, y", "x: int, z: {type: int, default: 0}, y", ["compatible R.z: the field is new, with a default"]),
        ("miss: null", "miss: str", ["breaking V.miss: held nothing, holds str"]),
        ("miss: null, ", "", ["breaking V.miss: the case was removed"]),
        ("miss: null", "miss: null, more: null", ["breaking V.more: the case is new: a match over all is incomplete"]),
        ("{a: int}", "{a: str}", ["breaking V.both.a: was int, is str"]),
        ("base: KeyError", "base: LookupError", ["breaking Oops: derived from KeyError, derives from LookupError"]),
        ('"no {n}"', '"not {n}"', ["compatible Oops: the message was reworded"]),
        ("E: {enum: [a, b]}", "E: {record: {a: int}}", ["breaking E: was an enum, is a record"]),
        ("use: {params: {n: int}}", "use: {params: {n: str}}", ["breaking Thing.use.n: was int, is str"]),
        ("  g: null\n", "", ["breaking g: the function was removed"]),
        ("  g: null\n", "  g: null\n  h: null\n", ["compatible h: the function is new"]),
        ("g: null", "g: {async: true}", ["breaking g: is a coroutine function now"]),
        ("g: null", "g: {deprecated: {since: 1.2.0, use: f}}", ["compatible g: is deprecated now"]),
        ("g: null", "g: {returns: str}", ["breaking g: the result was None, is str"]),
        ("a: u8", "a: u16", ["compatible f.a: was u8, is u16"]),
        ("a: u8", "a: int | None", ["breaking f.a: was u8, is int | None"]),
        ("a: u8", "a: u8 | None", ["compatible f.a: was u8, is u8 | None"]),
        ("a: u8", "a: i8", ["breaking f.a: was u8, is i8"]),
        ("a: u8, ", "", ["breaking f.a: the parameter was removed"]),
        ("b: {type: int, default: 1}, ", "b: {type: int, default: 2}, ", ["breaking f.b: the default is another"]),
        ("b: {type: int, default: 1}, ", "b: int, ", ["breaking f.b: the default was removed"]),
        ("default: x, keyword: true", "default: x", ["compatible f.c: is given by position, too now"]),
        ("a: u8, b: {type: int, default: 1}", "b: int, a: u8", ["breaking f.b: the default was removed", "breaking f: the order of the parameters is another"]),
        ("raises: [Oops]", "raises: []", ["compatible f: does not raise Oops any more"]),
        ("g: null", "g: {raises: [Oops]}", ["breaking g: may raise Oops now"]),
        ("g: null", "g: {requires: [m.read]}", ["breaking g: needs the capability m.read now"]),
        ("timeout: 2s", "timeout: 1s", ["breaking f: the limit timeout is tighter"]),
        ("timeout: 2s, ", "", ["compatible f: the limit timeout is looser"]),
        ("calls: 10", "calls: 10, rate: 1/s", ["breaking f: the limit rate is tighter"]),
    ],
)  # fmt: skip
def test_change(old: str, new: str, said: list[str]) -> None:
    assert old in BASE
    changes = diff(parse(BASE), parse(BASE.replace(old, new, 1)))
    assert [f"{change.kind} {change.where}: {change.text}" for change in changes] == said


@pytest.mark.parametrize(
    ("old", "new", "change", "said"),
    [
        ("1.2.0", "2.0.0", "breaking", None),
        ("1.2.0", "1.3.0", "breaking", "it should be 2.0.0 or above"),
        ("1.2.0", "1.3.0", "compatible", None),
        ("1.2.0", "1.2.1", "compatible", "it should be 1.3.0 or above"),
        ("0.2.0", "0.3.0", "breaking", None),
        ("0.2.0", "0.2.5", "breaking", "it should be 0.3.0 or above"),
        ("1.2.0", "1.2.0", "none", None),
    ],
)
def test_versions(old: str, new: str, change: str, said: str | None) -> None:
    edited = {"breaking": "  g: {returns: int}\n", "compatible": "  g: null\n  h: null\n"}
    before = parse(BASE.replace("1.2.0", old))
    after = parse(
        BASE.replace("1.2.0", new).replace("  g: null\n", edited.get(change, "  g: null\n"))
    )
    changes = diff(before, after)
    assert is_breaking(changes) == (change == "breaking")
    problem = version_problem(before, after, changes)
    assert (problem is None) if said is None else (problem is not None and problem.endswith(said))


def test_the_example_is_no_change_of_itself() -> None:
    spec = parse((Path(__file__).parent / "specs/everything.yaml").read_text())
    assert diff(spec, spec) == []
