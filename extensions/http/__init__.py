"""HTTP for guests, to allowed servers only: see ``README.md``."""

from coilbox.extensions.http.host import extension

__all__ = ["extension"]
