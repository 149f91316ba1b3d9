"""Guest modules as code: compiled in a trusted sandbox of the same image, kept in the cache.

The guest's Python differs from the host's, so only the guest can compile for itself. Marshalled
code goes from host to guest only.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

from coilbox.bindings.ir import Spec
from coilbox.errors import CacheError, ExtensionError
from coilbox.images import Image
from coilbox.support.cache import Cache, key_of

_KIND = "guest-modules"
_FILE = "module.marshal"
_COMPILE = """
import marshal

def compile_module(source, filename):
    return marshal.dumps(compile(source, filename, "exec", dont_inherit=True))
"""

_codes: dict[tuple[str, str, str], bytes] = {}
_lock = threading.Lock()


def generated_code(spec: Spec, image: Image, engine: str) -> bytes:
    """The marshalled code of the module that is generated from a spec.

    Args:
        spec: the spec.
        image: whose Python is to run it.
        engine: what runs the image.
    """
    # Generating costs some milliseconds, so the key is made of what goes in.
    key = (image.digest, spec.name, _generator() + spec.identity)
    code = _codes.get(key)
    if code is None:
        code = _codes[key] = _obtain(key, lambda: _generate(spec), image, engine)
    return code


def shipped_code(name: str, source: str, image: Image, engine: str) -> bytes:
    """The marshalled code of a module that an extension ships.

    Raises:
        ExtensionError: the source is no Python.
    """
    key = (image.digest, name, source)
    code = _codes.get(key)
    if code is None:
        code = _codes[key] = _obtain(key, lambda: source, image, engine)
    return code


def _generate(spec: Spec) -> str:
    from coilbox.bindings.generate.guest import guest_module

    return guest_module(spec)


@functools.cache
def _generator() -> str:
    """A digest of the generator's own source: a changed one makes other modules."""
    folder = Path(__file__).parent.parent / "bindings"
    digest = hashlib.sha256()
    for path in (*sorted((folder / "generate").glob("*.py")), folder / "names.py"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _obtain(
    key: tuple[str, str, str], source: Callable[[], str], image: Image, engine: str
) -> bytes:
    digest, name, identity = key

    def fill(folder: Path) -> None:
        (folder / _FILE).write_bytes(_compiled(name, source(), image, engine))

    with _lock:
        try:
            entry = Cache().ensure(_KIND, key_of(digest, name, identity), fill)
            return (entry / _FILE).read_bytes()
        except (CacheError, FileNotFoundError):
            # A full or read-only disk, or another process that empties the cache: costs time only.
            return _compiled(name, source(), image, engine)


def _compiled(name: str, source: str, image: Image, engine: str) -> bytes:
    from coilbox.sandbox import Sandbox

    with Sandbox(image, engine=engine) as sandbox:
        sandbox.run(_COMPILE).check()
        result = sandbox.call("__main__:compile_module", source, f"<{name}>")
    if result.error is not None:
        raise ExtensionError(f"the guest module {name!r} cannot be compiled: {result.error}")
    code: bytes = result.value
    return code
