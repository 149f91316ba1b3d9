"""A folder for guests, served by host functions: see ``README.md``."""

from coilbox.extensions.files.folder import Folder
from coilbox.extensions.files.host import extension

__all__ = ["Folder", "extension"]
