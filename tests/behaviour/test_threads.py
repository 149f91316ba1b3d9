"""Many sandboxes on many threads, and the host's other threads while guests run."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from coilbox import EngineError, GuestCancelled, Image, Limits, Sandbox


def test_other_threads_run_while_a_guest_runs(box: Sandbox) -> None:
    begun = threading.Event()

    def tick() -> None:
        begun.wait()
        for _ in range(25):
            time.sleep(0.001)
        box.cancel()

    thread = threading.Thread(target=tick)
    thread.start()
    code = "print('begun', flush=True)\nwhile True: pass"
    result = box.run(code, timeout=300, on_stdout=lambda data: begun.set())
    thread.join()
    assert isinstance(result.error, GuestCancelled), "the GIL is free while the guest runs"


def test_guests_run_at_the_same_time(image: Image, engine: str) -> None:
    """Two guests wait for one another through host functions, so both must make progress."""
    barrier = threading.Barrier(2, timeout=300)

    def work(_: int) -> object:
        with Sandbox(image, engine=engine, functions={"meet": lambda: barrier.wait() >= 0}) as box:
            code = "from coilbox import host\nall([host.meet() for _ in range(200)])"
            return box.run(code).check().value

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, range(2))) == [True, True]


def test_many_sandboxes_on_many_threads(image: Image, engine: str) -> None:
    def work(n: int) -> int:
        with Sandbox(image, engine=engine) as box:
            box.run(f"base = {n}").check()
            for i in range(20):
                assert box.run(f"base + {i}").check().value == n + i
                assert box.run(f"import json; json.loads('[{n}]')[0]").value == n
            box.reset()
            assert box.run("'base' in globals()").value is False
        return n

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(work, range(64))) == list(range(64))


def test_many_idle_sandboxes_at_once(sandbox: Any) -> None:
    boxes = [sandbox() for _ in range(100)]
    for n, box in enumerate(boxes):
        box.run(f"mine = {n}").check()
    assert [box.run("mine").value for box in boxes] == list(range(100))


def test_stops_on_some_threads_leave_the_others_alone(image: Image, engine: str) -> None:
    def work(n: int) -> str:
        with Sandbox(image, engine=engine, limits=Limits(memory_bytes=96 << 20)) as box:
            if n % 3 == 0:
                return type(box.run("while True: pass", timeout=0.2).error).__name__
            if n % 3 == 1:
                return type(box.run("x = bytes(1 << 29)").error).__name__
            return str(box.run("sum(i * i for i in range(100_000))").check().value)

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(work, range(18)))
    expected = ["TimeLimitExceeded", "MemoryLimitExceeded", str(sum(i * i for i in range(100_000)))]
    assert outcomes == expected * 6


def test_a_sandbox_closed_on_another_thread_than_made(image: Image, engine: str) -> None:
    boxes = [Sandbox(image, engine=engine) for _ in range(10)]
    for box in boxes:
        box.run("x = 1").check()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(Sandbox.close, boxes))


@pytest.mark.parametrize("kib", [256, 512, 2048, 16_384])
def test_threads_with_any_stack_run_guests_or_refuse(image: Image, engine: str, kib: int) -> None:
    """A thread whose stack is too small for deep recursion in the guest gets a clear error."""
    outcomes: list[object] = []

    def work() -> None:
        with Sandbox(image, engine=engine) as box:
            try:
                code = "def f(): f()\ntry: f()\nexcept RecursionError: caught = 'caught'\ncaught"
                outcomes.append(box.run(code).check().value)
            except EngineError as error:
                outcomes.append(error)

    old = threading.stack_size(kib * 1024)
    try:
        thread = threading.Thread(target=work)
        thread.start()
    finally:
        threading.stack_size(old)
    thread.join()
    assert len(outcomes) == 1
    if isinstance(outcomes[0], EngineError):
        assert kib < 8192
        assert "threading.stack_size" in str(outcomes[0])
    else:
        assert outcomes == ["caught"]


def test_a_child_forked_while_another_thread_runs_a_guest(image: Image) -> None:
    """The child drops the other thread's sandbox, whose guest is in the middle of a run there."""
    program = """
import gc, os, sys, threading
from coilbox import Sandbox, open_image

image = open_image(sys.argv[1])
started = threading.Event()

def run():
    sandbox = Sandbox(image, engine="wasmtime", functions={"start": started.set})
    cancels.append(sandbox.cancel)
    sandbox.run("from coilbox import host; host.start()\\nwhile True: pass")
    sandbox.close()

cancels = []
thread = threading.Thread(target=run)
thread.start()
started.wait()
child = os.fork()
if child == 0:
    cancels.clear()
    gc.collect()
    with Sandbox(image, engine="wasmtime") as sandbox:
        os._exit(sandbox.run("42").value)
cancels[0]()
thread.join()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, f"{image.path}/"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("42\n", "")
