"""The guest's log records in Python's ``logging``: see ``README.md``."""

from coilbox.extensions.log.host import extension

__all__ = ["extension"]
