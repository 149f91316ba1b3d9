"""Arguments of a wrong type: refused at once, by an error that names the argument."""

from __future__ import annotations

from typing import Any

import pytest

from coilbox import Sandbox, UsageError, load_extension
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
]
RUN: list[tuple[dict[str, Any], str]] = [
    ({"argv": "ab"}, "argv must be a list of str, not str"),
    ({"argv": 5}, "argv must be a list of str, not int"),
    ({"filename": 5}, "filename must be a str, not int"),
    ({"env": 5}, "env must map strings to strings, not be int"),
    ({"stdin": 5}, "stdin must be str, bytes or a binary file, not int"),
    ({"timeout": "1s"}, "timeout must be a number of seconds, not str"),
    ({"timeout": float("nan")}, "timeout must be above 0 seconds, not nan"),
    ({"on_stdout": 5}, "on_stdout must be a function of bytes, not int"),
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
