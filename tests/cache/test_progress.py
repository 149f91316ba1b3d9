"""What the user sees of long work."""

from __future__ import annotations

import io
import time

import pytest

from coilbox.support.progress import PlainProgress, Silent, progress_for


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_short_tasks_print_nothing() -> None:
    out = io.StringIO()
    with PlainProgress(out).task("Linking", 3) as task:
        task.advance()
    assert out.getvalue() == ""


def test_long_tasks_print_start_and_end() -> None:
    out = io.StringIO()
    with PlainProgress(out, delay=0.01).task("Linking"):
        time.sleep(0.1)
        assert out.getvalue() == "Linking ...\n"
    assert out.getvalue().startswith("Linking ...\nLinking: done in 0.")


def test_failed_tasks_say_so() -> None:
    out = io.StringIO()
    with pytest.raises(KeyError), PlainProgress(out, delay=0.01).task("Linking"):
        time.sleep(0.1)
        raise KeyError
    assert "Linking: failed in " in out.getvalue()


def test_choice_by_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")  # on a dumb one no bars are drawn
    assert isinstance(progress_for(io.StringIO()), PlainProgress)
    assert isinstance(progress_for(Terminal(), quiet=True), Silent)
    out = Terminal()
    progress = progress_for(out)
    for _ in range(2):
        with progress.task("Linking [x]", 2) as task:
            task.advance()
            with progress.task("More"):
                progress.note("a note [red]")
    assert "a note [red]" in out.getvalue()
    assert "Linking" in out.getvalue()


def test_silent() -> None:
    with Silent().task("x", 1) as task:
        task.advance(1)
        Silent().note("y")
