"""The CPU programs: each gives its expected result, here and in the sandbox."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from coilbox import Sandbox
from coilbox.training import catalogue
from coilbox.training.catalogue import program_names, program_source

PROGRAMS = program_names()


def namespace(name: str) -> dict[str, Any]:
    path = catalogue.PROGRAMS / f"{name}.py"
    names: dict[str, Any] = {"__name__": name}
    exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), names)
    return names


def test_there_are_enough() -> None:
    assert len(PROGRAMS) >= 10


@pytest.mark.parametrize("name", PROGRAMS)
def test_small_sizes_here(name: str) -> None:
    program = namespace(name)
    assert program["__doc__"]
    assert program["QUICK"] < program["FULL"]
    assert set(program["EXPECTED"]) == {program["QUICK"], program["FULL"]}
    assert program["run"](program["QUICK"]) == program["EXPECTED"][program["QUICK"]]


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_full_sizes_here(name: str) -> None:
    program = namespace(name)
    assert program["run"](program["FULL"]) == program["EXPECTED"][program["FULL"]]


@pytest.mark.parametrize("name", PROGRAMS)
def test_small_sizes_in_the_sandbox(sandbox: Callable[[], Sandbox], name: str) -> None:
    result = sandbox().run(program_source(name, quick=True)).check()
    assert re.fullmatch(r"seconds \S+\n", result.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_full_sizes_in_the_sandbox(sandbox: Callable[[], Sandbox], name: str) -> None:
    result = sandbox().run(program_source(name, quick=False)).check()
    assert re.fullmatch(r"seconds \S+\n", result.stdout)


def test_a_wrong_result_is_noticed(sandbox: Callable[[], Sandbox]) -> None:
    source = program_source("queens", quick=True).replace(
        "EXPECTED = {", "EXPECTED = {QUICK: 1}\n{"
    )
    result = sandbox().run(source)
    assert result.exit_code == 1
    assert result.stderr.startswith("wrong result: [10, 10]")
