"""The extension log as guests use it, on every engine."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from coilbox.bridge import limiter
from coilbox.extensions.log import extension


@pytest.fixture
def box(sandbox: Any) -> Any:
    """A sandbox that may log."""
    return sandbox(extensions=[extension(level=logging.INFO)], grants=["log.write"])


def test_the_guests_logging_arrives(box: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "coilbox.guest")
    box.run("""
import logging, coilbox_logging

handler = coilbox_logging.install()
assert coilbox_logging.install() is handler
log = logging.getLogger("app.disk")
log.debug("not sent")
log.warning("%d %% full\\nCRITICAL forged", 93, extra={
    "disk": "sda", "blocks": 7, "huge": 1 << 70, "ok": False, "owner": None, "full": .93, "x": {1}})
try:
    1 / 0
except ZeroDivisionError:
    log.exception("failed")
""").check()
    first, second = caplog.records
    assert first.name == "coilbox.guest.app.disk"
    assert first.levelno == logging.WARNING
    assert first.getMessage() == "93 % full\\nCRITICAL forged"
    assert first.sandbox_id == box.id  # type: ignore[attr-defined]
    assert first.guest_extra == {  # type: ignore[attr-defined]
        "disk": "sda",
        "blocks": 7,
        "huge": str(1 << 70),
        "ok": False,
        "owner": None,
        "full": 0.93,
        "x": "{1}",
    }
    assert second.exc_text is not None
    assert second.exc_text.splitlines()[-1] == "  | ZeroDivisionError: division by zero"


def test_a_flood_is_bounded_and_told(
    sandbox: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "coilbox.guest")
    now = 1.0
    # However fast this machine is: the rate is measured on a clock that stands still.
    monkeypatch.setattr(limiter, "time", SimpleNamespace(monotonic=lambda: now))
    box = sandbox(extensions=[extension(level=logging.INFO)], grants=["log.write"])
    dropped = box.run("""
import logging, coilbox_logging

handler = coilbox_logging.install()
for number in range(3000):
    logging.info("flood %d", number)
handler.dropped
""").check()
    assert (dropped.value, len(caplog.records)) == (1000, 2000)
    now += 1.0
    box.run("logging.info('after')").check()
    assert [record.getMessage() for record in caplog.records[2000:]] == [
        "1000 records were dropped",
        "after",
    ]


def test_without_the_grant_logging_is_silent(
    sandbox: Any, caplog: pytest.LogCaptureFixture
) -> None:
    box = sandbox(extensions=[extension()])
    assert (
        box.run("""
import logging, coilbox_logging

handler = coilbox_logging.HostHandler()
logging.getLogger().addHandler(handler)
logging.error("nobody hears this")
handler.dropped
""")
        .check()
        .value
        == 1
    )
    assert not [record for record in caplog.records if record.name.startswith("coilbox.guest")]


def test_the_module_by_itself(box: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "coilbox.guest")
    assert (
        box.run("""
import coilbox_log as log

log.write(20, "direct", "text", extra={"a": log.ValueReal(1.5)})
log.write(10, "direct", "below the host's level")
log.threshold()
""")
        .check()
        .value
        == 20
    )
    (record,) = caplog.records
    assert record.guest_extra == {"a": 1.5}  # type: ignore[attr-defined]
