"""The one error of the emitter."""

from __future__ import annotations


class EmitError(ValueError):
    """A module uses what the native engine does not compile; the message names it."""
