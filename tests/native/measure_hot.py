"""Measure which functions of the guest are hot and write ``hot.txt``: run as a script.

The image is compiled with counters and runs the benchmark's programs and the tests of behaviour
and of the standard library. That takes minutes; what changes is a matter for review.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

from coilbox import Limits, Sandbox, open_image
from coilbox.engines.native import NativeEngine, Settings
from coilbox.engines.native.build import COUNTERS, build_program
from coilbox.engines.native.emit import EmitOptions, Profile
from coilbox.engines.native.emit.hot import HOT_FILE, choose_hot
from coilbox.engines.native.library import runtime
from coilbox.engines.native.program import NativeProgram
from coilbox.session import programs
from coilbox.support.cache import Cache
from coilbox.support.progress import progress_for
from coilbox.training.catalogue import program_names, program_source

_TESTS = Path(__file__).parents[1]


def main() -> None:
    """Compile, run, count, write."""
    image = open_image(None)
    toolchain = Settings().toolchain("full")
    # The tests look for compiled code in the cache before they ask for the program.
    NativeEngine().compile(image, tier="quick", progress=progress_for())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_program(
            image.read("guest.wasm"),
            folder,
            toolchain,
            options=EmitOptions(count=True),
            progress=progress_for(),
        )
        info = image.info
        program = NativeProgram(
            runtime(Cache(), toolchain),
            folder,
            programs.IMPORTS,
            poll_page=info.poll_page,
            poll_size=info.poll_size,
            eval_breaker=info.eval_breaker,
        )
        programs._programs[image.digest, "native"] = program
        for item in program_names():
            with Sandbox(image, engine="native", limits=Limits(600, 1 << 30)) as box:
                box.run(program_source(item, quick=False)).check()
        os.environ["COILBOX_TEST_ENGINES"] = "native"
        suites = [str(_TESTS / suite) for suite in ("behaviour", "stdlib")]
        if pytest.main(["-q", "-p", "no:cacheprovider", *suites]):
            sys.exit("tests failed: hot.txt stays as it was")
        layout = json.loads((folder / COUNTERS).read_text())
        HOT_FILE.write_text(choose_hot(Profile.from_counters(layout, program.counters())))


if __name__ == "__main__":
    main()
