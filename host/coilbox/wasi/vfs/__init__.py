"""The guest's files: one virtual tree over host directories, memory and a zip archive."""

from coilbox.wasi.vfs.tree import VirtualTree
from coilbox.wasi.vfs.zip import ZipArchive

__all__ = ["VirtualTree", "ZipArchive"]
