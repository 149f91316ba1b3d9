"""``coilbox repl``: Python's interactive mode, in a sandbox."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import click

from coilbox.cli import exits
from coilbox.cli.options import open_sandbox, sandbox_options
from coilbox.cli.streams import STDERR, STDOUT, own_stdin, writer
from coilbox.errors import GuestError, GuestException
from coilbox.sandbox import Sandbox

_HISTORY_LINES = 2000
# Makes a module of the guest's half, and leaves no name of it in __main__.
_SETUP = """
def _install(source):
    import sys, types
    module = sys.modules["_coilbox_repl"] = types.ModuleType("_coilbox_repl")
    exec(compile(source, "<repl>", "exec"), module.__dict__)
_install({source!r})
del _install
"""


@click.command("repl")
@sandbox_options
def command(**options: Any) -> int:
    """Python's interactive mode in a sandbox.

    Variables stay from input to input, the last value is _, and an empty line ends a block.
    Ctrl-C drops the input, or stops what runs; Ctrl-D or exit() leaves. The time limit holds for
    each input. After a limit or a crash the sandbox starts anew, without the variables.
    """
    with open_sandbox(**options) as sandbox:
        return _Repl(sandbox, interactive=_is_terminal()).loop()


def _is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


class _Repl:
    """Reads inputs and sends them to the guest until one of both ends."""

    def __init__(self, sandbox: Sandbox, *, interactive: bool) -> None:
        self._sandbox = sandbox
        self._interactive = interactive
        self._exit_code: int | None = None

    def loop(self) -> int:
        """Until the end of input, or until the guest exits; the exit code."""
        self._prepare()
        if self._interactive:
            click.echo(f"{self._version()} in coilbox; exit() or Ctrl-D leaves", err=True)
        with _history(self._interactive):
            while self._exit_code is None:
                try:
                    self._input()
                except KeyboardInterrupt:
                    click.echo("\nKeyboardInterrupt", err=True)
                except EOFError:
                    if self._interactive:
                        click.echo("", err=True)
                    return 0
        return self._exit_code

    def _input(self) -> None:
        """Read one complete input and run it."""
        source, prompt = "", ">>> "
        while True:
            try:
                line = self._line(prompt)
            except EOFError:
                if not source:
                    raise
                line = ""  # the end of a pipe ends a block, too
            if not source and not line.strip():
                return
            source = f"{source}\n{line}" if source else line
            if not self._run(source):
                return
            prompt = "... "

    def _line(self, prompt: str) -> str:
        if self._interactive:
            return input(prompt)
        line = sys.stdin.readline() if sys.stdin is not None else ""
        if not line:
            raise EOFError
        return line.rstrip("\n")

    def _run(self, source: str) -> bool:
        """Run an input; whether it needs more lines."""
        step = f"__import__('_coilbox_repl').step({source!r})"
        try:
            with self._stdin() as stdin:
                result = self._sandbox.run(
                    step, stdin=stdin, on_stdout=writer(STDOUT), on_stderr=writer(STDERR)
                )
        except KeyboardInterrupt:
            self._start_anew("stopped by Ctrl-C")
            return False
        if result.error is not None:
            self._failed(result.error)
        elif result.value is None:  # step() returns a bool: the guest left by SystemExit
            self._exit_code = result.exit_code
        return result.value is True

    def _stdin(self) -> BinaryIO:
        """The guest may read from the terminal; from a pipe it would eat the next inputs."""
        return own_stdin() if self._interactive else BytesIO()

    def _failed(self, error: GuestError) -> None:
        # step() catches what the input raises: an exception is one of coilbox's part of the
        # guest, which the input may have broken.
        if isinstance(error, GuestException):
            click.echo(error.traceback, err=True)
        self._start_anew(str(error))

    def _start_anew(self, why: str) -> None:
        exits.complain(f"{why}; the sandbox starts anew, its variables are gone")
        self._sandbox.reset()
        self._prepare()

    def _prepare(self) -> None:
        source = Path(__file__).with_name("repl_guest.py").read_text(encoding="utf-8")
        self._sandbox.run(_SETUP.format(source=source)).check()

    def _version(self) -> str:
        result = self._sandbox.run("__import__('sys').version.split(' (')[0]").check()
        return f"Python {result.value}"


@contextlib.contextmanager
def _history(interactive: bool) -> Iterator[None]:
    """Line editing with a history that is kept between sessions."""
    if not interactive:
        yield
        return
    try:
        import readline
    except ImportError:  # a Python built without it: lines without editing
        yield
        return
    from platformdirs import user_state_path

    path = user_state_path("coilbox", appauthor=False) / "repl_history"
    with contextlib.suppress(OSError):
        readline.read_history_file(path)
    readline.set_history_length(_HISTORY_LINES)
    try:
        yield
    finally:
        # A history that cannot be kept is no reason to fail at the end of a session.
        with contextlib.suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
            readline.write_history_file(path)
