"""Modules that the host gives: of extensions, sent when they are imported, and as source code."""

import marshal
import sys
from importlib.machinery import ModuleSpec

import _coilbox

from _coilbox_runtime import sources

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


class SourceLoader:
    """Loads modules whose text came with the start request; it is their finder, too."""

    def __init__(self, texts):
        self._texts = texts

    def find_spec(self, name, path=None, target=None):
        """Return the spec of a module, or of a package that holds one, else None."""
        inside = any(other.startswith(f"{name}.") for other in self._texts)
        if not inside and name not in self._texts:
            return None
        spec = ModuleSpec(name, self, origin=_origin(name), is_package=inside)
        spec.has_location = True  # `__file__`, which inspect asks for
        return spec

    def create_module(self, spec):
        """Leave the making of the module to the import system."""

    def exec_module(self, module):
        """Compile the text and run it."""
        name = module.__spec__.name
        text = self._texts.get(name, "")
        sources.keep(text, _origin(name))
        exec(compile(text, _origin(name), "exec", dont_inherit=True), module.__dict__)

    def get_source(self, name):
        """Return the text of a module."""
        return self._texts.get(name, "")


def _origin(name):
    return f"<module {name}>"


def give(texts):
    """Let modules be imported that are given as text."""
    sys.meta_path.insert(0, SourceLoader(texts))
