"""Live output by iteration."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from coilbox import (
    GuestCancelled,
    GuestException,
    Limits,
    OutputLimitExceeded,
    Sandbox,
    SandboxStoppedError,
    TimeLimitExceeded,
    UsageError,
)

pytestmark = pytest.mark.isolated


def test_pieces_come_while_the_guest_runs(sandbox: Any) -> None:
    go_on = threading.Event()

    def wait() -> bool:
        return go_on.wait(20)

    box = sandbox(functions={"wait": wait})
    code = "from coilbox import host\nprint('first', flush=True)\nhost.wait()\nprint('second')\n7"
    with box.stream(code) as run:
        pieces = iter(run)
        first = next(pieces)
        assert (first.stream, first.data) == ("stdout", b"first\n")
        go_on.set()  # only now can the guest go on
        rest = b"".join(piece.data for piece in pieces)
    assert rest == b"second\n"
    assert run.result.value == 7
    assert run.result.stdout == "first\nsecond\n"


def test_both_streams_in_order(box: Sandbox) -> None:
    code = (
        "import sys\nfor i in range(20): print(i, file=(sys.stdout, sys.stderr)[i % 2], flush=True)"
    )
    with box.stream(code) as run:
        seen = [(piece.stream, piece.data) for piece in run]
    text = b"".join(data for _, data in seen)
    assert text == b"".join(b"%d\n" % i for i in range(20))
    assert b"".join(data for name, data in seen if name == "stderr").split() == [
        b"%d" % i for i in range(1, 20, 2)
    ]


def test_options_are_those_of_run(box: Sandbox) -> None:
    code = "import sys, os\nprint(sys.argv, input(), os.environ)\n__name__"
    with box.stream(
        code, ["a"], "in\n", {"K": "v"}, filename="f.py", fresh=True, timeout=20
    ) as run:
        text = b"".join(piece.data for piece in run).decode()
    assert text == "['f.py', 'a'] in environ({'K': 'v'})\n"
    assert run.result.value == "__main__"


def test_an_error_is_in_the_result(box: Sandbox) -> None:
    with box.stream("print('x', flush=True)\n1 / 0") as run:
        assert [piece.data for piece in run] == [b"x\n"]
    assert isinstance(run.result.error, GuestException)


def test_a_flood_ends_the_iteration(sandbox: Any) -> None:
    box = sandbox(limits=Limits(output_bytes=50_000))
    with box.stream("while True: print('x' * 99)") as run:
        total = sum(len(piece.data) for piece in run)
    assert total == 50_000
    assert isinstance(run.result.error, OutputLimitExceeded)


def test_a_slow_reader_slows_the_guest_not_its_memory(box: Sandbox) -> None:
    with box.stream("import os\nfor i in range(2000): os.write(1, b'%05d' % i)") as run:
        pieces = iter(run)
        next(pieces)
        time.sleep(0.3)
        total = 5 + sum(len(piece.data) for piece in pieces)
    assert total == 10_000
    assert run.result.ok


def test_leaving_early_cancels_the_run(box: Sandbox) -> None:
    with box.stream("while True: print('x', flush=True)") as run:
        next(iter(run))
    with pytest.raises(UsageError, match="end"):
        run.result  # noqa: B018
    with pytest.raises(SandboxStoppedError):
        box.run("1")
    box.reset()
    assert box.run("1").value == 1


def test_the_result_is_not_there_before_the_end(box: Sandbox) -> None:
    with box.stream("print('x', flush=True)\nwhile True: pass") as run:
        next(iter(run))
        with pytest.raises(UsageError, match="read the output to its end"):
            run.result  # noqa: B018


def test_misuse_is_raised_by_the_iteration(box: Sandbox) -> None:
    with pytest.raises(UsageError, match="code must be"), box.stream(5) as run:  # type: ignore[arg-type]
        list(run)
    box.close()
    with pytest.raises(UsageError, match="closed"), box.stream("1") as run:
        list(run)


def test_no_thread_is_left(box: Sandbox) -> None:
    for _ in range(10):
        with box.stream("print('x')") as run:
            list(run)
    assert not [t for t in threading.enumerate() if t.name == "coilbox-stream"]


def test_a_slow_reader_makes_the_guest_wait(box: Sandbox) -> None:
    """What waits for the reader is bounded, whatever the guest writes."""
    code = "import os\nfor _ in range(30): os.write(1, bytes(500_000))"
    with box.stream(code, timeout=60) as run:
        seen = 0
        for piece in run:
            seen += len(piece.data)
            time.sleep(0.002)
            assert run._pipe._waiting_bytes < 2 << 20
    assert seen == 15_000_000
    assert run.result.ok


def test_leaving_frees_a_guest_that_waits_for_the_reader(box: Sandbox) -> None:
    with box.stream("import os\nwhile True: os.write(1, bytes(500_000))") as run:
        next(iter(run))
    box.reset()
    assert box.run("1").check().value == 1


FLOOD = "import os\nwhile True: os.write(1, bytes(500_000))"


def test_a_reader_that_stops_reading_does_not_lift_the_limit(sandbox: Any) -> None:
    box = sandbox(limits=Limits(wall_seconds=0.3))
    run = box.stream(FLOOD)
    pieces = iter(run)
    next(pieces)
    run._thread.join(60)
    assert not run._thread.is_alive()
    box.reset()
    assert sum(len(piece.data) for piece in pieces) > 1 << 20, "what waited can still be read"
    assert isinstance(run.result.error, TimeLimitExceeded)


def test_cancel_ends_a_run_whose_reader_stopped_reading(box: Sandbox) -> None:
    run = box.stream(FLOOD)
    next(iter(run))
    time.sleep(0.05)  # until it waits, most likely
    box.cancel()
    run._thread.join(60)
    assert not run._thread.is_alive()
    list(run)
    assert isinstance(run.result.error, GuestCancelled)


def test_a_forgotten_stream_holds_nobody_up(box: Sandbox) -> None:
    run = box.stream("import os\nfor _ in range(30): os.write(1, bytes(500_000))\n5")
    thread = run._thread
    next(iter(run))
    del run
    thread.join(60)
    assert not thread.is_alive()
    assert box.run("6").value == 6
