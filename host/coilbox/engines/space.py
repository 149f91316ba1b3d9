"""How much address space there is: engines reserve all that a guest could ever use."""

from __future__ import annotations

import resource

# What one sandbox reserves, roughly, if nothing is scarce.
RESERVED_BYTES = 6 << 30
_ROOM = 3 * RESERVED_BYTES
_STEP = 64 << 20
_LEAST = 64 << 20


def address_space() -> int | None:
    """The process's limit in bytes (``ulimit -v``); None if there is none that matters."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY or soft >= _ROOM else soft


def reservation(space: int) -> int:
    """Bytes that an instance should reserve for its memory if there are ``space`` bytes in all.

    A quarter: for one instance, one that stays pristine, and the process itself.
    """
    return max(_LEAST, space // 4 // _STEP * _STEP)
