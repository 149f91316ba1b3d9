"""Reading queries for guests: see ``README.md``."""

from coilbox.extensions.sql.databases import Database
from coilbox.extensions.sql.host import extension

__all__ = ["Database", "extension"]
