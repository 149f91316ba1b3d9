"""Arguments of a wrong type: refused at once, by an error that names the argument."""

from __future__ import annotations

import copy
import datetime
import decimal
import io
import math
import pickle
import sys
from collections.abc import Callable
from typing import Any

import pytest

from coilbox import (
    CoilboxError,
    ConfigError,
    GuestClock,
    ImageError,
    Limits,
    Mount,
    Sandbox,
    Scratch,
    UsageError,
    load_extension,
    open_image,
)
from coilbox.limits import LIMITS
from coilbox.profiles import load_profile

SANDBOX: list[tuple[dict[str, Any], str]] = [
    ({"limits": {"wall": 1}}, "limits must be a Limits or None, not dict"),
    ({"limits": {}}, "limits must be a Limits or None, not dict"),
    ({"scratch": "/tmp"}, "scratch must be a Scratch or None, not str"),
    ({"clock": 5}, "clock must be a GuestClock or None, not int"),
    ({"mounts": "/data"}, "mounts must be a list of Mount, not str"),
    ({"mounts": ["/data"]}, "mounts must be a list of Mount, which '/data' is not"),
    ({"env": ["A=1"]}, "env must map strings to strings, not be list"),
    ({"functions": [len]}, "functions must map names to functions, not be list"),
    ({"types": 5}, "types must be a list of type, not int"),
    ({"types": [5]}, "types must be a list of type, which 5 is not"),
    ({"extensions": "kv"}, "extensions must be a list of Extension, not str"),
    ({"grants": "kv.read"}, "grants must be a list of str, not str"),
    ({"grants": [5]}, "grants must be a list of str, which 5 is not"),
    ({"image": 5}, "image must be an Image, a name or a path, not int"),
    ({"engine": ["native"]}, "engine must be the name of one, not list"),
    ({"random_seed": 10**5000}, f"random_seed must be .* to {2**64 - 1}, not this int"),
    ({"isolation": ["process"]}, r"isolation must be 'none' or 'process', not \['process'\]"),
]
RUN: list[tuple[dict[str, Any], str]] = [
    ({"argv": "ab"}, "argv must be a list of str, not str"),
    ({"argv": 5}, "argv must be a list of str, not int"),
    ({"filename": 5}, "filename must be a str, not int"),
    ({"env": 5}, "env must map strings to strings, not be int"),
    ({"stdin": 5}, "stdin must be str, bytes or a binary file, not int"),
    ({"timeout": "1s"}, "timeout must be a number of seconds from 1e-9 to 1000000000, not '1s'"),
    (
        {"timeout": float("nan")},
        "timeout must be a number of seconds from 1e-9 to 1000000000, not nan",
    ),
    ({"on_stdout": 5}, "on_stdout must be a function of bytes, not int"),
    ({"stdin": io.StringIO("x")}, "stdin is a text file; give a binary file, bytes or a str"),
    ({"stdin": "\ud800"}, r"stdin has half of a character \(a lone surrogate\)"),
    ({"fresh": 2}, "fresh must be True or False, not 2"),
    ({"last": "no"}, "last must be True or False, not 'no'"),
]


@pytest.mark.parametrize(("options", "message"), SANDBOX)
def test_of_a_sandbox(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}$"):
        Sandbox(**options)


@pytest.mark.parametrize(("options", "message"), RUN)
def test_of_a_run(box: Sandbox, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}$"):
        box.run("1", **options)
    assert box.run("2").value == 2


def test_of_a_call(box: Sandbox) -> None:
    with pytest.raises(UsageError, match="target must be 'module:function', not int"):
        box.call(5)  # type: ignore[arg-type]


def test_of_profiles_and_extensions() -> None:
    with pytest.raises(UsageError, match="a profile is named by a str or a path, not by int"):
        load_profile(5)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="an extension is named by a str, not by int"):
        load_extension(5)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="  path: 5 is not a path"):
        load_extension("kv", path=5)


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class NoPath:
    def __fspath__(self) -> Any:
        return 5


STRANGE: dict[str, Any] = {
    "a huge int": 10**5000,
    "a huge negative int": -(10**5000),
    "2**64": 1 << 64,
    "sys.maxsize": sys.maxsize,
    "zero": 0,
    "minus one": -1,
    "a half": 0.5,
    "nan": math.nan,
    "infinity": math.inf,
    "minus infinity": -math.inf,
    "the least float": 5e-324,
    "the greatest float": sys.float_info.max,
    "a complex": 1j,
    "a decimal": decimal.Decimal(1),
    "true": True,
    "an empty text": "",
    "a NUL": "a\0b",
    "a surrogate": "a\ud800",
    "a long text": "x" * 100_000,
    "bytes": b"x",
    "a list": [1],
    "surrogates": ["\ud800"],
    "a set": {1},
    "a dict": {1: 2},
    "a variable that cannot be": {"A=": "b"},
    "an object": object(),
    "no path": NoPath(),
    "unprintable": Unprintable(),
    "a list of such": [Unprintable()],
    "a class": int,
    "text file": io.StringIO("x"),
    "a time without a zone": datetime.datetime(2026, 1, 1),
    "the last time": datetime.datetime.max.replace(tzinfo=datetime.UTC),
    "the first time": datetime.datetime.min.replace(tzinfo=datetime.UTC),
    "a date": datetime.date(2026, 1, 1),
}


def argument(cls: Callable[..., object], name: str, **others: str) -> Callable[[Any], object]:
    """Make an object of a class with one argument."""
    return lambda value: cls(**{**others, name: value})


MOUNT = {"host_path": "/", "guest_path": "/x"}
ARGUMENTS: dict[str, Callable[[Any], object]] = {
    **{f"Limits.{spec.name}": argument(Limits, spec.name) for spec in LIMITS},
    **{f"Mount.{name}": argument(Mount, name, **MOUNT) for name in (*MOUNT, "mode")},
    **{
        f"Scratch.{name}": argument(Scratch, name)
        for name in ("guest_path", "max_bytes", "max_files")
    },
    "GuestClock.resolution": lambda value: GuestClock(resolution=value),
    "GuestClock.start": lambda value: GuestClock(start=value),
    "load_profile": load_profile,
    "load_extension": load_extension,
    "open_image": open_image,
}
OF_SANDBOXES = ("engine", "mounts", "scratch", "env", "functions", "types", "extensions", "grants")
OF_RUNS = ("argv", "stdin", "env", "filename", "timeout", "on_stdout", "on_stderr", "fresh", "last")


def refused_or_fine(use: Callable[[Any], object], value: Any) -> None:
    """What does not fit gives a short error of the caller's kind; nothing else comes out."""
    try:
        use(value)
    except (UsageError, ConfigError, ImageError) as error:
        assert len(str(error)) < 400
        assert str(error)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_strange_values(name: str) -> None:
    for value in STRANGE.values():
        refused_or_fine(ARGUMENTS[name], value)


@pytest.mark.parametrize("name", [*OF_SANDBOXES, "limits", "clock", "random_seed", "isolation"])
def test_strange_values_of_a_sandbox(name: str) -> None:
    options: dict[str, Any] = {"engine": "wasmtime"}
    for value in STRANGE.values():
        refused_or_fine(lambda v: Sandbox(**{**options, name: v}).close(), value)


@pytest.mark.parametrize("name", OF_RUNS)
def test_strange_values_of_a_run(box: Sandbox, name: str) -> None:
    for value in STRANGE.values():
        if value is not int or name != "stdin":  # a function, which stdin may be
            refused_or_fine(lambda v: box.run("1", **{name: v}), value)
    assert box.run("2").value == 2


def test_strange_code_and_targets(box: Sandbox) -> None:
    for value in STRANGE.values():
        refused_or_fine(box.run, value)
        refused_or_fine(box.call, value)
        refused_or_fine(lambda v: box.call("builtins:repr", v), value)
    assert box.run("2").value == 2


def test_a_function_for_stdin_must_give_bytes(box: Sandbox) -> None:
    with pytest.raises(UsageError, match="stdin must give bytes, but gave str"):
        box.run("import sys; sys.stdin.read()", stdin=lambda length: "x")  # type: ignore[arg-type]
    box.reset()


def test_none_is_no_limit() -> None:
    endless = [spec.name for spec in LIMITS if spec.endless]
    limits = Limits(**dict.fromkeys(endless))  # type: ignore[arg-type]
    assert {getattr(limits, name) for name in endless} == {math.inf}
    assert limits == Limits(**dict.fromkeys(endless, math.inf))  # type: ignore[arg-type]
    for spec in LIMITS:
        if not spec.endless:
            with pytest.raises(UsageError, match=f"Limits.{spec.name} must be a whole number from"):
                Limits(**{spec.name: None})  # type: ignore[arg-type]
    assert pickle.loads(pickle.dumps(limits)) == limits


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_what_holds_a_guest_cannot_be_copied(
    box: Sandbox, duplicate: Callable[[Any], object]
) -> None:
    with box.stream("print(1)") as run:
        for item in (box, run, open_image()):
            with pytest.raises(CoilboxError, match="objects cannot be copied or pickled"):
                duplicate(item)
        assert b"".join(piece.data for piece in run) == b"1\n"
    assert box.run("6 * 7").value == 42, "nothing of it was closed"
