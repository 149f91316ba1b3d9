"""Values by key for guests: see ``README.md``."""

from coilbox.extensions.kv.host import extension
from coilbox.extensions.kv.store import Store

__all__ = ["Store", "extension"]
