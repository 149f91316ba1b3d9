"""The parts that the guest is made of: pinned by ``parts.lock``, fetched, verified, unpacked."""

from coilbox_guest.parts.lock import Component, Lock, Part, Tool, load_lock
from coilbox_guest.parts.obtain import obtain

__all__ = ["Component", "Lock", "Part", "Tool", "load_lock", "obtain"]
