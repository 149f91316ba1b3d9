"""``coilbox repl``: through a pipe, and on a terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coilbox import Image

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def piped(process: Start) -> Callable[..., tuple[int, list[str], str]]:
    """Run inputs through a pipe: the exit code, the lines of stdout, and stderr."""

    def run(text: str, *args: str) -> tuple[int, list[str], str]:
        done = process("repl", *args)
        out, err = done.communicate(text.encode(), timeout=300)
        return done.returncode, out.decode().splitlines(), err.decode()

    return run


Piped = Callable[..., tuple[int, list[str], str]]


def test_values_are_printed_and_kept(piped: Piped) -> None:
    text = "x = 20\nx * 2\n_ + 2\nNone\n'text'\n_\nimport math; math.floor(2.5)\n"
    assert piped(text) == (0, ["40", "42", "'text'", "'text'", "2"], "")


def test_blocks_end_with_an_empty_line(piped: Piped) -> None:
    text = (
        "def f(a):\n    return a + 1\n\nf(1)\nfor i in range(2):\n  i\n\n(3 +\n4)\n'''a\n\nb'''\n"
    )
    assert piped(text) == (0, ["2", "0", "1", "7", "'a\\n\\nb'"], "")


def test_the_end_of_input_ends_a_block(piped: Piped) -> None:
    assert piped("if True:\n  print('last')") == (0, ["last"], "")


def test_syntax_is_that_of_the_guest(piped: Piped) -> None:
    """Not that of the host: template strings are new in 3.14."""
    assert piped("type(t'{1}').__name__\n") == (0, ["'Template'"], "")


def test_errors_are_shown_without_frames_of_ours(piped: Piped) -> None:
    code, out, err = piped("def f():\n  return 1 / 0\n\nf()\nx = = 1\nprint('still here')\n")
    assert (code, out) == (0, ["still here"])
    assert "_coilbox_repl" not in err
    assert err.splitlines() == [
        "Traceback (most recent call last):",
        '  File "<input 1>", line 1, in <module>',
        "    f()",
        "    ~^^",
        '  File "<input 0>", line 2, in f',
        "    return 1 / 0",
        "           ~~^~~",
        "ZeroDivisionError: division by zero",
        '  File "<input 2>", line 1',
        "    x = = 1",
        "        ^",
        "SyntaxError: invalid syntax",
    ]


@pytest.mark.parametrize(
    ("leave", "code"),
    [("exit(3)", 3), ("raise SystemExit", 0), ("import sys; sys.exit('bye')", 1)],
)
def test_the_guest_may_leave(piped: Piped, leave: str, code: int) -> None:
    found = piped(f"{leave}\nprint('not reached')\n")
    assert found[:2] == (code, [])


def test_after_a_limit_it_goes_on_anew(piped: Piped) -> None:
    text = "x = 1\nwhile True: pass\n\nx\n1 + 1\n"
    code, out, err = piped(text, "--timeout", "500ms")
    assert (code, out) == (0, ["2"])
    assert err.startswith(
        "coilbox: the guest ran longer than its limit of 0.5 seconds (--timeout); the sandbox "
        "starts anew, its variables are gone\n"
    )
    assert "NameError: name 'x' is not defined" in err


def test_after_a_crash_it_goes_on_anew(piped: Piped) -> None:
    code, out, err = piped("import os; os.abort()\n1 + 1\n")
    assert (code, out) == (0, ["2"])
    assert err.startswith("coilbox: the guest crashed inside its sandbox")


def test_a_guest_that_breaks_our_part(piped: Piped) -> None:
    code, out, err = piped("import sys; del sys.modules['_coilbox_repl']\n1\n2\n")
    assert (code, out) == (0, ["2"])
    assert "the sandbox starts anew" in err


def test_main_has_no_names_of_ours(piped: Piped) -> None:
    assert piped("[n for n in globals() if not n.startswith('__')]\n")[1] == ["[]"]


def test_it_reads_what_run_reads(piped: Piped, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("from the mount")
    code, out, _ = piped("open('/data/x').read()\n", "--mount", f"{tmp_path}:/data")
    assert (code, out) == (0, ["'from the mount'"])


class Terminal:
    """A REPL on a pseudo-terminal."""

    def __init__(self, home: Path) -> None:
        self.main, side = pty.openpty()
        environment = {**os.environ, "XDG_STATE_HOME": str(home), "TERM": "dumb", "INPUTRC": "/x"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "coilbox", "repl"],
            stdin=side,
            stdout=side,
            stderr=side,
            env=environment,
            start_new_session=True,
        )
        os.close(side)
        self.text = ""

    def expect(self, wanted: str) -> str:
        """Read until some text appears; what came up to it."""
        ends = time.monotonic() + 120
        while wanted not in self.text:
            ready, _, _ = select.select([self.main], [], [], max(ends - time.monotonic(), 0))
            assert ready, f"no {wanted!r} in {self.text!r}"
            self.text += os.read(self.main, 4096).decode()
        before, _, self.text = self.text.partition(wanted)
        return before

    def send(self, text: str) -> None:
        os.write(self.main, text.encode())

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.main)


@pytest.fixture
def terminal(image: Image, tmp_path: Path) -> Iterator[Callable[[], Terminal]]:
    made: list[Terminal] = []

    def start() -> Terminal:
        made.append(Terminal(tmp_path))
        return made[-1]

    yield start
    for item in made:
        item.close()


def test_on_a_terminal(terminal: Callable[[], Terminal], tmp_path: Path) -> None:
    first = terminal()
    first.expect("Python 3.14")
    first.expect(">>> ")
    first.send("def f():\n")
    first.expect("... ")
    first.send("    return input('name? ')\n")
    first.expect("... ")
    first.send("\n")
    first.expect(">>> ")
    first.send("f()\n")
    first.expect("name? ")
    first.send("me\n")
    first.expect("'me'")
    first.expect(">>> ")
    first.send("half an inp")
    first.expect("half an inp")
    time.sleep(0.2)  # readline must wait again: it misses a signal that comes before
    first.interrupt()
    first.expect("KeyboardInterrupt")
    first.expect(">>> ")
    first.send("_\n")
    first.expect("'me'")
    first.expect(">>> ")
    first.send("while True: pass\n\n")
    first.expect("... ")
    time.sleep(0.5)
    first.interrupt()
    first.expect("coilbox: stopped by Ctrl-C; the sandbox starts anew")
    first.expect(">>> ")
    first.send("\x04")
    assert first.process.wait(120) == 0

    history = tmp_path / "coilbox" / "repl_history"
    assert "f()" in history.read_text().splitlines()
    assert history.stat().st_mode & 0o777 == 0o600
    second = terminal()
    second.expect(">>> ")
    second.send("\x10")  # the line before: what the first session left
    second.expect("while True: pass")
