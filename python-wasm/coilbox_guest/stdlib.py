"""``stdlib.zip``: the standard library that every sandbox of an image shares.

Sources and their compiled form, stored without compression, so that the host serves files straight
from the archive. The ``.pyc`` files are compiled by the guest's own Python: their format belongs
to its exact version. They carry an unchecked hash, so that no import looks at the source.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from coilbox.errors import BuildError
from coilbox.support.progress import Progress
from coilbox_guest.stage import StageGuest, StageProgram

GUEST_PYTHON = Path(__file__).with_name("guest") / "python"
STDLIB_PATH = "/usr/lib/python3.14"
SITE_PACKAGES = "site-packages"
"""Where packages lie, below the standard library's folder."""
_FIXED_DATE = (2020, 1, 1, 0, 0, 0)  # of every entry; the year of stage.BUILD_TIME
_PREFIX = "python-stdlib/"

# What has no use in the guest, or is not CPython's.
LEFT_OUT = frozenset(
    {
        # other projects' modules in the archive
        "componentize_py_async_support",
        "componentize_py_runtime.py",
        "componentize_py_types.py",
        "dill",
        # for building C extensions on the machine that built CPython
        "_sysconfig_vars__wasi_wasm32-wasi.json",
        "build-details.json",
        "config-3.14-wasm32-wasi",
        # C parts that the guest lacks, so the modules cannot be imported
        "ctypes",
        "curses",
        "idlelib",
        "tkinter",
        "turtle.py",
        "turtledemo",
        # environments and their installer
        "ensurepip",
        "site-packages",
        "venv",
    }
)
_DATA_FILES = frozenset({"LICENSE.txt", "pydoc_data/_pydoc.css"})
_BATCH_BYTES = 400_000
_WORKERS = 2

# Runs in the guest. marshal's output depends on what the interpreter has seen before, so the
# batches and their order are the same in every build.
_COMPILER = """
import importlib.util
from importlib import _bootstrap_external as _external

def compile_batch(batch):
    result = []
    for name, source in batch:
        try:
            code = compile(source, name, "exec", dont_inherit=True, optimize=0)
        except SyntaxError:
            result.append(None)
            continue
        digest = importlib.util.source_hash(source)
        result.append(bytes(_external._code_to_hash_pyc(code, digest, False)))
    return result
"""


def collect(archive: Path, tzdata: Path) -> dict[str, bytes]:
    """The files of the guest's standard library, by path below ``/usr/lib/python3.14``.

    Args:
        archive: the tar archive of CPython's standard library.
        tzdata: the folder of the package ``tzdata``.

    Raises:
        BuildError: the archive has something unexpected.
    """
    files: dict[str, bytes] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            name = member.name.removeprefix(_PREFIX)
            if not member.isfile():
                if not member.isdir():
                    raise BuildError(f"{archive.name}: {member.name} is no regular file")
                continue
            top = name.split("/", 1)[0]
            if top in LEFT_OUT or not (name.endswith(".py") or name in _DATA_FILES):
                continue
            content = tar.extractfile(member)
            assert content is not None  # a regular file
            files[name] = content.read()
    for root, prefix in ((GUEST_PYTHON, ""), (tzdata, f"{SITE_PACKAGES}/tzdata/")):
        for path in sorted(root.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                name = prefix + path.relative_to(root).as_posix()
                if name in files:
                    raise BuildError(f"the guest's own {name} hides a module of CPython")
                files[name] = path.read_bytes()
    return files


def compile_all(
    files: Mapping[str, bytes],
    stage: StageProgram,
    stdlib: Path,
    progress: Progress,
    what: str = "the standard library",
) -> dict[str, bytes]:
    """Compile the Python files in the guest; the ``.pyc`` files by path.

    Args:
        files: contents by path below the standard library's folder.
        stage: the linked module.
        stdlib: a ``stdlib.zip`` for the guest to start from; it may be without ``.pyc`` files.
        progress: shows how far it is.
        what: names the files.
    """
    names = sorted(name for name in files if name.endswith(".py"))
    batches = list(_batches(names, files))
    with progress.task(f"Compiling {what}", len(batches)) as task:

        def work(mine: Sequence[list[str]]) -> dict[str, bytes]:
            done: dict[str, bytes] = {}
            with StageGuest(stage, stdlib, {"PYTHONHASHSEED": "0"}, 0) as guest:
                guest.boot()
                guest.request([1, _COMPILER, "<compiler>", [], None, 1])
                for batch in mine:
                    sources = [[f"{STDLIB_PATH}/{name}", files[name]] for name in batch]
                    compiled = guest.request([2, "__main__:compile_batch", [sources], {}])
                    for name, data in zip(batch, compiled, strict=True):
                        if data is not None:
                            done[pyc_name(name)] = data
                    task.advance()
            return done

        with ThreadPoolExecutor(_WORKERS) as pool:
            results = list(pool.map(work, [batches[n::_WORKERS] for n in range(_WORKERS)]))
    return {name: data for result in results for name, data in result.items()}


def _batches(names: Sequence[str], files: Mapping[str, bytes]) -> list[list[str]]:
    batches: list[list[str]] = []
    size = _BATCH_BYTES
    for name in names:
        if size >= _BATCH_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(name)
        size += len(files[name])
    return batches


def pyc_name(name: str) -> str:
    """Where Python looks for the compiled form of a module's file."""
    folder, _, file = name.rpartition("/")
    start = f"{folder}/" if folder else ""
    return f"{start}__pycache__/{file.removesuffix('.py')}.cpython-314.pyc"


def unzipped(path: Path) -> dict[str, bytes]:
    """The files of an archive that :func:`zip_bytes` made."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """The files as an archive that depends on nothing else."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _FIXED_DATE)
            entry.create_system = 3  # Unix, whatever this machine is
            entry.external_attr = 0o100444 << 16
            archive.writestr(entry, files[name])
    return buffer.getvalue()
