"""The functions of the extension log, called directly."""

from __future__ import annotations

import io
import logging
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coilbox import ExtensionError
from coilbox.bindings.testing import DirectCalls
from coilbox.extensions.log import extension
from coilbox.extensions.log.coilbox_log_host import (
    ValueFlag,
    ValueNothing,
    ValueReal,
    ValueText,
    ValueWhole,
)
from coilbox.extensions.log.text import lines, logger_name, one_line


class Log:
    """The extension on a logger of its own, and the text that a handler of Python's prints."""

    def __init__(self, **settings: Any) -> None:
        calls = DirectCalls(extension(logger="test.guest", **settings))
        self.write, self.threshold = calls.write, calls.threshold
        self.printed = io.StringIO()
        self.records: list[logging.LogRecord] = []
        handler = logging.StreamHandler(self.printed)
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
        handler.addFilter(lambda record: self.records.append(record) or True)  # type: ignore[func-returns-value]
        self.logger = logging.getLogger("test.guest")
        self.logger.handlers = [handler]
        self.logger.propagate = False
        self.logger.setLevel(logging.DEBUG)

    @property
    def text(self) -> str:
        return self.printed.getvalue()


@pytest.fixture
def log() -> Iterator[Log]:
    yield Log()
    logging.getLogger("test.guest").handlers = []


def test_a_record(log: Log) -> None:
    extra = {
        "disk": ValueText("sda"),
        "full": ValueReal(0.93),
        "blocks": ValueWhole(7),
        "ok": ValueFlag(False),
        "owner": ValueNothing(),
    }
    log.write(logging.WARNING, "app.disk", "nearly full: 100 %s %(x)", extra=extra)
    assert log.text == "WARNING test.guest.app.disk nearly full: 100 %s %(x)\n"
    (record,) = log.records
    assert record.sandbox_id == "test"  # type: ignore[attr-defined]
    assert record.guest_name == "app.disk"  # type: ignore[attr-defined]
    assert record.guest_extra == {  # type: ignore[attr-defined]
        "disk": "sda",
        "full": 0.93,
        "blocks": 7,
        "ok": False,
        "owner": None,
    }
    assert (record.pathname, record.lineno) == ("<guest>", 0)


def test_lines_cannot_be_forged(log: Log) -> None:
    log.write(20, "a", "ok\nCRITICAL root hacked\r\x1b[2J\u2028\x85\u202egpj.exe\0\udc80")
    log.write(40, "a", "bad", exception="Traceback\nCRITICAL root hacked\r\x1b[31mred\x0bx")
    assert log.text == (
        "INFO test.guest.a ok\\nCRITICAL root hacked\\r\\x1b[2J\\u2028\\x85\\u202egpj.exe"
        "\\x00\\udc80\n"
        "ERROR test.guest.a bad\n"
        "  | Traceback\n  | CRITICAL root hacked\n  | \\x1b[31mred\n  | x\n"
    )


def test_lengths_are_bounded() -> None:
    log = Log(max_message=10, max_extra=2)
    extra = {str(number): ValueText("x" * 100) for number in range(9)}
    log.write(20, "n" * 1000, "m" * 1000, extra=extra, exception="e\n" * 1000)
    (record,) = log.records
    assert record.getMessage() == "mmmmmmmmmm... (990 characters more)"
    assert record.guest_extra == {  # type: ignore[attr-defined]
        "0": "xxxxxxxxxx... (90 characters more)",
        "1": "xxxxxxxxxx... (90 characters more)",
    }
    assert len(record.guest_name) < 300  # type: ignore[attr-defined]
    assert record.exc_text is not None
    assert record.exc_text.endswith("  | ... (1990 characters more)")
    assert record.exc_text.count("\n") == 5


def test_the_whole_log_is_bounded() -> None:
    log = Log(max_bytes=10_000)
    for number in range(1000):
        log.write(10, "n", f"{number}" + "x" * 500, extra={"k": ValueText("y" * 500)})
    assert len(log.records) == 10
    assert log.records[-1].levelno == logging.WARNING
    assert log.records[-1].getMessage() == (
        "the sandbox has logged 10000 bytes, its further records are dropped"
    )
    assert sum(len(record.getMessage()) for record in log.records) < 10_000


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", "test.guest"),
        ("root", "test.guest.root"),
        ("..", "test.guest"),
        ("../../root", "test.guest._._root"),
        ("a b\nc", "test.guest.a_b_c"),
        ("x" * 500, "test.guest." + "x" * 32),
        (".".join("abcdefghij"), "test.guest.a.b.c.d.e.f"),
    ],
)
def test_loggers_stay_below_the_prefix(log: Log, name: str, expected: str) -> None:
    log.write(20, name, "m")
    (record,) = log.records
    assert record.name == expected


def test_the_number_of_loggers_is_bounded() -> None:
    log = Log(max_loggers=5)
    before = len(logging.Logger.manager.loggerDict)
    for number in range(100):
        log.write(20, f"bounded{number}", "m")
    assert len(logging.Logger.manager.loggerDict) - before <= 5
    assert log.records[0].name == "test.guest.bounded0"
    assert log.records[-1].name == "test.guest"
    assert log.records[-1].guest_name == "bounded99"  # type: ignore[attr-defined]


def test_levels() -> None:
    log = Log(level="warning")
    for level in (0, 10, 25, 30, 35, 50, 255):
        log.write(level, "a", "m")
    assert [record.levelno for record in log.records] == [30, 35, 50, 50]
    assert log.threshold() == 30
    log.logger.setLevel(logging.ERROR)
    assert log.threshold() == 40
    log.write(30, "a", "m")
    assert len(log.records) == 4


@given(st.text(), st.integers(0, 50))
def test_one_line_is_one_line(text: str, most: int) -> None:
    shown = one_line(text, most)
    assert len(shown.splitlines()) <= 1
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in shown)
    assert all(len(line.splitlines()) <= 1 for line in lines(text, most))
    shown.encode()


@given(st.text())
def test_logger_names_are_plain(name: str) -> None:
    assert all(c.isascii() and (c.isalnum() or c in "._-") for c in logger_name(name))


def test_settings_are_checked() -> None:
    with pytest.raises(ExtensionError, match="'loud' is no level; there are CRITICAL"):
        extension(level="loud")  # type: ignore[arg-type]
    for name in ("", ".", "a..b", "a b"):
        with pytest.raises(ExtensionError, match="logger: String should match pattern"):
            extension(logger=name)
