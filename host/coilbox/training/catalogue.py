"""The programs that coilbox times and learns from, by name.

The benchmark times `program_names`. A compile profile is taken from those that `HELD_OUT` lacks,
and from the workloads of the standard library; so the benchmark shows what a profile
gains for programs that it was not taken from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

HELD_OUT: Final = ("calculator", "dicts", "fannkuch", "raytrace", "regex", "templates")
"""Programs of the benchmark that no profile is taken from."""
PROGRAMS: Final = Path(__file__).with_name("programs")
WORKLOADS: Final = Path(__file__).with_name("workloads")

# Added to a program: runs it, checks its result and prints the seconds it took.
_MAIN = """
def _main():
    import time
    start = time.perf_counter()
    found = run({size})
    seconds = time.perf_counter() - start
    if found != EXPECTED[{size}]:
        raise SystemExit(f"wrong result: {{found!r}}")
    print("seconds", seconds)
_main()
"""


def program_names() -> list[str]:
    """The programs that the benchmark times."""
    return sorted(path.stem for path in PROGRAMS.glob("*.py"))


def program_source(name: str, *, quick: bool) -> str:
    """A program as it is run: it checks its own result and prints its seconds.

    Raises:
        OSError: there is no such program.
    """
    return as_run((PROGRAMS / f"{name}.py").read_text(encoding="utf-8"), quick=quick)


def training_sources() -> dict[str, str]:
    """The programs that a compile profile is taken from, by name, as they are run."""
    sources = {
        name: program_source(name, quick=False) for name in program_names() if name not in HELD_OUT
    }
    for path in sorted(WORKLOADS.glob("*.py")):
        sources[path.stem] = as_run(path.read_text(encoding="utf-8"), quick=False)
    return sources


def as_run(source: str, *, quick: bool) -> str:
    """A program's source with what runs it, checks its result and prints its seconds."""
    return source + _MAIN.format(size="QUICK" if quick else "FULL")
