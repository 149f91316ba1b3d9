"""Limits: each stops the guest at once with its own error, and reset() brings the sandbox back."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import math
import time
from typing import Any

import pytest

from coilbox import (
    GuestException,
    Limits,
    MemoryLimitExceeded,
    Result,
    Sandbox,
    SandboxStoppedError,
    TimeLimitExceeded,
    UsageError,
)
from coilbox.session.watchdog import Alarm

MIB = 1 << 20
# How late a stop may come: what runs longer without one. It takes milliseconds, but a busy machine
# may leave a process alone for seconds.
LATE = 60.0


def back_to_work(box: Sandbox) -> None:
    with pytest.raises(SandboxStoppedError, match=r"reset\(\) brings the sandbox back"):
        box.run("1")
    with pytest.raises(SandboxStoppedError):
        box.call("math:gcd", 4, 6)
    box.reset()
    assert box.run("sum(range(10))").check().value == 45


LONG_RUNNING = {
    "busy loop": "while True: pass",
    "loop with a bare except": "while True:\n    try:\n        while True: pass\n    except: pass",
    "loop in a function": "def f():\n    n = 0\n    while True: n += 1\nf()",
    "generator": "def g():\n    while True: yield\nfor _ in g(): pass",
    "comprehension": "[0 for _ in iter(int, 1) if _]",
    "huge int power": "x = 3 ** 300_000_000",
    "huge int to str": "import sys; sys.set_int_max_str_digits(0); s = str(1 << 300_000_000)",
    "huge int product": "x = 7 ** 3_000_000\nwhile True: y = x * x",
    "catastrophic regular expression": "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')",
    "sorted of millions": "x = list(range(3_000_000)) ; x.reverse()\nwhile True: sorted(x, key=lambda v: -v % 977)",
    "sum over a C iterator": "import itertools; sum(itertools.repeat(1))",
    "exhausted C iterator": "import itertools, collections; collections.deque(itertools.count(), maxlen=0)",
    "bytes translate": "t = bytes(range(256))[::-1]; b = bytes(40_000_000)\nwhile True: b = b.translate(t)",
    "str replace": "s = 'ab' * 5_000_000\nwhile True: s.replace('ab', 'cd')",
    "str find": "s = 'a' * 2_000_000\nwhile True: (s + 'b').find('a' * 1_000_000 + 'c')",
    "bytes compare": "a = bytes(30_000_000); b = bytes(30_000_000)\nwhile True: a == b",
    "bytes copies": "a = bytes(30_000_000)\nwhile True: b = a + b'x'",
    "zlib": "import zlib; b = bytes(20_000_000)\nwhile True: zlib.compress(b, 9)",
    "hash": "import hashlib; b = bytes(30_000_000)\nwhile True: hashlib.sha256(b).digest()",
    "json": "import json; d = list(range(1_000_000))\nwhile True: json.loads(json.dumps(d))",
    "decimal": "from decimal import *; getcontext().prec = 200_000\nx = Decimal(2).sqrt()\nwhile True: x = x.exp()",
    "sqlite": (
        "import sqlite3; sqlite3.connect(':memory:').execute("
        "'with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c')"
    ),
    "gc": "import gc; x = [[] for _ in range(1_000_000)]\nwhile True: gc.collect()",
    "sleep": "import time; time.sleep(1000)",
    "select": "import select; select.select([], [], [], 1000)",
    "asyncio": "import asyncio; asyncio.run(asyncio.sleep(1000))",
    "import": "while True:\n    import sys; sys.modules.pop('colorsys', None); import colorsys",
    "exec": "while True: exec(compile('x = [i for i in range(100)]', 'f', 'exec'))",
    "a finally that goes on": "try:\n    while True: pass\nfinally:\n    while True: pass",
    "__del__": "class A:\n    def __del__(self):\n        while True: pass\nA()",
    "a repr of the last value": "class A:\n    def __repr__(self):\n        while True: pass\nA()",
    "atexit": "import sys\nclass A(BaseException):\n    def __str__(self):\n        while True: pass\nraise A",
}


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_the_time_limit_stops_everything(box: Sandbox, name: str) -> None:
    started = time.monotonic()
    result = box.run(LONG_RUNNING[name], timeout=0.4)
    took = time.monotonic() - started
    error = result.error
    assert isinstance(error, TimeLimitExceeded), (error, took)
    assert "0.4 seconds" in str(error)
    assert "Limits.wall_seconds" in str(error)
    assert error.limit == 0.4
    assert 0.4 <= error.used < 0.4 + LATE
    assert took < 0.4 + LATE
    assert (result.exit_code, result.value) == (-1, None)
    back_to_work(box)


def test_output_before_the_time_limit_is_kept(box: Sandbox) -> None:
    for seconds in (0.3, 3, 30):  # on a busy machine it may not come to print in less
        result = box.run("print('started', flush=True)\nwhile True: pass", timeout=seconds)
        assert isinstance(result.error, TimeLimitExceeded)
        assert result.usage.wall_seconds >= seconds
        if result.stdout:
            break
        box.reset()
    assert result.stdout == "started\n"


def test_the_time_limit_of_the_sandbox(sandbox: Any) -> None:
    box = sandbox(limits=Limits(wall_seconds=0.3))
    assert isinstance(box.call("builtins:exec", "while True: pass").error, TimeLimitExceeded)
    box.reset()
    error = box.run("while True: pass", timeout=100).error
    assert isinstance(error, TimeLimitExceeded)
    assert error.limit == 0.3, "a run's timeout cannot go above the limit"


def test_time_counts_for_each_run(sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    box = sandbox(limits=Limits(wall_seconds=20, cpu_seconds=10))
    given: list[tuple[float, float]] = []

    def note(wall: float, cpu: float, *args: Any) -> Alarm:
        given.append((wall, cpu))
        return Alarm(wall, cpu, *args)

    monkeypatch.setattr("coilbox.session.session.Alarm", note)
    for _ in range(3):
        box.run("sum(range(100_000))").check()
    assert given == [(20, 10)] * 3


@pytest.mark.parametrize("timeout", [0, -1, -math.inf, math.nan])
def test_a_timeout_must_be_above_zero(box: Sandbox, timeout: float) -> None:
    with pytest.raises(UsageError, match="timeout must be a number of seconds from 1e-9"):
        box.run("1", timeout=timeout)


def test_a_very_short_timeout(box: Sandbox) -> None:
    for _ in range(20):
        result = box.run("while True: pass", timeout=1e-9)
        assert isinstance(result.error, TimeLimitExceeded)
        box.reset()


def test_no_time_limit(sandbox: Any) -> None:
    box = sandbox(limits=Limits(wall_seconds=math.inf))
    assert box.run("1 + 1").value == 2


GREEDY = {
    "one bytes": "x = bytes(1 << 30)",
    "growing bytes": "x = b'x'\nwhile True: x += x",
    "growing bytearray": "x = bytearray()\nwhile True: x.extend(bytes(100_000))",
    "list repetition": "x = [0] * (1 << 28)",
    "growing list": "x = []\nwhile True: x.append(len(x))",
    "list of lists": "x = []\nwhile True: x.append([None] * 10_000)",
    "str repetition": "x = 'spam' * (1 << 28)",
    "growing str": "x = 'ü'\nwhile True: x += x",
    "str formatting": "x = '%1000000000d' % 5",
    "f-string": "x = f'{5:>1000000000}'",
    "join": "x = ','.join(['spam' * 1000] * 1_000_000)",
    "replace": "x = ('a' * 100_000).replace('a', 'b' * 100_000)",
    "big int": "x = 1 << (8 << 30)",
    "growing int": "x = 3\nwhile True: x <<= 1_000_000",
    "dict": "x = {}\nwhile True: x[len(x)] = None",
    "set": "x = set()\nwhile True: x.add(len(x))",
    "objects": "class A: pass\nx = None\nwhile True:\n    a = A(); a.next = x; x = a",
    "tuples in tuples": "x = ()\nwhile True: x = (x, x, [])\n",
    "closures": "f = None\nwhile True: f = (lambda g: lambda: g)(f)",
    "deque": "import collections; x = collections.deque()\nwhile True: x.append(bytes(1000))",
    "array": "import array; x = array.array('d', bytes(8)) * (1 << 27)",
    "io": "import io; x = io.BytesIO()\nwhile True: x.write(bytes(1 << 20))",
    "seek in io": "import io; x = io.BytesIO(); x.seek(1 << 30); x.write(b'x')",
    "sqlite": (
        "import sqlite3; db = sqlite3.connect(':memory:'); db.execute('create table t(a)')\n"
        "while True: db.execute('insert into t values (zeroblob(1000000))')"
    ),
    "zlib bomb": (
        "import zlib; b = zlib.compress(bytes(1 << 20) )\n"
        "x = []\nwhile True: x.append(zlib.decompress(b))"
    ),
    "re": "import re; x = [re.compile('a{%d}' % i) for i in range(100_000)]\nwhile True: x += x",
    "compile": "x = compile('+'.join(['x'] * 3_000_000), 'f', 'exec')\ny = []\nwhile True: y.append([*range(1000)])",
    "recursion of containers": "def f(x): return f([x] * 50_000)\nf(0)",
    "range list": "x = list(range(1 << 30))",
    "permutations": "import itertools; x = list(itertools.permutations(range(12)))",
    "decimal": "import decimal; decimal.getcontext().prec = 300_000_000\nx = decimal.Decimal(1) / 3\ny = [x + i for i in range(9)]",
}


@pytest.mark.parametrize("name", GREEDY)
def test_the_memory_limit_stops_everything(sandbox: Any, name: str) -> None:
    box = sandbox(limits=Limits(memory_bytes=128 * MIB, wall_seconds=60))
    result = box.run(GREEDY[name])
    error = result.error
    if isinstance(error, GuestException):
        # Sizes that cannot be asked of an allocator at all are refused by Python itself.
        assert error.type in ("MemoryError", "OverflowError", "RecursionError"), error
        assert box.run("1 + 1").value == 2
        return
    assert isinstance(error, MemoryLimitExceeded), error
    assert "Limits.memory_bytes" in str(error)
    assert error.limit == 128 * MIB
    assert error.used > 128 * MIB
    assert result.exit_code == -1
    assert result.usage.peak_memory_bytes <= 128 * MIB
    back_to_work(box)


def test_most_memory_hogs_get_the_limits_error(sandbox: Any) -> None:
    """The table above lets MemoryError pass; the plain cases must give the limit's own error."""
    for code in (
        "x = bytes(1 << 30)",
        "x = []\nwhile True: x.append(len(x))",
        "x = 'ü' * (1 << 29)",
    ):
        box = sandbox(limits=Limits(memory_bytes=96 * MIB))
        assert isinstance(box.run(code).error, MemoryLimitExceeded), code
        back_to_work(box)


def test_memory_up_to_the_limit_can_be_used(sandbox: Any) -> None:
    box = sandbox(limits=Limits(memory_bytes=256 * MIB))
    box.run("x = bytes(150 << 20)").check()
    for _ in range(20):
        box.run("del x; x = bytes(150 << 20)").check()


def test_a_request_that_does_not_fit(sandbox: Any) -> None:
    box = sandbox(limits=Limits(memory_bytes=64 * MIB))
    error = box.call("builtins:len", bytes(200 * MIB)).error
    assert isinstance(error, MemoryLimitExceeded)
    assert "Limits.memory_bytes" in str(error)
    back_to_work(box)


def test_a_host_reply_that_does_not_fit(sandbox: Any) -> None:
    box = sandbox(
        limits=Limits(memory_bytes=64 * MIB), functions={"much": lambda: bytes(200 * MIB)}
    )
    error = box.run("from coilbox import host\nx = host.much()").error
    assert isinstance(error, MemoryLimitExceeded) or getattr(error, "type", "") == "MemoryError"


def test_a_limit_below_what_python_needs_is_refused(sandbox: Any) -> None:
    with pytest.raises(UsageError, match=r"Limits.memory_bytes is 1048576.*needs"):
        sandbox(limits=Limits(memory_bytes=MIB))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"wall_seconds": 0}, "Limits.wall_seconds must be .* from 1e-9 to .*, not 0, or None for"),
        ({"wall_seconds": -1}, "from 1e-9"),
        ({"wall_seconds": math.nan}, "from 1e-9 .* not nan"),
        ({"wall_seconds": "1"}, "must be a number of seconds .* not '1'"),
        (
            {"memory_bytes": 1.5},
            "Limits.memory_bytes must be a whole number from 1 to 4294967296, not 1.5$",
        ),
        ({"memory_bytes": True}, "must be a whole number .* not True"),
        ({"memory_bytes": 1 << 33}, "from 1 to 4294967296, not 8589934592"),
        (
            {"output_bytes": -5},
            "Limits.output_bytes must be a whole number from 1 to 9223372036854775807, not -5",
        ),
    ],
)
def test_limits_that_cannot_be(options: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Limits(**options)


def test_the_host_lives_on_after_a_mixture_of_stops(sandbox: Any) -> None:
    box = sandbox(limits=Limits(memory_bytes=96 * MIB, output_bytes=10_000))
    for round_number in range(5):
        for code in (
            "while True: pass",
            "x = []\nwhile True: x.append(bytes(1000))",
            "while True: print('x')",
            "import os; os.abort()",
            "1 / 0",
            "import os; os._exit(1)",
        ):
            result = box.run(code, timeout=0.2 if "pass" in code else 30)
            assert not result.ok
            box.reset()
            assert box.run(f"{round_number} + 1").value == round_number + 1


@pytest.mark.isolated
def test_a_plain_host_function_is_waited_for(sandbox: Any) -> None:
    """The guest stops when it returns, and the error says how long that took."""
    returned: list[bool] = []

    def wait() -> None:
        time.sleep(0.5)
        returned.append(True)

    box = sandbox(functions={"wait": wait})
    code = "from coilbox import host\nhost.wait()\nprint('went on')"
    result = box.run(code, timeout=0.1)
    assert returned == [True]
    assert isinstance(result.error, TimeLimitExceeded)
    assert result.error.used >= 0.5
    assert result.stdout == ""
    back_to_work(box)


def test_the_time_of_a_run_within_a_run(sandbox: Any) -> None:
    """Both say which limit stopped the guest: the inner run's own, or that of the run around it."""
    inner: list[Result] = []

    def nest(timeout: float | None) -> None:
        inner.append(box.run("while True: pass", timeout=timeout))

    box = sandbox(functions={"nest": nest}, limits=Limits(wall_seconds=60))
    cases: list[tuple[float | None, float | None, float]] = [
        (0.2, None, 0.2),
        (None, 0.3, 0.3),
        (30.0, 0.4, 0.4),
    ]
    for timeout, around, limit in cases:
        outer = box.run(f"from coilbox import host\nhost.nest({timeout})", timeout=around)
        for result in (outer, inner.pop()):
            assert isinstance(result.error, TimeLimitExceeded)
            assert result.error.limit == limit
            assert result.error.used >= limit
        box.reset()
