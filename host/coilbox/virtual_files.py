"""The file system that mounts, scratch directories and the extension ``files`` are made of.

A :class:`VirtualTree` joins folders of the host and memory. Paths are walked a component at a time,
by descriptors, and links are read and resolved by itself, so that neither ``..`` nor a link nor a
rename in between leads out of the tree. Extensions that serve files to guests build on it::

    tree = VirtualTree(mounts=[Mount("/srv/data", "/", "ro")])
    with tree.walk(tree.root, b"reports/may.txt", follow=True) as walk:
        size = walk.place.stat(walk.name).size

What is refused raises :class:`WasiError`, whose ``code`` is one of :mod:`constants`, or an
``OSError`` of the host.
"""

from coilbox.wasi import constants
from coilbox.wasi.listing import Listing
from coilbox.wasi.vfs.node import MAX_DEPTH, Directory, Entry, File, OpenFlags, Stat, WasiError
from coilbox.wasi.vfs.tree import Place, VirtualTree, Walk

__all__ = [
    "MAX_DEPTH",
    "Directory",
    "Entry",
    "File",
    "Listing",
    "OpenFlags",
    "Place",
    "Stat",
    "VirtualTree",
    "Walk",
    "WasiError",
    "constants",
]
