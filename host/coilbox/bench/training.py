"""What a profile of the native engine is taken from: programs that the counting build runs.

That is the benchmark without `HELD_OUT`, and the workloads of the standard library beside it. The
programs held out are measured with the others, so the benchmark shows what a profile gains for
programs that it was not taken from.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from coilbox.cache import key_of
from coilbox.errors import EngineError
from coilbox.progress import Progress, Silent

if TYPE_CHECKING:
    from coilbox.engines.native import NativeEngine
    from coilbox.engines.native.program import NativeProgram
    from coilbox.images import Image

HELD_OUT: Final = ("calculator", "dicts", "fannkuch", "raytrace", "regex", "templates")
"""Programs of the benchmark that no profile is taken from."""
_WORKLOADS: Final = Path(__file__).with_name("workloads")
_SECONDS: Final = 600.0
_MEMORY_BYTES: Final = 1 << 30


def training_sources() -> dict[str, str]:
    """The programs, by name; each checks its own result."""
    from coilbox.bench.measure import as_run, program_names, program_source

    sources = {
        name: program_source(name, quick=False) for name in program_names() if name not in HELD_OUT
    }
    for path in sorted(_WORKLOADS.glob("*.py")):
        sources[path.stem] = as_run(path.read_text(encoding="utf-8"), quick=False)
    return sources


def take_profile(
    engine: NativeEngine,
    image: Image,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Take a profile of an image, unless one of the same programs is in the cache.

    ``engine.compile`` uses it from then on.

    Args:
        engine: what compiles and counts.
        image: whose profile.
        jobs: compilers at once; one for each processor if None.
        progress: where the work is shown.

    Raises:
        EngineError: the compiler failed, or a program went wrong on the counting build.
    """
    from coilbox.programs import IMPORTS

    sources = training_sources()

    def train(program: NativeProgram) -> None:
        title = "Running programs to see what takes the time"
        with (progress or Silent()).task(title, len(sources)) as task:
            for name, source in sources.items():
                _run(image, program, name, source)
                task.advance()

    workload = key_of(sources)
    engine.profile(image, IMPORTS, train, workload=workload, jobs=jobs, progress=progress)


def _run(image: Image, program: NativeProgram, name: str, source: str) -> None:
    from coilbox import Limits, Sandbox
    from coilbox.programs import in_place

    limits = Limits(_SECONDS, _MEMORY_BYTES)
    started = time.monotonic()
    with in_place(image, "native", program), Sandbox(image, engine="native", limits=limits) as box:
        result = box.run(source, filename=name)
    if result.error is not None or result.exit_code:
        reason = result.error or result.stderr.strip()
        seconds = time.monotonic() - started
        raise EngineError(
            f"the program {name} went wrong on the counting build after {seconds:.1f} s, "
            f"so no profile was taken: {reason}"
        )
