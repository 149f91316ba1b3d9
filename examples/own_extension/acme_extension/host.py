"""The host's side of acme_tickets.yaml."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator

from acme_extension.acme_tickets_host import AcmeTicketsExtension, NoSuchTicket, State, Ticket
from coilbox.bindings.host import Context
from coilbox.bindings.settings import settings


class Desk:
    """The tickets of one help desk, shared by all sandboxes that are given it.

    Args:
        titles: the tickets that are open at the start.
    """

    def __init__(self, titles: list[str]) -> None:
        self._lock = threading.Lock()
        self._tickets = {
            number: Ticket(number=number, title=title) for number, title in enumerate(titles, 1)
        }

    def all(self, context: Context, /, *, state: State | None) -> Iterator[Ticket]:
        """Give every ticket, the oldest first."""
        with self._lock:
            tickets = list(self._tickets.values())
        return (ticket for ticket in tickets if state in (None, ticket.state))

    def add(self, context: Context, /, title: str) -> Ticket:
        """Open a ticket."""
        with self._lock:
            ticket = Ticket(number=len(self._tickets) + 1, title=title)
            self._tickets[ticket.number] = ticket
        return ticket

    def close(self, context: Context, /, number: int) -> Ticket:
        """Close a ticket.

        Raises:
            NoSuchTicket: no ticket has this number.
        """
        with self._lock:
            if number not in self._tickets:
                raise NoSuchTicket(number=number)
            ticket = dataclasses.replace(self._tickets[number], state=State.CLOSED)
            self._tickets[number] = ticket
        return ticket


@settings("acme_tickets")
def extension(*, titles: list[str] | None = None) -> AcmeTicketsExtension:
    """The extension, as coilbox finds it by name.

    Args:
        titles: the tickets that are open at the start.
    """
    return AcmeTicketsExtension(Desk(titles or []))
