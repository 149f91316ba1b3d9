"""Thousands of sandboxes leave memory, descriptors, mappings and threads where they were."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import NamedTuple

import pytest

from coilbox import Image, Limits, Mount, Sandbox, Scratch

WARM_UP = 100


class Footprint(NamedTuple):
    resident_kib: int
    descriptors: int
    mappings: int
    threads: int


def footprint() -> Footprint:
    gc.collect()
    status = Path("/proc/self/status").read_text()
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return Footprint(
        int(resident.split()[1]),
        len(list(Path("/proc/self/fd").iterdir())),
        len(Path("/proc/self/maps").read_text().splitlines()),
        threading.active_count(),
    )


def assert_flat(before: Footprint, after: Footprint) -> None:
    growth = Footprint(*(b - a for a, b in zip(before, after, strict=True)))
    assert growth.resident_kib < 16 * 1024, growth
    assert growth.descriptors <= 4, growth
    assert growth.mappings <= 40, growth
    assert growth.threads <= 1, growth


def live_and_die(image: Image, engine: str, folder: Path, number: int) -> None:
    options = {} if number % 4 else {"mounts": [Mount(folder, "/m")], "scratch": Scratch()}
    with Sandbox(image, engine=engine, functions={"add": int.__add__}, **options) as box:  # type: ignore[arg-type]
        match number % 4:
            case 0:
                code = "n = open('/tmp/f', 'w').write('x' * 1000); open('/m/f').read()"
                assert box.run(code).value == "in the mount"
            case 1:
                code = "from coilbox import host\nprint(host.add(1, 2)); [0] * 10_000"
                assert len(box.run(code).check().value) == 10_000
            case 2:
                assert box.run("1 / 0").error is not None
            case 3:
                box.reset()
                assert box.call("math:gcd", number, number).value == number


def round_of(image: Image, engine: str, folder: Path, count: int) -> tuple[Footprint, Footprint]:
    (folder / "f").write_text("in the mount")
    for number in range(WARM_UP):
        live_and_die(image, engine, folder, number)
    before = footprint()
    for number in range(count):
        live_and_die(image, engine, folder, number)
    return before, footprint()


def test_a_thousand_sandboxes_leave_nothing(image: Image, engine: str, tmp_path: Path) -> None:
    assert_flat(*round_of(image, engine, tmp_path, 1000))


@pytest.mark.slow
def test_ten_thousand_sandboxes_leave_nothing(image: Image, engine: str, tmp_path: Path) -> None:
    assert_flat(*round_of(image, engine, tmp_path, 10_000))


def test_stopped_sandboxes_leave_nothing(image: Image, engine: str) -> None:
    limits = Limits(memory_bytes=96 << 20, output_bytes=1000)
    stops = (
        "while True: print('x')",
        "x = bytes(1 << 28)",
        "import os; os.abort()",
        "while 1: pass",
    )

    def one_round(count: int) -> None:
        for number in range(count):
            with Sandbox(image, engine=engine, limits=limits) as box:
                code = stops[number % 4]
                assert not box.run(code, timeout=0.02 if code == stops[3] else None).ok, code
                box.reset()
                assert box.run("1").value == 1

    one_round(40)
    before = footprint()
    one_round(200)
    assert_flat(before, footprint())


def test_one_sandbox_reset_and_used_thousands_of_times(image: Image, engine: str) -> None:
    with Sandbox(image, engine=engine) as box:

        def one_round(count: int) -> None:
            for number in range(count):
                assert box.run(f"x = bytes(1_000_000); len(x) + {number}").value == 10**6 + number
                if number % 5 == 0:
                    box.reset()

        one_round(200)
        before = footprint()
        one_round(2000)
        assert_flat(before, footprint())


def test_closed_sandboxes_leave_nothing_to_the_garbage_collector(
    image: Image, engine_name: str
) -> None:
    def life() -> None:
        with Sandbox(image, engine=engine_name, env={"A": "B"}) as sandbox:
            assert sandbox.run("print(1)").check().stdout == "1\n"

    life()  # what is made once
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            life()
        assert gc.collect() == 0
    finally:
        gc.enable()
