"""Runs CPython's test modules in sandboxes and compares what happens with what is recorded."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from coilbox import Image, Limits, Mount, Sandbox, Scratch

EXPECTATIONS = Path(__file__).with_name("expectations.yaml")
PROGRAM = Path(__file__).with_name("guest_runner.py")
# Some modules make many files, and some very long ones with nothing in them.
LIMITS = Limits(
    wall_seconds=120, memory_bytes=1 << 30, created_files=1_000_000, file_bytes=math.inf
)
UNEXPLAINED = "?"

# What a deviation comes from, by what its message says; the rest is explained by hand.
REASONS = [
    (r"can't start new thread|does not support threads|_start_joinable_thread", "no threads"),
    (r"Function not implemented|Errno 52", "no such system call"),
    (
        r"Not supported|Errno 58|not support processes|fork|subprocess|_posixsubprocess",
        "no processes",
    ),
    (r"No module named '(_\w+|bz2|lzma|ctypes|ssl|curses|mmap|fcntl|pwd|grp|readline)'", "no \\1"),
    (r"Permission denied|Errno 2\b|Errno 63|Operation not permitted", "no rights of POSIX"),
    (r"socket|Network|Address family", "no sockets"),
    (r"MemoryError|MemoryLimit", "32-bit memory"),
]


@dataclass
class FileResult:
    """What one module's tests did.

    Attributes:
        run: tests begun.
        skipped: tests skipped.
        bad: message of each failure and error, by test.
        skip: why the whole module was skipped.
        stopped: the error that stopped the sandbox, with the test that was running.
        seconds: wall time.
    """

    run: int = 0
    skipped: int = 0
    bad: dict[str, str] = field(default_factory=dict)
    skip: str = ""
    stopped: str = ""
    seconds: float = 0.0


def load() -> dict[str, dict[str, Any]]:
    """The recorded expectations by module."""
    text = EXPECTATIONS.read_text() if EXPECTATIONS.exists() else ""
    return yaml.safe_load(text) or {}


def run_file(
    name: str, expected: dict[str, Any], tests: Path, image: Image | str | None, engine: str
) -> FileResult:
    """Run one module in a sandbox of its own."""
    mounts = [Mount(tests, "/cpython")]
    scratch = Scratch(max_bytes=256 << 20, max_files=20_000)
    with Sandbox(image, engine=engine, mounts=mounts, scratch=scratch, limits=LIMITS) as box:
        result = box.run(PROGRAM, [name, *expected.get("left_out", {})], filename="/runner.py")
    if result.error is not None or not isinstance(result.value, dict):
        why = result.error or f"exit code {result.exit_code}, value {result.value!r}"
        begun = [line for line in result.stderr.splitlines() if line.startswith("test.")]
        at = begun[-1] if begun else "import"
        return FileResult(run=len(begun), stopped=f"{type(why).__name__}: {why} (in {at})")
    return FileResult(**result.value, seconds=result.usage.wall_seconds)


def run_all(
    names: Iterable[str], tests: Path, image: Image | str | None, engine: str, threads: int = 2
) -> Iterator[tuple[str, FileResult]]:
    """Run modules in parallel; their results as they come."""
    known = load()
    with ThreadPoolExecutor(threads) as pool:
        begun = {
            pool.submit(run_file, name, known.get(name, {}), tests, image, engine): name
            for name in names
        }
        for done in as_completed(begun):
            yield begun[done], done.result()


def differences(expected: dict[str, Any], result: FileResult) -> list[str]:
    """What differs from the expectations, a line for each."""
    if result.stopped:
        return [f"stopped: {result.stopped}"]
    found = []
    known = expected.get("fails", {})
    flaky = expected.get("flaky", {})
    for test, message in result.bad.items():
        if test not in known and test not in flaky:
            found.append(f"{test}: {message}")
    found += [f"{test} passes now" for test in known if test not in result.bad]
    for name in ("run", "skipped"):
        if getattr(result, name) != expected.get(name, 0):
            found.append(f"{name}: {getattr(result, name)} instead of {expected.get(name, 0)}")
    if bool(result.skip) != bool(expected.get("skip")):
        found.append(f"skip: {result.skip!r}")
    return found


def record(expected: dict[str, Any], result: FileResult) -> dict[str, Any]:
    """Expectations that fit a result; explanations that were given stay."""
    entry: dict[str, Any] = {"run": result.run, "skipped": result.skipped}
    if result.skip:
        entry["skip"] = result.skip
    known = expected.get("fails", {})
    fails = {test: known.get(test) or reason(text) for test, text in result.bad.items()}
    fails = {test: why for test, why in fails.items() if test not in expected.get("flaky", {})}
    if fails:
        entry["fails"] = dict(sorted(fails.items()))
    for name in ("left_out", "flaky"):
        if expected.get(name):
            entry[name] = expected[name]
    return entry


def stopper(result: FileResult) -> dict[str, str]:
    """The test that stopped a sandbox, and what happened."""
    text, _, test = result.stopped.removesuffix(")").rpartition(" (in ")
    return {test: f"{UNEXPLAINED} {text[:100]}"}


def reason(message: str) -> str:
    """A guess at why a test fails, from its message."""
    for pattern, text in REASONS:
        match = re.search(pattern, message)
        if match:
            return match.expand(text)
    return f"{UNEXPLAINED} {message[:100]}"
