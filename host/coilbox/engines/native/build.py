"""From a module to a shared library and a memory image, in a folder."""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from coilbox.engines.native.toolchain import RUNTIME, Toolchain
from coilbox.errors import EngineError
from coilbox.support.progress import Progress, Silent

if TYPE_CHECKING:
    from coilbox.engines.native.emit import EmitOptions

LIBRARY = "program.so"
MEMORY = "memory.img"
COUNTERS = "counters.json"
"""Which counters are whose, in a program that counts for a profile."""
HOT = "hot_"
"""How the emitter names the files of functions that take the time."""


def build_program(
    wasm: bytes,
    folder: Path,
    toolchain: Toolchain,
    *,
    options: EmitOptions | None = None,
    work: Path | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Compile a module; ``folder`` gets `LIBRARY` and `MEMORY`.

    Args:
        wasm: a valid module.
        folder: where the results go.
        toolchain: the C compiler.
        options: how C is written; its tail calls follow the toolchain if None.
        work: where C and object files are kept; an interrupted build goes on from there. A
            folder inside ``folder``, removed at the end, if None.
        jobs: compilers at once; one for each processor if None.
        progress: where the work is shown.

    Raises:
        EngineError: the module or the C does not compile.
    """
    # Only here: a started sandbox never pays for importing the emitter.
    from coilbox.engines.native.emit import EmitError, EmitOptions, emit_program
    from coilbox.wasm import Module, WasmFormatError

    progress = progress or Silent()
    try:
        with progress.task("Writing C"):
            program = emit_program(
                Module(wasm), options or EmitOptions(trampoline=toolchain.trampoline)
            )
    except (EmitError, WasmFormatError) as error:
        raise EngineError(f"the native engine cannot compile the guest module: {error}") from error
    (folder / MEMORY).write_bytes(whole_pages(program.memory))
    if program.counters:
        (folder / COUNTERS).write_text(json.dumps(program.counters))
    sources = work or folder / "work"
    sources.mkdir(parents=True, exist_ok=True)
    for name, text in program.files.items():
        _write_if_changed(sources / name, text)
    names = [name for name in program.files if name.endswith(".c")]
    objects = compile_all(
        toolchain,
        [sources / name for name in names],
        sources,
        include=[sources, RUNTIME],
        depends=(program.files["module.h"], *_texts(RUNTIME.glob("*.h"))),
        jobs=jobs,
        progress=progress,
    )
    with progress.task("Linking the guest"):
        toolchain.link(objects, folder / LIBRARY)
    if work is None:
        for path in sources.iterdir():
            path.unlink()
        sources.rmdir()


def compile_all(
    toolchain: Toolchain,
    sources: Sequence[Path],
    folder: Path,
    *,
    include: Sequence[Path],
    depends: Sequence[str],
    jobs: int | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Compile files in parallel; an object that is there already is not made again.

    Files whose names begin with ``HOT`` get the flags for hot code, others those for the rest.
    An object's name holds the hash of its source, of ``depends`` (the headers' texts) and of the
    compiler with its flags, so that what an interrupted build left behind can be trusted.
    """
    from coilbox.support.cache import key_of

    with_flags = [
        toolchain.for_hot() if source.name.startswith(HOT) else toolchain.for_rest()
        for source in sources
    ]
    common = key_of(toolchain.version, list(depends))
    objects = [
        folder / f"{source.stem}.{key_of(common, own.flags, source.read_text())[:20]}.o"
        for source, own in zip(sources, with_flags, strict=True)
    ]

    def compile_one(index: int) -> None:
        target = objects[index]
        if not target.exists():
            part = target.with_suffix(f".{os.getpid()}.part")
            with_flags[index].compile(sources[index], part, include)
            part.rename(target)

    # The largest first, so that the processors finish together.
    order = sorted(range(len(sources)), key=lambda i: -sources[i].stat().st_size)
    with (progress or Silent()).task("Compiling the guest to machine code", len(sources)) as task:
        for _ in _in_parallel(compile_one, order, jobs or os.cpu_count() or 1):
            task.advance()
    return objects


def _in_parallel(work: Callable[[int], None], items: Sequence[int], workers: int) -> Iterator[None]:
    """Do the work for each item, several at once; yields as often as one is done."""
    try:
        # Only here: while a process ends it cannot even be imported, as threads start no more.
        from concurrent.futures import ThreadPoolExecutor, as_completed

        pool = ThreadPoolExecutor(workers)
        futures = [pool.submit(work, item) for item in items]
    except RuntimeError:
        for item in items:
            work(item)
            yield
        return
    with pool:
        try:
            for future in as_completed(futures):
                future.result()
                yield
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _texts(paths: Iterable[Path]) -> list[str]:
    return [path.read_text() for path in sorted(paths)]


def _write_if_changed(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def whole_pages(content: bytes) -> bytes:
    """The memory image, filled up to pages that can be mapped."""
    return content + bytes(-len(content) % mmap.PAGESIZE)
