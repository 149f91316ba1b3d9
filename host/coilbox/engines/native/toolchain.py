"""C compilers: which there are, what they can do, and how they are called."""

from __future__ import annotations

import errno
import hashlib
import importlib.metadata
import os
import platform
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from coilbox.engines.processor import features
from coilbox.errors import EngineError, SetupError
from coilbox.support import compilers

# Guarantees that the emitter's C relies on:
# - a recursion without end uses up the stack, which is a trap, and does not become a loop;
# - no multiply-add, whose rounding differs from two instructions' (spec section 4.3.3);
# - no errno from square roots, and no checks of undefined behaviour that zig cc turns on.
_SEMANTIC = (
    "-std=gnu11", "-g0", "-fPIC", "-fvisibility=hidden", "-fno-strict-aliasing", "-fwrapv",
    "-fno-optimize-sibling-calls", "-ffp-contract=off", "-fno-math-errno", "-w",
    "-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables",
    "-fno-delete-null-pointer-checks",
)  # fmt: skip
# What pays for the guest (docs/native.md): zig cc would keep the frame pointer, which the memory's
# base needs; and vectors made of 32-bit pointers become gathers and scatters, which are slow.
_CLANG_NANS = "-ffp-exception-behavior=maytrap"
_LEAN = ("-fomit-frame-pointer", "-fno-tree-vectorize", "-fno-tree-slp-vectorize")

RUNTIME = Path(__file__).with_name("runtime")
"""The headers that emitted C includes, and the runtime library's sources."""


@dataclass(frozen=True)
class Toolchain:
    """A C compiler with the flags it is called with.

    Attributes:
        name: what the user calls it: ``zig``, ``clang``, ``gcc``.
        command: how to run it.
        trampoline: whether tail calls go through a driver loop, as it has no ``musttail``.
        optimize: optimisation flags; of hot code only, if ``rest`` is given.
        rest: optimisation flags of code that seldom runs.
        extra: more flags, such as defines.
        hot_only: more flags for the functions that take the time.
    """

    name: str
    command: tuple[str, ...]
    trampoline: bool = False
    optimize: tuple[str, ...] = ("-O2",)
    rest: tuple[str, ...] | None = None
    extra: tuple[str, ...] = ()
    hot_only: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict, hash=False, compare=False)

    @cached_property
    def version(self) -> str:
        """The compiler's version, as it gives it, and the processor for which it compiles."""
        if self.name == "zig":  # asking the program takes as long as a sandbox's start
            return f"ziglang {importlib.metadata.version('ziglang')} {cpu()}"
        lines = self._run([*self.command, "--version"]).splitlines()
        return f"{lines[0] if lines else ''} {cpu()}"

    @property
    def flags(self) -> tuple[str, ...]:
        """All flags for compiling."""
        return (*_SEMANTIC, *_LEAN, *self._own_flags(), *self.optimize, *self.extra)

    def _own_flags(self) -> tuple[str, ...]:
        # A signalling NaN comes out of x * 1.0, floor(x) and the like quiet, so they may not be
        # left out.
        if self.name != "zig":
            return (_CLANG_NANS if _is_clang(self.name) else "-fsignaling-nans",)
        # zig knows debug and release only and compiles -O1 to -O3 as -O2, so its clang is told.
        levels = [flag for flag in self.optimize if flag in ("-O1", "-O3")]
        own = ("-fno-sanitize=all", _CLANG_NANS)
        return (*own, *(part for flag in levels for part in ("-Xclang", flag)))

    def inlining_more(self) -> Toolchain:
        """The same compiler, inlining two to three times as much in the functions that are hot.

        Pays only where the C says which conditions hold seldom: else the code grows for nothing.
        """
        clang = self.name == "zig" or _is_clang(self.name)
        return replace(self, hot_only=("-mllvm", "-inline-threshold=600") if clang else ())

    def for_hot(self) -> Toolchain:
        """The same compiler with the flags of the functions that take the time."""
        return replace(self, rest=None, extra=(*self.extra, *self.hot_only), hot_only=())

    def for_rest(self) -> Toolchain:
        """The same compiler with the flags of code that seldom runs."""
        optimize = self.optimize if self.rest is None else self.rest
        return replace(self, optimize=optimize, rest=None, hot_only=())

    def compile(self, source: Path, target: Path, include: Sequence[Path]) -> None:
        """Compile one C or assembly file to an object file.

        Raises:
            EngineError: the compiler failed; the message has its own.
            OSError: the disk is full (ENOSPC).
        """
        folders = [f"-I{folder}" for folder in include]
        command = [*self.command, *self.flags, *folders, "-c", str(source), "-o", str(target)]
        self._run(command, target.parent)

    def link(self, objects: Sequence[Path], target: Path) -> None:
        """Link object files to a shared library.

        Raises:
            EngineError: the linker failed; the message has its own.
            OSError: the disk is full (ENOSPC).
        """
        names = [str(path) for path in objects]
        flags = ["-shared", "-Wl,-Bsymbolic", *self.optimize, *self.extra]
        self._run([*self.command, *flags, *names, "-o", str(target), "-lm"], target.parent)

    def _run(self, command: list[str], folder: Path | None = None) -> str:
        scratch = folder or Path(tempfile.gettempdir())
        try:
            done = compilers.run_compiler(command, self.environment, scratch)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
            raise EngineError(f"the C compiler {command[0]} cannot be run: {error}") from error
        if done.returncode != 0:
            said = done.stderr or done.stdout
            shown = "\n".join(said.splitlines()[:20])
            how = f"status {done.returncode}"
            raise EngineError(f"the C compiler {self.name} failed ({how}):\n{shown}")
        return done.stdout


ZIG_LOCK = "zig"
"""The cache's lock that is shared while compilers use zig's own cache."""


def zig(cache: Path | None = None) -> Toolchain:
    """The clang in the ``ziglang`` package: the default.

    Args:
        cache: where zig keeps its own cache, unless ``ZIG_GLOBAL_CACHE_DIR`` says it already.

    Raises:
        EngineError: the package is not installed.
    """
    try:
        binary = compilers.zig()
    except SetupError as error:
        raise EngineError(str(error)) from None
    environment = {}
    if cache is not None and "ZIG_GLOBAL_CACHE_DIR" not in os.environ:
        environment["ZIG_GLOBAL_CACHE_DIR"] = str(cache)
    return Toolchain("zig", (str(binary), "cc"), environment=environment)


def system(name: str) -> Toolchain:
    """A compiler of the system: a clang, or a gcc, whose tail calls go through the trampoline.

    Raises:
        EngineError: there is none of that name.
    """
    path = shutil.which(name)
    if path is None:
        raise EngineError(f"no C compiler {name!r} on PATH; install one, or use zig, the default")
    return Toolchain(name, (path,), trampoline=not _is_clang(name))


def _is_clang(name: str) -> bool:
    return "clang" in Path(name).name


def cpu() -> str:
    """The machine and the features of its processor, on which generated code depends."""
    digest = hashlib.sha256(features().encode()).hexdigest()[:16]
    return f"{platform.machine()} {digest}"
