"""Run CPython's tests in the sandbox: ``python -m tests.cpython.run [--update]``."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from tests.cpython import obtain, suite

HEADER = """\
# What CPython's own tests do in the sandbox; made by python -m tests.cpython.run --update.
# run, skipped: numbers of tests. fails: tests that fail or err, and why. left_out: tests that are
# not begun, because they stop the sandbox, and why. flaky: tests that may pass or fail, and why.
"""


def _rounds(names: list[str], again: list[str]) -> Iterator[list[str]]:
    """The names, then again and again those whose sandbox was stopped by some test."""
    yield names
    for _ in range(40):
        if again:
            some, again[:] = list(again), []
            yield some


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help="record what happens as expected")
    parser.add_argument("--repin", action="store_true", help="pin Debian's present version")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--image")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("modules", nargs="*", help="all that are recorded, if none is named")
    options = parser.parse_args()
    if options.repin:
        obtain.repin()
    expected = suite.load()
    names = options.modules or sorted(expected)
    bad = 0
    again: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        tests = obtain.unpacked(Path(folder))
        started = time.monotonic()
        rounds = _rounds(names, again) if options.update else [names]
        results = (
            pair
            for some in rounds
            for pair in suite.run_all(some, tests, options.image, options.engine, options.threads)
        )
        for name, result in results:
            found = suite.differences(expected.get(name, {}), result)
            print(f"{time.monotonic() - started:5.0f} s {name}: {result.seconds:.1f} s, "
                  f"{result.run} run, {result.skipped} skipped, "
                  f"{len(result.bad)} bad {result.skip or ''}", flush=True)  # fmt: skip
            if options.update:
                entry = expected.get(name, {})
                if result.stopped:
                    left_out = {**entry.get("left_out", {}), **suite.stopper(result)}
                    entry = {**entry, "left_out": left_out}
                    again.append(name)
                expected[name] = entry if result.stopped else suite.record(entry, result)
                suite.EXPECTATIONS.write_text(
                    HEADER + yaml.safe_dump(dict(sorted(expected.items())), width=110)
                )
            for line in found if result.stopped or not options.update else ():
                bad += 1
                print(f"    {line}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
