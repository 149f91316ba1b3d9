"""Output of every kind: where it goes, in which order, and what is kept at the limit."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from coilbox import GuestException, Limits, OutputLimitExceeded, Sandbox, SandboxStoppedError
from coilbox.session.output import CapturedOutput

pytestmark = pytest.mark.isolated


SandboxFactory = Callable[..., Sandbox]

WRITERS = {
    "print": "print('text', 1, sep='|')",
    "stdout.write": "import sys; sys.stdout.write('text|1\\n')",
    "stdout.buffer": "import sys; sys.stdout.buffer.write(b'text|1\\n')",
    "os.write": "import os; os.write(1, b'text|1\\n')",
    "open(1)": "with open(1, 'w', closefd=False) as f: f.write('text|1\\n')",
    "os.fdopen of a dup or 1": "import os\nwith open(1, 'wb', 0, closefd=False) as f: f.write(b'text|1\\n')",
    "__stdout__": "import sys; sys.__stdout__.write('text|1\\n')",
    "writelines": "import sys; sys.stdout.writelines(['text|', '1\\n'])",
    "pprint": "import pprint, sys; pprint.pprint('x', stream=sys.stdout) if 0 else print('text|1')",
    "exec": "exec('print(\"text|1\")')",
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_way_to_write_reaches_stdout(box: Sandbox, name: str) -> None:
    result = box.run(WRITERS[name])
    assert result.error is None, result.error
    assert (result.stdout, result.stderr) == ("text|1\n", "")
    assert result.usage.stdout_bytes == 7


def test_stderr_is_apart(box: Sandbox) -> None:
    result = box.run("import sys, os\nprint('e', file=sys.stderr)\nos.write(2, b'raw')\nprint('o')")
    assert (result.stdout, result.stderr) == ("o\n", "e\nraw")


def test_what_c_code_writes_is_captured(box: Sandbox) -> None:
    result = box.run("import faulthandler\nfaulthandler.dump_traceback(file=2)")
    assert "<sandbox>" in result.stderr
    assert "line 2" in result.stderr


def test_warnings_go_to_stderr(box: Sandbox) -> None:
    result = box.run("import warnings\nwarnings.warn('careful')", filename="w.py")
    assert "w.py:2: UserWarning: careful" in result.stderr


def test_logging_and_unraisable_go_to_stderr(box: Sandbox) -> None:
    code = (
        "import logging\nlogging.basicConfig(level='INFO')\nlogging.info('logged')\n"
        "class D:\n    def __del__(self): raise ValueError('in del')\nD()\nNone"
    )
    result = box.run(code)
    assert "INFO:root:logged" in result.stderr
    assert "ValueError: in del" in result.stderr


def test_flushed_output_keeps_its_order_among_the_ways(box: Sandbox) -> None:
    code = (
        "import os, sys\n"
        "for i in range(50):\n"
        "    print('p', i, flush=True)\n"
        "    os.write(1, b'w%d\\n' % i)\n"
        "    sys.stdout.buffer.write(b'b%d\\n' % i); sys.stdout.buffer.flush()\n"
    )
    expected = "".join(f"p {i}\nw{i}\nb{i}\n" for i in range(50))
    assert box.run(code).stdout == expected


def test_output_left_in_buffers_comes_with_its_own_run(box: Sandbox) -> None:
    assert box.run("import sys; sys.stdout.write('no newline')").stdout == "no newline"
    assert box.run("print('second')").stdout == "second\n"
    assert box.run("sys.stderr.write('x'); 1 / 0").stderr == "x"


def test_output_is_bytes_and_text(box: Sandbox) -> None:
    result = box.run("import os; os.write(1, b'\\xff\\xfeok \\xc3\\xbc')")
    assert result.stdout_bytes == b"\xff\xfeok \xc3\xbc"
    assert result.stdout == "\ufffd\ufffdok ü"


def test_print_of_any_unicode(box: Sandbox) -> None:
    assert box.run("print('ü 日本 🐍 \\0 end')").stdout == "ü 日本 🐍 \0 end\n"
    error = box.run("print('\\ud800', flush=True)").error
    assert error is None or isinstance(error, GuestException)
    assert box.run("print('after')").stdout.endswith("after\n")


def test_a_closed_or_replaced_stdout_comes_back_with_reset(box: Sandbox) -> None:
    box.run("import sys, io; sys.stdout = io.StringIO(); print('lost')")
    assert box.run("print('also lost')\nsys.__stdout__.write('seen')").stdout.endswith("seen")
    box.run("import os; sys.__stdout__.close()")
    box.reset()
    assert box.run("print('back')").stdout == "back\n"


def test_a_closed_descriptor_comes_back_with_the_next_run(box: Sandbox) -> None:
    box.run("import os; os.close(1)")
    result = box.run("import os; os.write(1, b'again')")
    assert result.stdout == "again"


def test_large_output_within_the_limit_is_whole(box: Sandbox) -> None:
    result = box.run("for i in range(200_000): print(i)")
    assert result.check().stdout == "".join(f"{i}\n" for i in range(200_000))


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        ("stdout", "while True: print('spam' * 10)"),
        ("stdout", "import sys\nwhile True: sys.stdout.buffer.write(b'spam' * 100_000)"),
        ("stdout", "import os\nwhile True: os.write(1, b'spam')"),
        ("stdout", "print('spam' * 50_000_000)"),
        ("stderr", "import sys\nwhile True: sys.stderr.write('spam')"),
        ("stderr", "import os\nos.write(2, b'spam' * 10_000_000)"),
        ("stdout", "while True:\n    try: print('spam')\n    except BaseException: pass"),
    ],
)
def test_a_flood_stops_the_guest_and_keeps_what_fitted(
    sandbox: object, stream: str, code: str
) -> None:
    box = sandbox(limits=Limits(output_bytes=100_000))  # type: ignore[operator]
    result = box.run(code)
    error = result.error
    assert isinstance(error, OutputLimitExceeded), error
    assert stream in str(error)
    assert "Limits.output_bytes" in str(error)
    assert error.limit == 100_000
    assert error.used > 100_000
    kept = result.stdout_bytes if stream == "stdout" else result.stderr_bytes
    assert len(kept) == 100_000
    assert kept.startswith(b"spam")
    assert result.exit_code == -1
    with pytest.raises(SandboxStoppedError, match="reset"):
        box.run("1")
    box.reset()
    assert box.run("print('fine')").stdout == "fine\n"


def test_exactly_the_limit_is_no_flood(sandbox: object) -> None:
    box = sandbox(limits=Limits(output_bytes=1000))  # type: ignore[operator]
    assert box.run("import os; x = os.write(1, b'x' * 1000)").check().stdout == "x" * 1000
    assert box.run("x = os.write(1, b'y' * 1000)").check().stdout == "y" * 1000, "for each run"
    assert isinstance(box.run("x = os.write(1, b'z' * 1001)").error, OutputLimitExceeded)


def test_output_before_a_crash_or_exception_is_kept(box: Sandbox) -> None:
    assert box.run("print('one')\n1 / 0").stdout == "one\n"
    result = box.run("import os\nprint('two', flush=True)\nos.abort()")
    assert result.stdout == "two\n"


def test_callbacks_get_output_as_it_is_written(box: Sandbox) -> None:
    pieces: list[tuple[str, bytes]] = []
    code = (
        "import sys\n"
        "for i in range(3):\n"
        "    print(i, flush=True)\n"
        "    print('e', i, file=sys.stderr, flush=True)\n"
    )
    result = box.run(
        code,
        on_stdout=lambda data: pieces.append(("out", data)),
        on_stderr=lambda data: pieces.append(("err", data)),
    )
    assert b"".join(data for _, data in pieces) == b"0\ne 0\n1\ne 1\n2\ne 2\n"
    assert {name for name, _ in pieces} == {"out", "err"}
    assert result.stdout == "0\n1\n2\n"
    assert result.stderr == "e 0\ne 1\ne 2\n"


def test_what_a_callback_raises_reaches_the_caller(box: Sandbox) -> None:
    def refuse(data: bytes) -> None:
        raise LookupError("the callback's own")

    with pytest.raises(LookupError, match="the callback's own"):
        box.run("print('x', flush=True)\nwhile True: pass", on_stdout=refuse)
    with pytest.raises(SandboxStoppedError):
        box.run("1")
    box.reset()
    assert box.run("1").value == 1


def test_what_is_cut_off_is_marked(sandbox: SandboxFactory) -> None:
    box = sandbox(limits=Limits(output_bytes=10))
    result = box.run("import sys; print('x' * 9); sys.stderr.write('y' * 10)").check()
    assert (result.stdout_truncated, result.stderr_truncated) == (False, False)
    result = box.run("import sys; sys.stderr.write('y' * 11)")
    assert (result.stdout_truncated, result.stderr_truncated) == (False, True)
    assert result.stderr == "y" * 10


def test_a_callback_leaves_little_to_be_kept(sandbox: SandboxFactory) -> None:
    """It has the output already: keeping all of it would take the host's memory twice."""
    seen = 0

    def take(data: bytes) -> None:
        nonlocal seen
        seen += len(data)

    box = sandbox(limits=Limits(output_bytes=50_000_000))
    code = "import os\nfor n in range(300): os.write(1, bytes([n % 251]) * 100_000)"
    result = box.run(code, on_stdout=take).check()
    assert seen == result.usage.stdout_bytes == 30_000_000
    assert len(result.stdout_bytes) == 1 << 20
    assert result.stdout_bytes[999_999:1_000_001] == b"\x09\x0a"
    assert result.stdout_truncated
    result = box.run(code)
    assert len(result.stdout_bytes) == 30_000_000
    assert not result.stdout_truncated


def test_small_pieces_take_no_more_than_their_bytes() -> None:
    tracemalloc.start()
    try:
        sink = CapturedOutput("stdout", 1 << 24, None)
        for number in range(1 << 20):
            sink.write(number.to_bytes(3, "little"))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sink.size == 3 << 20
    assert held < 5 << 20
