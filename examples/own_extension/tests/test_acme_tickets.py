"""Tests of acme_tickets: the host's side by itself, then in a sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

import acme_extension
from acme_extension.acme_tickets_host import NoSuchTicket, State
from acme_extension.host import extension
from coilbox import GuestException, Sandbox
from coilbox.bindings import load_spec
from coilbox.bindings.generate.files import files, outdated
from coilbox.bindings.testing import DirectCalls

FOLDER = Path(acme_extension.__file__).parent
CODE = """
import acme_tickets as tickets

new = tickets.add("printer on fire")
tickets.close(1)
try:
    tickets.close(99)
except LookupError as error:
    reason = str(error)
[ticket.title for ticket in tickets.all(state=tickets.State.OPEN)], new.number, reason
"""


def test_by_itself() -> None:
    calls = DirectCalls(extension(titles=["no coffee"]))
    assert calls.close(1).state is State.CLOSED
    with pytest.raises(NoSuchTicket, match="there is no ticket 2"):
        calls.close(2)


def test_in_a_sandbox() -> None:
    desk = extension(titles=["no coffee", "no tea"])
    with Sandbox(extensions=[desk], grants=["tickets.read", "tickets.write"]) as sandbox:
        value = sandbox.run(CODE).check().value
    assert value == (["no tea", "printer on fire"], 3, "there is no ticket 99")


def test_a_guest_that_may_only_read() -> None:
    with Sandbox(extensions=[extension()], grants=["tickets.read"]) as sandbox:
        error = sandbox.run("import acme_tickets; acme_tickets.add('mine')").error
    assert isinstance(error, GuestException)
    assert error.type == "PermissionError"


def test_the_generated_files_are_up_to_date() -> None:
    spec = load_spec(FOLDER / "acme_tickets.yaml")
    assert outdated(FOLDER, files(spec)) == [], "run: coilbox bind generate"
