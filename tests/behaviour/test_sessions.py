"""What lasts and what ends in a session: values, tracebacks, await, inputs, modules, exits."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import pytest

import coilbox
from coilbox import (
    Finish,
    GuestCancelled,
    GuestException,
    Image,
    Limits,
    Opaque,
    Sandbox,
    SandboxStoppedError,
    UnsupportedValueError,
    UsageError,
)

pytestmark = pytest.mark.isolated


# -- the last value ----------------------------------------------------------------------------

LARGE = {
    "'x' * 5_000_000": ("str", 5_000_000),
    "b'x' * 5_000_000": ("bytes", 5_000_000),
    "[{'id': n} for n in range(40_000)]": ("list", 40_000),
    "[[] for n in range(40_000)]": ("list", 40_000),
    "{n: str(n) for n in range(200_000)}": ("dict", 200_000),
    "set(range(500_000))": ("set", 500_000),
    "1 << 40_000_000": ("int", None),
    "[object()] * 100_000": ("list", 100_000),
    "range(10 ** 30)": ("range", None),
}


@pytest.mark.parametrize("code", LARGE)
def test_a_last_value_that_is_too_large_is_opaque(sandbox: Any, code: str) -> None:
    box = sandbox(limits=Limits(value_bytes=1 << 20))
    box.run("notes = 'an hour of work'").check()
    result = box.run(f"value = {code}\nvalue")
    assert result.ok, result.error
    kind, length = LARGE[code]
    assert isinstance(result.value, Opaque)
    assert (result.value.type_name, result.value.length) == (kind, length)
    assert 0 < len(result.value.repr) <= 10_000
    assert box.run("notes").value == "an hour of work"


def test_a_value_of_a_call_is_still_limited(sandbox: Any) -> None:
    box = sandbox(limits=Limits(value_bytes=1 << 20))
    box.run("def give(): return 'x' * 5_000_000").check()
    result = box.call("__main__:give")
    assert type(result.error).__name__ == "ValueLimitExceeded"
    assert result.needs_reset


def test_deep_and_unknown_values_are_opaque(box: Sandbox) -> None:
    deep = "value = ()\nfor _ in range(100): value = (value, 'x' * 100_000)\nvalue"
    for code in (deep, "value = []\nfor _ in range(1000): value = [value]\nvalue"):
        result = box.run(code)
        assert result.ok, result.error
        assert isinstance(result.value, Opaque)
        assert box.run("1").value == 1


# -- tracebacks --------------------------------------------------------------------------------


def test_frames_show_the_lines_of_their_own_run(box: Sandbox) -> None:
    box.run("def ratio(a, b):\n    # share of b\n    return a / b\n").check()
    box.run("import math\nx = 1\ny = 2\n").check()
    error: Any = box.run("items = [1, 2]\nprint('about')\nratio(1, 0)").error
    assert [(f.file, f.line, f.source) for f in error.frames] == [
        ("<run 3>", 3, "ratio(1, 0)"),
        ("<sandbox>", 3, "return a / b"),
    ]
    assert "return a / b" in error.traceback
    source = box.run("import inspect\ninspect.getsource(ratio)").value
    assert source == "def ratio(a, b):\n    # share of b\n    return a / b\n"


def test_explicit_file_names_stay(box: Sandbox) -> None:
    box.run("def later():\n    raise KeyError('old')", filename="<cell 1>").check()
    error: Any = box.run("pass\nlater()", filename="<cell 2>").error
    places = [(f.file, f.source) for f in error.frames]
    assert places == [("<cell 2>", "later()"), ("<cell 1>", "raise KeyError('old')")]


def test_the_remembered_sources_are_bounded(box: Sandbox) -> None:
    for number in range(40):
        box.run(f"def f{number}(): 1/0\n" + "#" * 100_000).check()
    size = "import linecache\nsum(entry[0] for entry in linecache.cache.values() if entry[0])"
    assert box.run(size).check().value < 3_000_000
    error: Any = box.run("f39()").error
    assert error.frames[-1].source == "def f39(): 1/0"


# -- await -------------------------------------------------------------------------------------


def test_await_at_top_level(box: Sandbox) -> None:
    fetch = "import asyncio\nasync def fetch(n):\n    await asyncio.sleep(0)\n    return n * 2\n"
    assert box.run(fetch + "await fetch(21)").check().value == 42
    assert box.run("x = await fetch(1)\ny = x + await fetch(2)\ny").check().value == 6
    assert box.run("[await fetch(n) async for n in numbers()] if False else 3").value == 3
    assert box.run("async with asyncio.Lock() as lock: pass\nlock").check().value is None
    assert box.run("asyncio.run(fetch(5))").check().value == 10
    assert box.run("await fetch(7)", fresh=True).error is not None


def test_objects_of_the_event_loop_last(box: Sandbox) -> None:
    box.run("import asyncio\nqueue = asyncio.Queue()\nawait queue.put(1)").check()
    code = "asyncio.create_task(queue.put(2))\nawait queue.get(), await queue.get()"
    assert box.run(code).check().value == (1, 2)


def test_an_error_in_awaiting_code_shows_only_the_program(box: Sandbox) -> None:
    error: Any = box.run("async def bad():\n    1/0\nawait bad()").error
    assert [frame.function for frame in error.frames] == ["<module>", "bad"]
    assert box.run("import sys\nasync def f(): sys.exit(3)\nawait f()").exit_code == 3
    assert box.run("1").value == 1


# -- inputs and modules ------------------------------------------------------------------------


def test_inputs(box: Sandbox) -> None:
    rows = [{"n": 1}, {"n": 2}]
    assert box.run("sum(row['n'] for row in rows) + k", inputs={"rows": rows, "k": 4}).value == 7
    assert box.run("k").value == 4
    for wrong in ({"a b": 1}, {"class": 1}, {"__name__": 1}, {1: 2}, [1]):
        with pytest.raises(UsageError, match="inputs"):
            box.run("1", inputs=wrong)  # type: ignore[arg-type]
    with pytest.raises(UnsupportedValueError, match="inputs"):
        box.run("1", inputs={"x": object()})


def test_modules_in_memory(sandbox: Any) -> None:
    helpers = "def ratio(a, b):\n    return a / b\n"
    box = sandbox(modules={"helpers": helpers, "shop.cart": "from helpers import ratio\nx = 5"})
    assert box.run("import helpers\nhelpers.ratio(6, 3)").check().value == 2
    assert box.run("from shop import cart\ncart.x, cart.__name__").check().value == (5, "shop.cart")
    error: Any = box.run("helpers.ratio(1, 0)").error
    assert (error.frames[-1].file, error.frames[-1].source) == ("<module helpers>", "return a / b")
    assert box.run("import inspect\ninspect.getsource(helpers)").check().value == helpers
    assert box.call("helpers:ratio", 8, 2).check().value == 4
    box.reset()
    assert box.run("import helpers, shop.cart\nhelpers.ratio(6, 3)").check().value == 2


def test_modules_that_cannot_be(sandbox: Any) -> None:
    for wrong in ({"json": ""}, {"coilbox": ""}, {"a-b": ""}, {"a.": ""}, {"a": b""}, ["a"]):
        with pytest.raises(UsageError, match="modules"):
            sandbox(modules=wrong)
    error: Any = sandbox(modules={"bad": "a b"}).run("import bad").error
    assert error.type == "SyntaxError"
    assert "<module bad>" in error.traceback


# -- how runs end ------------------------------------------------------------------------------


def test_a_process_exit_says_that_a_reset_is_needed(box: Sandbox) -> None:
    assert not box.needs_reset
    result = box.run("import os; print('bye', flush=True); os._exit(0)")
    assert (result.ok, result.exit_code, result.stdout) == (True, 0, "bye\n")
    assert result.needs_reset
    assert box.needs_reset
    with pytest.raises(SandboxStoppedError, match=r"exit code 0.*reset\(\)") as caught:
        box.run("1")
    assert caught.value.needs_reset
    box.reset()
    assert not box.needs_reset
    assert box.run("1").value == 1


def test_errors_say_whether_a_reset_is_needed(sandbox: Any) -> None:
    box = sandbox(limits=Limits(output_bytes=1000))
    error = box.run("1/0").error
    assert not error.needs_reset
    result = box.run("print('x' * 2000)")
    assert result.error.needs_reset
    assert result.needs_reset
    assert box.needs_reset


def test_finish_ends_a_run_in_good_order(sandbox: Any) -> None:
    answer = object()

    def submit(text: str) -> None:
        raise Finish((text, answer))

    box = sandbox(functions={"submit": submit})
    code = "from coilbox import host\nlog = []\ntry:\n    host.submit('a')\n    log.append(1)\nfinally: log.append(2)"
    result = box.run(code)
    assert (result.ok, result.exit_code, result.value) == (True, 0, ("a", answer))
    assert box.run("log").value == [2], "the session goes on"
    swallow = "from coilbox import host\nfor _ in range(3):\n    try: host.submit('b')\n    except BaseException: pass\n7"
    assert box.run(swallow).value == ("b", answer)
    assert box.run("7").value == 7


def test_a_cancelled_sandbox_needs_a_reset(box: Sandbox) -> None:
    box.cancel()
    result = box.run("while True: pass")
    assert isinstance(result.error, GuestCancelled)
    assert box.needs_reset


# -- compiled beforehand -----------------------------------------------------------------------


def test_precompiled_code(image: Image, engine: str, sandbox: Any) -> None:
    source = "async def f(n): return n + k\ntotal = await f(1)\ntotal * 2"
    code = coilbox.compile(source, filename="job.py", image=image, engine=engine)
    code = pickle.loads(pickle.dumps(code))
    for _ in range(2):
        box = sandbox()
        assert box.run(code, inputs={"k": 20}).check().value == 42
        assert box.run(code, inputs={"k": 0}, fresh=True).check().value == 2
        error = box.run(code, inputs={"k": "a"}).error
        places = [(frame.file, frame.source) for frame in error.frames]
        assert places == [
            ("job.py", "total = await f(1)"),
            ("job.py", "async def f(n): return n + k"),
        ]
    with pytest.raises(UsageError, match="another image"):
        box.run(dataclasses.replace(code, image="0"))
    with pytest.raises(GuestException, match="SyntaxError"):
        coilbox.compile("a b", image=image, engine=engine)
    with pytest.raises(UsageError, match="source"):
        coilbox.compile(b"", image=image)  # type: ignore[arg-type]
