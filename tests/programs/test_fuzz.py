"""Random programs: value, output, error and exit code are the same on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from coilbox import Image, LimitExceeded, Limits, Mount, Result, Sandbox, Scratch, TimeLimitExceeded
from coilbox.errors import GuestException
from tests.fuzzing import explore

from .grammar import programs
from .mutants import mutants

LIMITS = Limits(wall_seconds=20, memory_bytes=96 << 20, output_bytes=1 << 16)


# test.support parses CONFIG_ARGS, whose quotes are broken by the build of the library.
PREPARE = """
import os, sys, sysconfig
sysconfig.get_config_vars()["CONFIG_ARGS"] = ""
sys.path.insert(0, "/cpython")
os.chdir("/tmp")
from test import support
"""


@contextmanager
def both(image: Image, engine: str, **options: Any) -> Iterator[list[Sandbox]]:
    """A sandbox on Wasmtime and one on the engine under test, which may be Wasmtime again."""
    with (
        Sandbox(image, engine="wasmtime", limits=LIMITS, scratch=Scratch(), **options) as first,
        Sandbox(image, engine=engine, limits=LIMITS, scratch=Scratch(), **options) as other,
    ):
        yield [first, other]


def outcome(result: Result) -> tuple[Any, ...]:
    """What must be equal. The value as text: nan is not equal to itself."""
    error = result.error
    text = error.traceback if isinstance(error, GuestException) else str(error)
    if isinstance(error, LimitExceeded):
        text = error.unit
    return (
        ascii(result.value),
        type(error).__name__,
        text,
        result.exit_code,
        result.stdout_bytes,
        result.stderr_bytes,
    )


def compare(boxes: list[Sandbox], source: str, setup: str = "") -> None:
    """Run on both; where they differ, once more, as a program may depend on time after all."""
    outcomes = []
    for box in (*boxes, boxes[0]):
        box.reset()
        prepared = box.run(setup)
        result = box.run(source) if prepared.ok else prepared
        if isinstance(result.error, TimeLimitExceeded):
            return  # one may be faster than the other
        outcomes.append(outcome(result))
        if len(outcomes) == 2 and outcomes[0] == outcomes[1]:
            return
    assert outcomes[2] != outcomes[0] or outcomes[1] == outcomes[0]


def test_programs_of_a_grammar(image: Image, engine: str) -> None:
    with both(image, engine) as boxes:
        explore(programs(), lambda source: compare(boxes, source), few=60)


@pytest.mark.slow
def test_mutated_tests_of_cpython(image: Image, engine: str, cpython_tests: Path) -> None:
    with both(image, engine, mounts=[Mount(cpython_tests, "/cpython")]) as boxes:

        def check(source: str) -> None:
            compare(boxes, f"exec(compile({source!r}, 'mutant.py', 'exec'), globals())", PREPARE)

        explore(mutants(cpython_tests), check, few=20)
