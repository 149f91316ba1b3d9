"""Deterministic time for guests: see ``README.md``."""

from coilbox.extensions.clock.host import extension
from coilbox.extensions.clock.virtual import VirtualClock

__all__ = ["VirtualClock", "extension"]
