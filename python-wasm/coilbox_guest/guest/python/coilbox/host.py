"""The functions that the host offers: `from coilbox import host; host.add(1, 2)`."""

import _coilbox

__all__ = []


def __getattr__(name):
    offered = ", ".join(__all__) or "none"
    raise AttributeError(f"the host offers no function {name!r} (it offers: {offered})")


def _set_functions(functions):
    for number, (name, doc) in enumerate(functions):
        globals()[name] = _coilbox.host_function(number, name, __name__, doc)
    __all__[:] = [name for name, _ in functions]
