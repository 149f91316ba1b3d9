"""Guest modules as code: compiled in a trusted sandbox of the same image, kept in the cache.

The guest's Python differs from the host's, so only the guest can compile for itself. Marshalled
code goes from host to guest only.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from coilbox.errors import CacheError
from coilbox.support.cache import Cache, key_of
from coilbox.support.locks import ForkSafeLock
from coilbox.support.sources import source_digest, source_files

if TYPE_CHECKING:
    from coilbox.bindings.spec import Spec

COMPILER = """
import marshal

def compile_module(source, filename):
    return marshal.dumps(compile(source, filename, "exec", dont_inherit=True))
"""
"""The code that the trusted sandbox runs first; then ``__main__:compile_module`` compiles."""

CompileModule = Callable[[str, str], bytes]
"""Compiles a guest module, given its name and source; gives its marshalled code."""

_KIND = "guest-modules"
_FILE = "module.marshal"

_codes: dict[tuple[str, str, str], bytes] = {}
_lock = ForkSafeLock()


def generated_code(spec: Spec, image: str, compile_module: CompileModule) -> bytes:
    """The marshalled code of the module that is generated from a spec.

    Args:
        spec: the spec.
        image: digest of the image whose Python is to run it.
        compile_module: compiles for that Python.
    """
    # Generating costs some milliseconds, so the key is made of what goes in.
    return _code((image, spec.name, spec.identity), lambda: _generate(spec), compile_module)


def shipped_code(name: str, source: str, image: str, compile_module: CompileModule) -> bytes:
    """The marshalled code of a module that an extension ships.

    Args:
        name: the module's.
        source: its text.
        image: digest of the image whose Python is to run it.
        compile_module: compiles for that Python.

    Raises:
        ExtensionError: the source is no Python.
    """
    return _code((image, name, source), lambda: source, compile_module)


def _generate(spec: Spec) -> str:
    from coilbox.bindings.generate.guest import guest_module

    return guest_module(spec)


@functools.cache
def _makers() -> str:
    """A digest of all that makes modules: the generator with what it imports, and this module."""
    here = Path(__file__)
    bindings = source_files(here.parent.parent / "bindings", "bindings")
    return source_digest([*bindings, ("modules", here)])


def _code(
    key: tuple[str, str, str], source: Callable[[], str], compile_module: CompileModule
) -> bytes:
    code = _codes.get(key)
    if code is None:
        code = _codes[key] = _obtain(key, source, compile_module)
    return code


def _obtain(
    key: tuple[str, str, str], source: Callable[[], str], compile_module: CompileModule
) -> bytes:
    _, name, _ = key

    def fill(folder: Path) -> None:
        (folder / _FILE).write_bytes(compile_module(name, source()))

    with _lock:
        try:
            entry = Cache().ensure(_KIND, key_of(_makers(), *key), fill)
            return (entry / _FILE).read_bytes()
        except (CacheError, FileNotFoundError):
            # A full or read-only disk, or another process that empties the cache: costs time only.
            return compile_module(name, source())
