"""Compiled forms of Python files, made by the guest's own Python.

A guest compiles and runs nothing of what it compiles, and each package gets a guest of its own. So
what no sandbox has touched is what sandboxes execute.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from coilbox.images import Image
from coilbox.limits import Limits
from coilbox.session.compiler import open_compiler
from coilbox.session.requests import call_request
from coilbox.support.progress import Progress
from coilbox_guest.stdlib import pyc_name

_BATCH_BYTES: Final = 400_000
# For a batch; what takes more is left to whoever imports it.
_LIMITS: Final = Limits(wall_seconds=60, value_bytes=1 << 28)

# Unchecked hashes: the files never change, so no import need look at the source.
_COMPILER: Final = """
import importlib.util
from importlib import _bootstrap_external as _external

def compile_batch(batch):
    result = []
    for name, source in batch:
        try:
            code = compile(source, name, "exec", dont_inherit=True, optimize=0)
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
            result.append(None)
            continue
        digest = importlib.util.source_hash(source)
        result.append(bytes(_external._code_to_hash_pyc(code, digest, False)))
    return result
"""


def compile_files(
    files: Mapping[str, bytes], root: str, image: Image, what: str, progress: Progress
) -> dict[str, bytes]:
    """The ``.pyc`` files of the Python files among some, by their paths.

    What cannot be compiled is left out; importing it says why.

    Args:
        files: contents by path.
        root: the folder in the guest where they will lie.
        image: whose Python is to run them.
        what: names them.
        progress: shows how far it is.
    """
    names = sorted(name for name in files if name.endswith(".py"))
    batches = list(_batches(names, files))
    done: dict[str, bytes] = {}
    with progress.task(f"Compiling {what}", len(batches)) as task:
        session = None
        try:
            for batch in batches:
                session = session or open_compiler(image, _COMPILER, _LIMITS)
                sources = [[f"{root}/{name}", files[name]] for name in batch]
                request = call_request("__main__:compile_batch", [sources], {})
                result = session.perform(request)
                if result.error is None and isinstance(result.value, list):
                    for name, data in zip(batch, result.value, strict=True):
                        if data is not None:
                            done[pyc_name(name)] = bytes(data)
                if session.stopped is not None:
                    session.close()
                    session = None
                task.advance()
        finally:
            if session is not None:
                session.close()
    return done


def _batches(names: list[str], files: Mapping[str, bytes]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for name in names:
        batch.append(name)
        size += len(files[name])
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
