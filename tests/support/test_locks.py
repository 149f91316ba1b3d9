"""Locks and forks: a child is not held up by what another thread of its parent held."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from coilbox.support.cache import Cache
from coilbox.support.locks import ForkSafeLock


def in_child(work: Callable[[], bool]) -> bool:
    """Whether a forked child did the work and found it right; one that hangs is ended."""
    pid = os.fork()
    if pid == 0:
        threading.Timer(20, os._exit, (9,)).start()
        try:
            os._exit(0 if work() else 1)
        except BaseException:
            os._exit(2)
    return os.waitpid(pid, 0)[1] == 0


def held_elsewhere(enter: Callable[[threading.Event, threading.Event], None]) -> threading.Event:
    held, release = threading.Event(), threading.Event()
    threading.Thread(target=enter, args=(held, release)).start()
    assert held.wait(20)
    return release


def test_a_child_takes_what_a_thread_of_its_parent_held() -> None:
    lock = ForkSafeLock()

    def hold(held: threading.Event, release: threading.Event) -> None:
        with lock:
            held.set()
            release.wait(20)

    def take() -> bool:
        with lock, lock:  # as a signal handler does that interrupts it
            return True

    release = held_elsewhere(hold)
    try:
        assert in_child(take)
    finally:
        release.set()


def test_a_child_does_not_keep_a_lock_of_the_cache(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    go, done = os.pipe(), os.pipe()
    with cache.lock("x"):
        pid = os.fork()
        if pid == 0:  # a child that outlives the lock, as workers of a server do
            os.read(go[0], 1)
            os._exit(0)
        with cache.lock_if_free("x") as free:
            assert not free
    try:
        with cache.lock_if_free("x") as free:
            assert free
    finally:
        os.write(go[1], b"x")
        os.waitpid(pid, 0)
        for end in (*go, *done):
            os.close(end)


def test_a_child_waits_for_its_parent(tmp_path: Path) -> None:
    """What the parent holds stays the parent's, and is free for the child afterwards."""
    cache = Cache(tmp_path / "cache")

    def refused() -> bool:
        with cache.lock_if_free("x") as free:
            return not free

    with cache.lock("x"):
        assert in_child(refused)
    assert not in_child(refused)


def test_shared_locks(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    shared = cache.lock("x", shared=True)
    with cache.lock("x", shared=True), shared, cache.lock_if_free("x") as free:
        assert not free
    with cache.lock_if_free("x") as free:
        assert free


def test_a_fork_waits_for_a_late_import() -> None:
    """A child could never import what another thread was importing when it was forked."""
    program = """
import os, threading
from coilbox.support.locks import importing

entered, order = threading.Event(), []

def work():
    with importing:
        entered.set()
        threading.Event().wait(0.2)
        order.append("imported")

thread = threading.Thread(target=work)
thread.start()
entered.wait()
child = os.fork()
if child == 0:
    with importing:
        os._exit(len(order))
thread.join()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("1\n", "")
