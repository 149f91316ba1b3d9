"""The passes' error."""

from __future__ import annotations

from coilbox.errors import BuildError


class PassError(BuildError):
    """The module is not what a pass was written for: another CPython or compiler made it."""
