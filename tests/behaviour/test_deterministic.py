"""A time and a randomness of the guest's own: runs repeat byte for byte, on every engine."""

# ruff: noqa: E501 - the guest's programs are easier to read unwrapped

from __future__ import annotations

import datetime
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from coilbox import GuestClock, Image, Mount, Sandbox, Scratch, UsageError
from coilbox.engines import is_compiled
from coilbox.profiles import load_profile

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

# Everything that Python has of time, randomness, hashes, orders and addresses.
PROGRAM = """
import asyncio, datetime, gc, hashlib, json, math, os, random, secrets, sys, tempfile, threading, time
import uuid, zlib

print(time.time(), time.time_ns(), time.monotonic(), time.perf_counter(), time.process_time())
print(datetime.datetime.now(), datetime.datetime.now(datetime.UTC))
print(time.localtime(), time.get_clock_info("monotonic"), time.strftime("%c"))
before = time.monotonic(); time.sleep(2.5); print(time.monotonic() - before)
while time.monotonic() < before + 10: pass
print(random.random(), random.sample(range(10**9), 5), random.Random().getrandbits(200))
print(os.urandom(16).hex(), secrets.token_hex(8), os.getrandom(4) if hasattr(os, "getrandom") else "")
print(uuid.uuid1(), uuid.uuid4(), uuid.uuid7() if hasattr(uuid, "uuid7") else "")
print(hash("text"), hash(b"bytes"), hash((1, "x")), hash(1.5), hash(None), hash(object()))
words = {f"word{n}" for n in range(50)}
print(words, frozenset(words), {object() for _ in range(3)}, set(map(type, [1, "", b""])))
print([id(x) for x in ([], {}, "a b", object(), lambda: 0)], [], object(), lambda: 0)
print(tempfile.mktemp(), os.getpid(), threading.get_ident(), id(sys.modules))
print(math.sin(1e22), math.gamma(5.5), math.inf - math.inf, 0.1 + 0.2, 2 ** 0.5, (1e308 * 10) * 0)
print(sys.getsizeof(words), gc.get_count(), len(gc.get_objects()), sys.getrefcount(words))
print(zlib.compress(repr(sorted(words)).encode()).hex(), hashlib.blake2b(repr(words).encode()).hexdigest())

class Named: pass
print(Named(), [Named() for _ in range(3)], sorted([Named() for _ in range(5)], key=id))

async def nap(n):
    await asyncio.sleep(random.random())
    print(n, time.monotonic())
async def main():
    await asyncio.gather(*map(nap, range(5)))
asyncio.run(main())

with open("/tmp/file", "w") as file: file.write("x")
os.makedirs("/tmp/folder", exist_ok=True)
print(os.stat("/tmp/file"), os.stat("/tmp"), os.stat("/usr/lib/python3.14/os.py"), os.listdir("/"))
print(os.stat("/data/file").st_ino, os.stat("/data/file").st_dev)
print(dict(os.environ), sys.argv, sys.flags, sys.version, sys.path, os.uname() if hasattr(os, "uname") else "")
try: 1 / 0
except ZeroDivisionError as e: print(e.__traceback__, repr(e), id(e))
"""


def outcome(box: Sandbox) -> tuple[bytes, bytes, Any]:
    first = box.run(PROGRAM, fresh=True).check()
    second = box.run(PROGRAM + "\nprint(uuid.uuid4())", fresh=True).check()
    return first.stdout_bytes, second.stdout_bytes, box.call("random:random").check().value


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "file").write_bytes(b"x")
    return folder


def test_runs_repeat_byte_for_byte(image: Image, data: Path) -> None:
    options = load_profile("deterministic").sandbox_options() | {"image": image}
    options |= {"scratch": Scratch(), "mounts": [Mount(data, "/data")]}
    kinds = [{"engine": "wasmtime"}]
    if is_compiled("native", image):
        kinds.append({"engine": "native"})
    if sys.platform == "linux":
        kinds.append({"engine": "wasmtime", "isolation": "process"})
    outcomes = []
    for kind in kinds:
        for _ in range(2):
            with Sandbox(**(options | kind)) as box:
                outcomes.append(outcome(box))
                box.reset()
                outcomes.append(outcome(box))
    first, second, value = outcomes[0]
    assert b"datetime.datetime" not in first and b"2026-01-01 00:00:0" in first
    assert first != second, "within a session time and randomness go on"
    assert 0 <= value < 1
    for other in outcomes[1:]:
        assert other[0].splitlines() == first.splitlines()
        assert other == outcomes[0]


def test_another_seed_is_another_run(sandbox: Any) -> None:
    code = "import random, uuid; (random.random(), uuid.uuid4())"
    values = {sandbox(random_seed=seed).run(code).check().value for seed in (0, 1, 2, 0)}
    assert len(values) == 3


def test_by_default_nothing_repeats(sandbox: Any) -> None:
    code = "import random, uuid, time; (random.random(), uuid.uuid4(), time.time_ns())"
    seen = [sandbox().run(code).check().value for _ in range(3)]
    for column in zip(*seen, strict=True):
        assert len(set(column)) == 3


def test_a_time_of_the_guests_own(sandbox: Any) -> None:
    box = sandbox(clock=GuestClock(start=START, resolution=0.25))
    code = "import time, datetime\n[datetime.datetime.now(datetime.UTC) for _ in range(3)]"
    steps = [moment - START for moment in box.run(code).check().value]
    assert [(b - a).total_seconds() for a, b in pairwise(steps)] == [0.25, 0.25]
    slept = "a = time.time(); time.sleep(3600); b = time.time(); b - a"
    result = box.run(slept).check()
    assert 3600 <= result.value <= 3602
    assert result.usage.wall_seconds < 60
    box.reset()
    assert [moment - START for moment in box.run(code).check().value] == steps
    # However long it sleeps, the time stays one that Python can say.
    assert box.run("time.sleep(9e9); time.sleep(9e9); time.time_ns()").check().value < 1 << 63


def test_coarse_clocks(sandbox: Any) -> None:
    box = sandbox(clock=GuestClock(resolution=0.05))
    clocks = ("time_ns", "monotonic_ns", "perf_counter_ns", "process_time_ns")
    for name in clocks:
        code = f"import time\n[time.{name}() for _ in range(2000)]"
        values = box.run(code).check().value
        assert all(value % 50_000_000 == 0 for value in values), name
        assert values == sorted(values)
    assert box.run("time.get_clock_info('monotonic').resolution").check().value == 0.05
    now = datetime.datetime.now(datetime.UTC).timestamp()
    assert abs(box.run("time.time()").check().value - now) < 30
    result = box.run("a = time.monotonic(); time.sleep(0.2); time.monotonic() - a").check()
    assert result.value >= 0.15
    assert result.usage.wall_seconds >= 0.15


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": 0}, "must be a number of seconds from 1e-9 to 3600, not 0"),
        ({"resolution": float("nan")}, "from 1e-9 to 3600, not nan"),
        ({"resolution": "1ms"}, "must be a number of seconds from 1e-9 to 3600, not '1ms'"),
        ({"start": datetime.datetime(2026, 1, 1)}, "needs a time zone"),
        (
            {"start": datetime.datetime(1969, 1, 1, tzinfo=datetime.UTC)},
            "must be from 1970 to 2499",
        ),
        ({"start": "2026-01-01"}, "must be a datetime, not str"),
    ],
)
def test_clocks_that_cannot_be(options: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        GuestClock(**options)


@pytest.mark.parametrize("seed", [-1, True, 1.5, "x", 2**64])
def test_seeds_that_cannot_be(sandbox: Any, seed: Any) -> None:
    with pytest.raises(
        UsageError, match=f"random_seed must be a whole number from 0 to {2**64 - 1}"
    ):
        sandbox(random_seed=seed)
