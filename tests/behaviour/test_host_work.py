"""Work that the host does for a guest's values is the guest's: it ends and it is paid for."""

from __future__ import annotations

import array
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coilbox import (
    CpuLimitExceeded,
    GuestCancelled,
    GuestException,
    GuestProtocolError,
    LimitExceeded,
    Limits,
    Opaque,
    Sandbox,
)
from tests.codec.chains import chained

SandboxFactory = Callable[..., Sandbox]

READ = "import array, sys; keys = array.array('Q', sys.stdin.buffer.read()).tolist()\n"
WAYS = {
    "result": "dict.fromkeys(keys)",
    "in a tuple": "(1, [dict.fromkeys(map(float, keys))])",
    "argument": "from coilbox import host; host.echo(dict.fromkeys(keys))",
    "keyword": "from coilbox import host; host.echo(x=[dict.fromkeys(keys)])",
}


@pytest.mark.isolated
@pytest.mark.parametrize("way", WAYS)
def test_keys_that_share_their_places(sandbox: SandboxFactory, isolation: str, way: str) -> None:
    box = sandbox(functions={"echo": lambda *args, **kwargs: [args, kwargs]})
    result = box.run(READ + WAYS[way], stdin=array.array("Q", chained(13)).tobytes())
    if way in ("result", "in a tuple"):  # a last value, which nobody asked for
        assert isinstance(result.value, Opaque)
        return
    error = result.error
    assert isinstance(error, GuestProtocolError)
    assert "same places" in str(error)


@pytest.mark.isolated
@pytest.mark.parametrize("end", ["", "\nfrom coilbox import host; host.take(x); x = 0"])
def test_reading_values_counts_as_the_guests_time(
    sandbox: SandboxFactory, isolation: str, end: str
) -> None:
    """Some seconds of work for the host, which a tenth of one made in the guest."""
    box = sandbox(limits=Limits(cpu_seconds=0.5, wall_seconds=60), functions={"take": len})
    code = f"import datetime; x = [datetime.datetime(2020, 1, 1)] * 400_000{end}\nx"
    before = time.thread_time()
    result = box.run(code)
    assert isinstance(result.error, CpuLimitExceeded)
    assert 0.5 <= result.error.used < 2
    assert time.thread_time() - before < 2
    box.reset()
    assert box.run("6 * 7").check().value == 42


def test_reading_values_ends_with_a_cancel(sandbox: SandboxFactory) -> None:
    """The guest's last act tells the host to cancel it: only reading its value is left."""
    box = sandbox()
    box.run("x = [()] * 200_000; 0").check()

    def stop(data: bytes) -> None:
        box.cancel()

    error = box.run("print('now', flush=True)\nx", on_stdout=stop).error
    assert isinstance(error, GuestCancelled)


ZONE = """
import datetime, zoneinfo
from coilbox import host
class Far(zoneinfo.ZoneInfo):
    key = KEY
moment = datetime.datetime(2020, 1, 1, tzinfo=Far("UTC"))
"""


def test_time_zones_that_the_host_lacks(sandbox: SandboxFactory) -> None:
    box = sandbox(functions={"echo": lambda value: value})
    box.run(ZONE.replace("KEY", "'Mars/Phobos'")).check()
    assert isinstance(box.run("moment").value, Opaque)
    box.run("def give(): return moment").check()
    error = box.call("__main__:give").error
    assert isinstance(error, GuestException)
    assert error.type == "ValueError"
    assert "install the tzdata package" in error.message
    caught = "try: host.echo(moment)\nexcept ValueError as error: seen = str(error)\nseen"
    assert "tzdata" in box.run(caught).check().value


@pytest.mark.parametrize("key", ["Europe", "../../etc/passwd", "a" * 300, "a/" * 9, "..", "é", ""])
def test_time_zones_that_are_none(sandbox: SandboxFactory, key: str) -> None:
    box = sandbox()
    box.run(ZONE.replace("KEY", repr(key)) + "\ndef give(): return moment").check()
    assert isinstance(box.run("moment").value, Opaque)
    error = box.call("__main__:give").error
    assert isinstance(error, (GuestException, GuestProtocolError))


DEEP = """
import _coilbox_runtime.errors as errors
def describe(*args, **kwargs):
    leaf = dict.fromkeys(("type", "message", "traceback"), "x")
    level = [leaf] * 60
    for _ in range(30):
        level = [leaf | {"children": level}] * 60
    return leaf | {"children": level}
errors.describe = describe
raise ValueError
"""


def test_errors_with_many_children(sandbox: SandboxFactory) -> None:
    box = sandbox(limits=Limits(cpu_seconds=1, memory_bytes=256 << 20))
    result = box.run(DEEP)
    assert isinstance(result.error, (GuestProtocolError, LimitExceeded))
    assert result.usage.cpu_seconds < 3


ERRORS = {
    "an exception": "raise ValueError('x' * 1000)",
    "a group": "raise ExceptionGroup('x', [ValueError(str(i)) for i in range(50)])",
    "a syntax error": "x = = 1",
    "recursion": "import sys; sys.setrecursionlimit(120)\ndef f(): f()\nf()",
    "a value that cannot cross": "object",
    "a failed host function": "from coilbox import host\nhost.fail()",
    "refused arguments": "from coilbox import host\nhost.fail(object())",
    "an exit": "import sys; sys.exit(3)",
    "keys": "{number * (2**61 - 1): 0 for number in range(1, 700)}",
    "a wrong reply": "import _coilbox_runtime.errors as e\ne.describe = lambda *a: 5\n1 / 0",
    "too much output": "print('x' * (1 << 17))",
    "too many calls": "from coilbox import host\nwhile True: host.echo(1)",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ERRORS)
def test_twenty_thousand_errors_take_no_memory(sandbox: SandboxFactory, kind: str) -> None:
    def fail() -> None:
        raise ValueError

    box = sandbox(
        functions={"fail": fail, "echo": lambda value: value},
        limits=Limits(host_calls=5, output_bytes=1 << 16),
    )
    before = 0
    for number in range(20_000):
        box.run(ERRORS[kind])
        if box._session.stopped is not None:  # type: ignore[union-attr]
            box.reset()
        if number == 2000:  # what is made once for the process is there
            before = resident()
    assert resident() - before < 16 << 20


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_large_values_there_and_back(sandbox: SandboxFactory) -> None:
    value: dict[str, Any] = {
        "numbers": list(range(50_000)),
        "text": "é" * 100_000,
        "rows": [{"id": number, "name": f"row {number}", "at": (1, 2)} for number in range(5000)],
        "set": set(range(20_000)),
    }
    box = sandbox(functions={"echo": lambda value: value})
    box.run("from coilbox import host\ndef there(x): return x\ndef back(x): return host.echo(x)")
    for name in ("there", "back"):
        assert box.call(f"__main__:{name}", value).check().value == value
