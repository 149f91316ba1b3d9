"""One table of all limits: what meets each, what is told, and what the sandbox is like after."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import coilbox
from coilbox import (
    GuestException,
    LimitExceeded,
    Limits,
    Mount,
    RecursionLimitExceeded,
    Sandbox,
    SandboxStoppedError,
    Scratch,
)
from coilbox.limits import LIMITS

pytestmark = pytest.mark.isolated

MIB = 1 << 20


class Case(NamedTuple):
    """A way to meet a limit.

    Attributes:
        limit: the limit that is set.
        within: a program that stays just within it.
        beyond: a program that goes beyond.
        error: the name of the error.
        used: the smallest and the largest usage that may be told.
    """

    limit: float
    within: str
    beyond: str
    error: str
    used: tuple[float, float]


OPEN = "files = [open('/work/f', 'rb') for _ in range({})]"
CASES = {
    "wall_seconds": Case(
        3, "pass", "while True: pass", "TimeLimitExceeded", (3, 300)
    ),
    "cpu_seconds": Case(
        0.4, "import time; time.sleep(1)", "while True: pass", "CpuLimitExceeded", (0.4, 300)
    ),
    "memory_bytes": Case(
        96 * MIB, "x = bytes(20 << 20)", "x = bytes(200 << 20)", "MemoryLimitExceeded",
        (200 * MIB, 300 * MIB),
    ),
    "output_bytes": Case(
        1000, "print('x' * 999)", "print('x' * 1000)", "OutputLimitExceeded", (1001, 1001)
    ),
    "value_bytes": Case(
        1000, "host.echo(bytes(700)); None", "host.echo(bytes(1000))", "ValueLimitExceeded",
        (1001, 1100),
    ),
    "display_bytes": Case(
        1000, "coilbox.display(b'x' * 900, kind='a/b')", "coilbox.display(b'x' * 1000, kind='a/b')",
        "DisplayLimitExceeded", (1001, 1100),
    ),
    "host_calls": Case(
        5, "for _ in range(5): host.echo(1)", "for _ in range(6): host.echo(1)",
        "HostCallLimitExceeded", (6, 6),
    ),
    "host_call_bytes": Case(
        1000, "host.echo(bytes(480)); None", "host.echo(bytes(500))",
        "HostCallBytesLimitExceeded", (1001, 1020),
    ),
    "open_files": Case(
        10, OPEN.format(10), OPEN.format(11), "OpenFilesLimitExceeded", (11, 11)
    ),
    "written_bytes": Case(
        1000, "open('/work/x', 'wb').write(bytes(1000))",
        "open('/work/x', 'wb').write(bytes(1001))", "WrittenBytesLimitExceeded", (1001, 1001),
    ),
    "created_files": Case(
        5, "for i in range(5): os.mkdir(f'/work/{i}')", "for i in range(6): os.mkdir(f'/work/{i}')",
        "CreatedFilesLimitExceeded", (6, 6),
    ),
    "file_bytes": Case(
        1000, "os.truncate('/work/f', 1000)", "os.truncate('/work/f', 1001)",
        "FileSizeLimitExceeded", (1001, 1001),
    ),
}  # fmt: skip
PRELUDE = "import os, sys\nimport coilbox\nfrom coilbox import host\n"


def make(sandbox: Any, folder: Path, **limits: Any) -> Sandbox:
    (folder / "f").write_bytes(b"")
    box: Sandbox = sandbox(
        limits=Limits(**limits),
        functions={"echo": lambda value: value},
        mounts=[Mount(folder, "/work", "rw")],
        scratch=Scratch("/tmp"),
    )
    return box


def test_every_limit_is_in_the_table() -> None:
    names = {field.name for field in dataclasses.fields(Limits)}
    assert names == {spec.name for spec in LIMITS}
    assert names == {*CASES, "recursion"}, "recursion has a test of its own"
    errors = {case.error for case in CASES.values()}
    assert {*errors, "RecursionLimitExceeded"} == {
        cls.__name__ for cls in LimitExceeded.__subclasses__()
    }


@pytest.mark.parametrize("name", CASES)
def test_limit(sandbox: Any, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    threads = threading.active_count()
    box = make(sandbox, tmp_path, **{name: case.limit})
    for _ in range(2):  # what is counted starts anew with each run
        result = box.run(PRELUDE + case.within)
        assert result.error is None, (result.error, result.stdout)
        box.run(
            "import os, shutil, glob\nfiles = None\nfor x in glob.glob('/work/?'):\n"
            "    os.rmdir(x) if os.path.isdir(x) else os.truncate(x, 0)"
        ).check()
    # Code that catches everything does not get away with it.
    beyond = "\n".join(f"    {line}" for line in case.beyond.splitlines())
    result = box.run(f"{PRELUDE}try:\n{beyond}\nexcept BaseException: pass\n{case.beyond}")
    error = result.error
    assert isinstance(error, LimitExceeded), error
    assert type(error) is getattr(coilbox, case.error)
    assert f"Limits.{name}" in str(error)
    assert error.limit == case.limit
    assert case.used[0] <= error.used <= case.used[1]
    assert error.unit in str(error) or name == "host_calls"
    assert (result.value, result.exit_code) == (None, -1)
    with pytest.raises(SandboxStoppedError):
        box.run("1")
    box.reset()
    assert box.run("6 * 7").check().value == 42
    box.close()
    # The watchdog's own thread stays.
    assert threading.active_count() <= threads + 1


@pytest.mark.parametrize("name", [spec.name for spec in LIMITS if spec.endless])
def test_without_the_limit(sandbox: Any, tmp_path: Path, name: str) -> None:
    box = make(sandbox, tmp_path, **{name: float("inf")})
    if name not in ("wall_seconds", "cpu_seconds", "recursion"):
        box.run(PRELUDE + CASES[name].beyond).check()
    assert box.run("1 + 1").check().value == 2


DEPTH = "def depth(n):\n    return depth(n + 1) if n < {} else n\ndepth(0)"


def test_recursion(sandbox: Any) -> None:
    """The one limit that is an exception in the guest, which goes on after it."""
    box: Sandbox = sandbox(limits=Limits(recursion=300))
    assert box.run(DEPTH.format(250)).check().value == 250
    result = box.run(DEPTH.format(300))
    error = result.error
    assert isinstance(error, RecursionLimitExceeded)
    assert isinstance(error, GuestException)
    assert (error.limit, error.used, error.unit) == (300, 301, "calls")
    assert (error.type, result.exit_code) == ("RecursionError", 1)
    assert "Limits.recursion" in str(error)
    assert len(error.frames) == 100
    caught = f"try:\n    {DEPTH.format(300).replace(chr(10), chr(10) + '    ')}\n"
    assert box.run(caught + "except RecursionError: pass").error is None
    box.run("import sys; sys.setrecursionlimit(200)").check()
    error = box.run(DEPTH.format(250)).error
    assert isinstance(error, RecursionLimitExceeded)
    assert error.limit == 200
    assert box.run("import sys; sys.setrecursionlimit(10**9); sys.getrecursionlimit()").value == 300


def test_recursion_by_default(box: Sandbox) -> None:
    assert box.run("import sys; sys.getrecursionlimit()").value == 1000
    lifted = "import sys; sys.setrecursionlimit(2**31 - 1); sys.getrecursionlimit()"
    assert box.run(lifted).value == Limits().recursion == 1_000_000
    assert box.run(DEPTH.format(20_000)).check().value == 20_000
    for bad, kind in (("0", "ValueError"), ("2**31", "OverflowError"), ("'1'", "TypeError")):
        error = box.run(f"import sys; sys.setrecursionlimit({bad})").error
        assert isinstance(error, GuestException)
        assert error.type == kind


def test_a_stack_used_up_is_no_recursion_limit(box: Sandbox) -> None:
    code = (
        "import sys; sys.setrecursionlimit(10**6)\nx = []\nfor _ in range(10**5): x = [x]\nrepr(x)"
    )
    error = box.run(code).error
    assert type(error) is GuestException
    assert error.type == "RecursionError"
