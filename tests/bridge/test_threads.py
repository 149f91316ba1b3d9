"""The threads of host functions, on a machine that has no room for one more."""

from __future__ import annotations

import threading

import pytest

from coilbox.bridge.threads import LoopThread, Pool


@pytest.mark.parametrize("kind", [LoopThread, Pool])
def test_a_thread_that_cannot_be_started(
    kind: type[LoopThread | Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks is told, and the next job finds a thread."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    threads = kind()
    done = threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="can't start"):
                threads.submit(lambda: None)
    threads.submit(done.set)
    assert done.wait(60)


def test_jobs_that_find_no_thread_of_their_own_are_done_by_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    pool = Pool()
    go_on, done = threading.Event(), threading.Event()

    def occupy() -> None:
        go_on.wait(60)

    pool.submit(occupy)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        pool.submit(done.set)
    go_on.set()
    assert done.wait(60)
