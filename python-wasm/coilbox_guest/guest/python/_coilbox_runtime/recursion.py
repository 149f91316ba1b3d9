"""Python's recursion limit: the guest sets it as it likes, up to what the host allows.

That the host survives any recursion does not depend on this: native stack is checked by the
engines, and memory has its own limit.
"""

import sys

_set = sys.setrecursionlimit
_highest = 2**31 - 1


def setrecursionlimit(limit, /):
    """Set the maximum depth of the Python interpreter stack to limit.

    The host may have set a maximum for it: then that is the depth.
    """
    _set(limit)
    if sys.getrecursionlimit() > _highest:
        _set(_highest)


def install():
    """Put our function in the place of CPython's."""
    sys.setrecursionlimit = setrecursionlimit


def start(highest):
    """Handle the host's maximum, which the start request brings."""
    global _highest
    _highest = highest
    if sys.getrecursionlimit() > highest:
        _set(highest)
