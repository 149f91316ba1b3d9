"""The functions that the host offers: `from coilbox import host; host.add(1, 2)`."""

import _coilbox

__all__ = []


def __getattr__(name):
    offered = ", ".join(__all__) or "none"
    raise AttributeError(f"the host offers no function {name!r} (it offers: {offered})")


def _set_functions(names):
    for number, name in enumerate(names):
        globals()[name] = _coilbox.host_function(number, name, __name__)
    __all__[:] = names
