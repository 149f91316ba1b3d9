"""Takes the profile that the native engine compiles with: the counting build runs programs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from coilbox.errors import EngineError
from coilbox.support.cache import key_of
from coilbox.support.progress import Progress, progress_for
from coilbox.training.catalogue import training_sources

if TYPE_CHECKING:
    from coilbox.engines.native import NativeEngine
    from coilbox.engines.native.program import NativeProgram
    from coilbox.images import Image

_SECONDS: Final = 600.0
_MEMORY_BYTES: Final = 1 << 30


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
        progress: where the work is shown; on stderr if None.

    Raises:
        EngineError: the compiler failed, or a program went wrong on the counting build.
    """
    from coilbox.session.programs import IMPORTS

    sources = training_sources()
    progress = progress or progress_for()

    def train(program: NativeProgram) -> None:
        title = "Running programs to see what takes the time"
        with progress.task(title, len(sources)) as task:
            for name, source in sources.items():
                _run(image, program, name, source)
                task.advance()

    workload = key_of(sources)
    engine.profile(image, IMPORTS, train, workload=workload, jobs=jobs, progress=progress)


def _run(image: Image, program: NativeProgram, name: str, source: str) -> None:
    from coilbox import Limits, Sandbox

    limits = Limits(_SECONDS, _MEMORY_BYTES)
    started = time.monotonic()
    with Sandbox(image, engine="native", limits=limits, program=program) as box:
        result = box.run(source, filename=name)
    if result.error is not None or result.exit_code:
        reason = result.error or result.stderr.strip()
        seconds = time.monotonic() - started
        raise EngineError(
            f"the program {name} went wrong on the counting build after {seconds:.1f} s, "
            f"so no profile was taken: {reason}"
        )
