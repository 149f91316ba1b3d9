"""Run hundreds of thousands of mixed programs and watch the process: ``soak.py [--runs N]``.

Two threads with a sandbox each run programs that succeed, fail, meet every limit, are cancelled,
crash or raise in host functions; sandboxes are reset, closed and made anew in between. Every
outcome is checked. The table shows what the process holds; after the warm-up it must stay flat.
"""

from __future__ import annotations

import argparse
import gc
import logging
import queue
import random
import resource
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from coilbox import (
    GuestCancelled,
    GuestException,
    GuestTrap,
    Image,
    Limits,
    MemoryLimitExceeded,
    Mount,
    OutputLimitExceeded,
    Sandbox,
    Scratch,
    TimeLimitExceeded,
    open_image,
)

LIMITS = Limits(wall_seconds=20, memory_bytes=64 << 20, output_bytes=64 << 10)
SPIN = 0.005
# The last part of a run is compared with what the process held after this part of it.
WARM_UP = 0.2


class Figures(NamedTuple):
    """What the process holds: KiB of memory, and numbers of things."""

    rss: int
    pss: int
    dirty: int
    descriptors: int
    mappings: int
    threads: int


def figures() -> Figures:
    gc.collect()
    sizes = {}
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]:
        name, value, *_ = line.split()
        sizes[name] = int(value)
    return Figures(
        sizes["Rss:"],
        sizes["Pss:"],
        sizes["Private_Dirty:"],
        len(list(Path("/proc/self/fd").iterdir())),
        len(Path("/proc/self/maps").read_text().splitlines()),
        len(list(Path("/proc/self/task").iterdir())),
    )


class HostStop(BaseException):
    """What a host function raises that no ``except Exception`` takes."""


class Canceller:
    """A thread that cancels sandboxes shortly after it is told to."""

    def __init__(self) -> None:
        self._wanted: queue.SimpleQueue[Sandbox | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while (box := self._wanted.get()) is not None:
            time.sleep(SPIN / 2)
            box.cancel()

    def soon(self, box: Sandbox) -> None:
        self._wanted.put(box)

    def stop(self) -> None:
        self._wanted.put(None)
        self._thread.join()


class Worker:
    """One thread's sandbox and what it does with it."""

    def __init__(self, image: Image, engine: str, isolation: str, folder: Path, seed: int) -> None:
        self._chance = random.Random(seed)
        self._options = {
            "image": image,
            "engine": engine,
            "isolation": isolation,
            "limits": LIMITS,
            "functions": {"add": lambda a, b: a + b, "fail": self._fail, "stop": self._stop},
            "mounts": [Mount(folder, "/data")],
            "scratch": Scratch(),
        }
        self._canceller = Canceller()
        self._box = self._fresh()
        self.done: Counter[str] = Counter()

    def _fresh(self) -> Sandbox:
        return Sandbox(**self._options)  # type: ignore[arg-type]

    def _fail(self) -> None:
        raise ValueError("raised by a host function")

    def _stop(self) -> None:
        raise HostStop

    def step(self) -> None:
        """One run, its outcome checked, and what a user would do after it."""
        kind = self._chance.choices(KINDS, WEIGHTS)[0]
        stopped = getattr(self, kind)(self._box)
        self.done[kind] += 1
        if stopped or self._chance.random() < 0.05:
            self._box.reset()
            self.done["resets"] += 1
        if self._chance.random() < 0.02:
            self._box.close()
            self._box = self._fresh()
            self.done["new sandboxes"] += 1

    def close(self) -> None:
        self._box.close()
        self._canceller.stop()

    def value(self, box: Sandbox) -> bool:
        number = self._chance.randrange(1000)
        assert box.run(f"{number} * 2").value == number * 2
        return False

    def output(self, box: Sandbox) -> bool:
        result = box.run("for i in range(50): print('line', i)")
        assert result.stdout_bytes.count(b"\n") == 50
        return False

    def session(self, box: Sandbox) -> bool:
        box.run("import json\ndef twice(v): return json.loads(json.dumps([v, v]))").check()
        assert box.call("__main__:twice", {"a": [1, 2]}).value == [{"a": [1, 2]}] * 2
        return False

    def files(self, box: Sandbox) -> bool:
        code = "open('/tmp/f', 'w').write(open('/data/f').read() * 100); len(open('/tmp/f').read())"
        assert box.run(code).value == 1200
        return False

    def allocate(self, box: Sandbox) -> bool:
        assert len(box.run("bytes(3_000_000)").check().value) == 3_000_000
        return False

    def stream(self, box: Sandbox) -> bool:
        with box.stream("for i in range(5): print(i, flush=True)") as run:
            assert b"".join(piece.data for piece in run) == b"0\n1\n2\n3\n4\n"
        return False

    def host_call(self, box: Sandbox) -> bool:
        code = "from coilbox import host\nsum(host.add(i, 1) for i in range(10))"
        assert box.run(code).value == 55
        return False

    def host_error(self, box: Sandbox) -> bool:
        error = box.run("from coilbox import host\nhost.fail()").error
        assert isinstance(error, GuestException), error
        assert "raised by" not in str(error)
        return False

    def host_stop(self, box: Sandbox) -> bool:
        try:
            box.run("from coilbox import host\nhost.stop()")
        except HostStop:
            return True
        raise AssertionError("the host function's exception did not come out")

    def error(self, box: Sandbox) -> bool:
        error = box.run("def f(n): return f(n - 1) if n else 1 / 0\nf(30)").error
        assert isinstance(error, GuestException)
        assert error.type == "ZeroDivisionError"
        return False

    def syntax(self, box: Sandbox) -> bool:
        error = box.run("def f(:\n").error
        assert isinstance(error, GuestException)
        assert error.type == "SyntaxError"
        return False

    def recursion(self, box: Sandbox) -> bool:
        error = box.run("def f(): return f()\nf()").error
        assert isinstance(error, GuestException)
        assert error.type == "RecursionError"
        return False

    def leave(self, box: Sandbox) -> bool:
        assert box.run("import sys; sys.exit(3)").exit_code == 3
        return False

    def kill(self, box: Sandbox) -> bool:
        assert box.run("import os; os._exit(5)").exit_code == 5
        return True

    def trap(self, box: Sandbox) -> bool:
        assert isinstance(box.run("import os; os.abort()").error, GuestTrap)
        return True

    def time_limit(self, box: Sandbox) -> bool:
        result = box.run("while True: pass", timeout=SPIN)
        assert isinstance(result.error, TimeLimitExceeded), result
        return True

    def sleep_limit(self, box: Sandbox) -> bool:
        result = box.run("import time; time.sleep(10)", timeout=SPIN)
        assert isinstance(result.error, TimeLimitExceeded), result
        return True

    def memory_limit(self, box: Sandbox) -> bool:
        assert isinstance(box.run("x = bytes(1 << 27)").error, MemoryLimitExceeded)
        return True

    def slow_memory_limit(self, box: Sandbox) -> bool:
        result = box.run("x = []\nwhile True: x.append(bytes(1 << 22))")
        assert isinstance(result.error, MemoryLimitExceeded), result
        return True

    def output_limit(self, box: Sandbox) -> bool:
        result = box.run("while True: print('x' * 1000)")
        assert isinstance(result.error, OutputLimitExceeded)
        assert len(result.stdout_bytes) == LIMITS.output_bytes
        return True

    def cancel(self, box: Sandbox) -> bool:
        self._canceller.soon(box)
        assert isinstance(box.run("while True: pass").error, GuestCancelled)
        return True


# How often each kind comes; those that take a core for a while are rare.
MIX = {
    **dict.fromkeys(("value", "error"), 30),
    **dict.fromkeys(("output", "host_call", "host_error"), 10),
    **dict.fromkeys(("session", "files", "syntax", "leave"), 5),
    **dict.fromkeys(("allocate", "recursion", "host_stop", "kill", "trap"), 2),
    **dict.fromkeys(("memory_limit", "output_limit", "time_limit", "sleep_limit", "cancel"), 2),
    **dict.fromkeys(("stream", "slow_memory_limit"), 1),
}
KINDS, WEIGHTS = list(MIX), list(MIX.values())


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "f").write_text("twelve bytes")
        yield Path(name)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the log of what host functions raised, which would be most of the output."""
    log = logging.getLogger("coilbox.bridge")
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = False


def soak(
    image: Image,
    engine: str,
    runs: int,
    *,
    threads: int = 2,
    seed: int = 1,
    isolation: str = "none",
) -> tuple[Figures, Figures, Counter[str]]:
    """Do ``runs`` runs; print a table; what the process held after the warm-up and at the end."""
    rows: list[Figures] = []
    rounds = 20
    with _quiet(), _folder() as folder:
        workers = [
            Worker(image, engine, isolation, folder, seed + number) for number in range(threads)
        ]
        print(f"{'runs':>8} {'s':>6} " + " ".join(f"{n:>11}" for n in Figures._fields))
        start = time.monotonic()
        for number in range(1, rounds + 1):
            _in_threads([_steps(worker, runs // rounds // threads) for worker in workers])
            rows.append(figures())
            text = " ".join(f"{value:>11}" for value in rows[-1])
            done = runs * number // rounds
            print(f"{done:>8} {time.monotonic() - start:>6.0f} {text}", flush=True)
        for worker in workers:
            worker.close()
    total = sum((worker.done for worker in workers), Counter[str]())
    return rows[int(rounds * WARM_UP)], rows[-1], total


def _steps(worker: Worker, count: int) -> Callable[[], None]:
    def work() -> None:
        for _ in range(count):
            worker.step()

    return work


def _in_threads(tasks: list[Callable[[], None]]) -> None:
    errors: list[BaseException] = []

    def guarded(task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=[task]) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--isolation", default="none", choices=("none", "process"))
    parser.add_argument("--image")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    image = open_image(options.image)
    before, after, total = soak(
        image,
        options.engine,
        options.runs,
        threads=options.threads,
        seed=options.seed,
        isolation=options.isolation,
    )
    print(", ".join(f"{name} {count}" for name, count in sorted(total.items())))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    growth = Figures(*(b - a for a, b in zip(before, after, strict=True)))
    print(f"growth after the warm-up: {growth}; peak RSS {peak} KiB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
