"""Modules of extensions: the host says their names, and sends their code when they are imported."""

import marshal
import sys
from importlib.machinery import ModuleSpec

import _coilbox

_MODULE = 0  # control message

_offered = frozenset()
_plans = {}


class Loader:
    """Loads modules of extensions; it is their finder, too."""

    def find_spec(self, name, path=None, target=None):
        """Return the spec of a module that the host offers, else None."""
        if name not in _offered:
            return None
        inside = any(other.startswith(f"{name}.") for other in _offered)
        return ModuleSpec(name, self, origin="extension of the host", is_package=inside)

    def create_module(self, spec):
        """Leave the making of the module to the import system."""

    def exec_module(self, module):
        """Fetch the code and run it."""
        name = module.__spec__.name
        code, _plans[name] = _coilbox.control(_MODULE, [name])
        exec(marshal.loads(code), module.__dict__)


def find_plan(name):
    """Return the plan of the module that is being loaded."""
    plan = _plans.pop(name, None)
    if plan is None and name in _offered:
        plan = _coilbox.control(_MODULE, [name])[1]
    if plan is None:
        raise ImportError(
            f"this sandbox was not given the extension {name!r}; ask its owner for it", name=name
        )
    return plan


def offer(names):
    """Let the modules of these names be imported."""
    global _offered
    _offered = frozenset(names)
    sys.meta_path.insert(0, Loader())
