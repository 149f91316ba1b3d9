"""The C side: compile and link with the zig that PyPI's `ziglang` carries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from coilbox.support.compilers import run_compiler, zig
from coilbox.support.progress import Progress
from coilbox_guest.link.errors import LinkError

TARGET: Final = "wasm32-wasi"
_EMULATION: Final = ("SIGNAL", "GETPID", "MMAN")
_DEFINES: Final = tuple(f"-D_WASI_EMULATED_{name}" for name in _EMULATION)
_LIBRARIES: Final = tuple(
    f"-lwasi-emulated-{name.lower().replace('_', '-')}" for name in _EMULATION
)


class Toolchain:
    """`zig cc` with its caches under `work`, so that nothing is written elsewhere."""

    def __init__(self, work: Path, progress: Progress) -> None:
        self._work = work
        self._progress = progress
        self._zig = zig()

    def compile(
        self, sources: Sequence[Path], include: Iterable[Path], cflags: Iterable[str]
    ) -> list[Path]:
        """Compile each source (objects are passed on) to an object file.

        Raises LinkError with the compiler's messages.
        """
        objects: list[Path] = []
        folder = self._work / "objects"
        folder.mkdir(parents=True, exist_ok=True)
        flags = [*cflags, *_DEFINES, *(f"-isystem{path}" for path in include)]
        with self._progress.task("Compiling the guest's C code", len(sources)) as task:
            for number, source in enumerate(sources):
                if source.suffix in (".o", ".a"):
                    objects.append(source)
                else:
                    target = folder / f"{number}-{source.stem}.o"
                    # Assertions print __FILE__, which must not depend on where the build runs.
                    neutral = f"-ffile-prefix-map={source.parent}=."
                    own = [*flags, neutral, "-g0"] if source.suffix == ".c" else []
                    self._run([*own, "-c", str(source), "-o", str(target)])
                    objects.append(target)
                task.advance()
        return objects

    def link(self, objects: Iterable[Path], exports: Iterable[str], stack_size: int) -> bytes:
        """Link objects with libc to a reactor whose undefined functions are `env` imports.

        Exports that nothing defines are silently absent from the result.
        """
        target = self._work / "main.wasm"
        options = [f"-Wl,--stack,{stack_size}", "-Wl,--import-symbols", "-Wl,--export-table"]
        names = [f"-Wl,--export={name}" for name in exports]
        with self._progress.task("Linking the guest's C code with libc"):
            files = [*map(str, objects), *_LIBRARIES, "-o", str(target)]
            self._run(["-mexec-model=reactor", "-O2", *files, *options, *names])
        return target.read_bytes()

    def _run(self, arguments: list[str]) -> None:
        environment = {"ZIG_GLOBAL_CACHE_DIR": str(self._work / "zig-cache")}
        command = [str(self._zig), "cc", "-target", TARGET, *arguments]
        done = run_compiler(command, environment, self._work)
        if done.returncode:
            raise LinkError(f"zig cc failed:\n{done.stderr.strip() or done.stdout.strip()}")
