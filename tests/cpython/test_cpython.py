"""CPython's own tests give in the sandbox what is recorded, deviation by deviation."""

from __future__ import annotations

from pathlib import Path

import pytest

from coilbox import Image, open_image
from tests.cpython import suite

FAST = [
    *("test_base64", "test_bool", "test_builtin", "test_collections", "test_contextlib"),
    *(
        "test_coroutines",
        "test_csv",
        "test_dataclasses",
        "test_dict",
        "test_enum",
        "test_exceptions",
    ),
    *("test_float", "test_functools", "test_generators", "test_heapq", "test_int", "test_json"),
    *("test_list", "test_patma", "test_re", "test_scope", "test_statistics", "test_struct"),
    *("test_textwrap", "test_tomllib", "test_weakref", "test_zlib"),
]


def check(names: list[str], tests: Path, image: Image, engine: str) -> None:
    expected = suite.load()
    found = {
        name: lines
        for name, result in suite.run_all(names, tests, image, engine)
        if (lines := suite.differences(expected[name], result))
    }
    assert found == {}


def test_a_fast_selection(cpython_tests: Path, image: Image, engine: str) -> None:
    check(FAST, cpython_tests, image, engine)


@pytest.mark.slow
def test_the_rest(cpython_tests: Path, image: Image, engine: str) -> None:
    check([name for name in suite.load() if name not in FAST], cpython_tests, image, engine)


@pytest.mark.slow
def test_the_split_guest_does_the_same(cpython_tests: Path) -> None:
    """The interpreter loop compiled to tail calls: no file gives another result."""
    check(list(suite.load()), cpython_tests, open_image("tailcall"), "wasmtime")


def test_every_deviation_is_explained() -> None:
    expected = suite.load()
    assert len(expected) >= 100
    open_questions = [
        f"{name}: {test}: {why}"
        for name, entry in expected.items()
        for kind in ("fails", "left_out", "flaky")
        for test, why in entry.get(kind, {}).items()
        if not why or why.startswith(suite.UNEXPLAINED)
    ]
    assert open_questions == []


def test_most_tests_run_and_pass() -> None:
    """The record itself: a sandbox that skipped or failed most of them would be no Python."""
    expected = suite.load()
    run = sum(entry["run"] for entry in expected.values())
    skipped = sum(entry["skipped"] for entry in expected.values())
    failed = sum(len(entry.get("fails", {})) for entry in expected.values())
    assert run > 10_000
    assert skipped < run * 0.15
    assert failed < run * 0.03
