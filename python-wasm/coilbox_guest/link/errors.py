"""The linker's error."""

from __future__ import annotations

from coilbox.errors import BuildError


class LinkError(BuildError):
    """The guest's parts do not fit together: the message names the symbol and the library."""
