"""Clocks, sleeping and randomness."""

from __future__ import annotations

import struct
import threading
import time
from typing import Any

import pytest

from coilbox.mounts import Scratch
from coilbox.wasi import StopSignal
from coilbox.wasi import constants as c

from .conftest import Guest

RESULT, SUBSCRIPTIONS, EVENTS, BUFFER = 64, 1024, 32768, 65536
ABSOLUTE = 1


class FixedClock:
    """A clock that moves only when the guest sleeps."""

    resolution = 1000
    cpu_zero = 0

    def __init__(self) -> None:
        self.time = 1_700_000_000_000_000_000

    def realtime(self) -> int:
        return self.time

    def monotonic(self) -> int:
        return self.time - 1_700_000_000_000_000_000

    def cpu(self) -> int:
        return 0

    def wait(self, duration: int, stop: threading.Event | None) -> bool:
        self.time += duration
        return False


class Counting:
    def __init__(self) -> None:
        self.lengths: list[int] = []

    def read(self, length: int) -> bytes:
        self.lengths.append(length)
        return b"\x07" * length


def clock(user: int, clock_id: int, timeout: int, flags: int = 0) -> bytes:
    return struct.pack("<QB7xI4xQQH6x", user, c.EVENT_CLOCK, clock_id, timeout, 0, flags)


def ready(user: int, tag: int, fd: int) -> bytes:
    return struct.pack("<QB7xI28x", user, tag, fd)


def poll(guest: Guest, *subscriptions: bytes) -> list[tuple[int, int, int, int]] | int:
    guest.write(SUBSCRIPTIONS, b"".join(subscriptions))
    if guest.call("poll_oneoff", SUBSCRIPTIONS, EVENTS, len(subscriptions), RESULT):
        return -guest.error
    data = guest.read(EVENTS, 32 * guest.u32())
    return [item[:4] for item in struct.iter_unpack("<QHB5xQH6x", data)]


def now(guest: Guest, clock_id: int) -> int:
    assert guest.call("clock_time_get", clock_id, 0, RESULT) == 0
    return guest.u64()


def test_clocks(make_guest: Any) -> None:
    guest = make_guest()
    before, real, after = time.time_ns(), now(guest, c.CLOCK_REALTIME), time.time_ns()
    assert before - 10**9 <= real <= after + 10**9
    first = now(guest, c.CLOCK_MONOTONIC)
    assert 10**9 <= first < 1000 * 10**9, "it does not tell for how long the host has run"
    assert now(guest, c.CLOCK_MONOTONIC) >= first
    for clock_id in range(4):
        assert guest.call("clock_res_get", clock_id, RESULT) == 0
        assert guest.u64() == 1
    for clock_id in (4, 0xFFFFFFFF):
        assert guest.call("clock_res_get", clock_id, RESULT) == c.EINVAL
        assert guest.call("clock_time_get", clock_id, 0, RESULT) == c.EINVAL


def test_cpu_time_is_the_threads_since_its_zero(make_guest: Any) -> None:
    guest = make_guest()
    guest.wasi.clock.cpu_zero = zero = time.thread_time_ns()
    for clock_id in (c.CLOCK_PROCESS_CPU, c.CLOCK_THREAD_CPU):
        assert 0 <= now(guest, clock_id) <= time.thread_time_ns() - zero
    guest.wasi.clock.cpu_zero = time.thread_time_ns() + 10**9
    assert now(guest, c.CLOCK_PROCESS_CPU) == 0, "never below"


def test_a_clock_of_ones_own(make_guest: Any) -> None:
    guest = make_guest(clock=FixedClock(), scratch=Scratch("/w"))
    start = now(guest, c.CLOCK_REALTIME)
    assert poll(guest, clock(5, c.CLOCK_MONOTONIC, 3600 * 10**9)) == [(5, 0, 0, 0)]
    assert now(guest, c.CLOCK_REALTIME) == start + 3600 * 10**9
    guest.create("w/a")
    assert guest.stat("w/a").mtime == start + 3600 * 10**9


def test_sleep(make_guest: Any) -> None:
    guest = make_guest()
    start = time.monotonic()
    assert poll(guest, clock(7, c.CLOCK_MONOTONIC, 30_000_000)) == [(7, 0, 0, 0)]
    assert time.monotonic() - start >= 0.03
    target = now(guest, c.CLOCK_REALTIME) + 20_000_000
    assert poll(guest, clock(8, c.CLOCK_REALTIME, target, ABSOLUTE)) == [(8, 0, 0, 0)]
    assert now(guest, c.CLOCK_REALTIME) >= target - 1_000_000
    past = clock(9, c.CLOCK_REALTIME, 1, ABSOLUTE)
    assert poll(guest, past, clock(10, c.CLOCK_MONOTONIC, 2**64 - 1)) == [(9, 0, 0, 0)]


def test_sleep_ends_when_the_guest_is_stopped(make_guest: Any) -> None:
    stop = StopSignal()
    guest = make_guest(stop=stop)
    timer = threading.Timer(0.05, stop.set)
    timer.start()
    assert poll(guest, clock(1, c.CLOCK_MONOTONIC, 2**64 - 1)) == -c.EINTR
    timer.join()


def test_descriptors_are_ready_at_once(make_guest: Any) -> None:
    guest = make_guest(stdin=b"12345", scratch=Scratch("/w"))
    guest.create("w/a", b"123")
    file = guest.open("w/a")
    long = clock(1, c.CLOCK_MONOTONIC, 2**63)
    assert poll(guest, long, ready(2, c.EVENT_FD_READ, 0)) == [(2, 0, 1, 5)]
    assert poll(guest, long, ready(3, c.EVENT_FD_WRITE, 1)) == [(3, 0, 2, 1)]
    assert poll(guest, ready(4, c.EVENT_FD_READ, file)) == [(4, 0, 1, 3)]
    assert poll(guest, ready(5, c.EVENT_FD_READ, 99)) == [(5, c.EBADF, 1, 0)]
    assert poll(guest, ready(6, c.EVENT_FD_READ, 3)) == [(6, c.ENOTCAPABLE, 1, 0)]
    assert poll(guest, clock(7, 9, 0)) == [(7, c.EINVAL, 0, 0)]
    assert poll(guest, clock(7, c.CLOCK_THREAD_CPU, 0)) == [(7, c.ENOTSUP, 0, 0)]
    assert poll(guest, ready(8, 3, 0)) == -c.EINVAL
    assert poll(guest) == -c.EINVAL
    assert guest.call("poll_oneoff", SUBSCRIPTIONS, EVENTS, 1025, RESULT) == c.EINVAL


@pytest.mark.parametrize("length", [0, 1, 65536, 65537, 300_000])
def test_random(make_guest: Any, length: int) -> None:
    entropy = Counting()
    guest = make_guest(entropy=entropy)
    assert guest.call("random_get", BUFFER, length) == 0
    assert guest.read(BUFFER, length + 1) == b"\x07" * length + b"\0"
    assert max(entropy.lengths) <= 65536


def test_random_is_random(make_guest: Any) -> None:
    guest = make_guest()
    assert guest.call("random_get", BUFFER, 64) == 0
    first = guest.read(BUFFER, 64)
    assert guest.call("random_get", BUFFER, 64) == 0
    assert guest.read(BUFFER, 64) != first
    assert guest.call("random_get", BUFFER, 0xFFFFFFFF) == c.EFAULT


def test_stop_before_and_during_the_wait() -> None:
    before = StopSignal()
    before.set()
    assert before.is_set()
    assert before.event().wait(0)

    during = StopSignal()
    event = during.event()
    assert not during.is_set()
    assert not event.is_set()
    threading.Timer(0.02, during.set).start()
    assert event.wait(10)
