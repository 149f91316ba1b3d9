"""Standard streams, the descriptor table, and what stops a guest."""

from __future__ import annotations

import io
import logging
import os
import struct
import threading
from collections.abc import Iterator
from typing import Any, BinaryIO

import pytest

from coilbox.engines.protocol import StopGuest
from coilbox.errors import UsageError
from coilbox.mounts import Scratch
from coilbox.wasi import WASI_IMPORTS, GuestExit, StopSignal
from coilbox.wasi import constants as c

RESULT, VECTOR, BUFFER = 64, 128, 65536


class Stopping:
    def write(self, data: bytes) -> None:
        raise StopGuest(ValueError("enough"))


class Broken:
    def write(self, data: bytes) -> None:
        raise OSError(28, "the caller's disk is full")


def test_output_streams(make_guest: Any) -> None:
    guest = make_guest()
    assert guest.send(1, b"out") == 3
    assert guest.send(2, b"err") == 3
    assert (guest.out.data, guest.err.data) == (b"out", b"err")
    guest.write(BUFFER, b"abcdef")
    guest.write(VECTOR, struct.pack("<6I", BUFFER, 2, 5, 0, BUFFER + 4, 2))
    assert guest.call("fd_write", 1, VECTOR, 3, RESULT) == 0
    assert guest.u32() == 4
    assert guest.out.data == b"outabef"
    assert guest.call("fd_write", 1, VECTOR, 0, RESULT) == 0
    assert guest.u32() == 0


def test_large_output_goes_in_pieces(make_guest: Any) -> None:
    class Pieces(list[int]):
        def write(self, data: bytes) -> None:
            self.append(len(data))

    pieces = Pieces()
    guest = make_guest(stdout=pieces)
    guest.write(VECTOR, struct.pack("<II", 0, 4 << 20))
    assert guest.call("fd_write", 1, VECTOR, 1, RESULT) == 0
    assert pieces == [1 << 20] * 4


def test_overlapping_buffers_end_at_two_gib(make_guest: Any) -> None:
    stop = StopSignal()

    class Stop:
        def write(self, data: bytes) -> None:
            stop.set()

    guest = make_guest(stdout=Stop(), stop=stop)
    guest.memory[4096 : 4096 + 8 * 1024] = struct.pack("<II", 0, 4 << 20) * 1024
    assert guest.call("fd_write", 1, 4096, 1024, RESULT) == 0
    assert guest.u32() == 1 << 20
    assert guest.call("fd_write", 1, 4096, 1025, RESULT) == c.EINVAL


def test_what_streams_are(make_guest: Any) -> None:
    guest = make_guest()
    for fd in (0, 1, 2):
        filetype, flags, rights, inheriting = guest.fdstat(fd)
        # libc's isatty asks for a character device.
        assert (filetype, flags, inheriting) == (c.TYPE_UNKNOWN, 0, 0)
        assert bool(rights & c.RIGHT_FD_READ) == (fd == 0)
        assert bool(rights & c.RIGHT_FD_WRITE) == (fd != 0)
        assert not rights & (c.RIGHT_FD_SEEK | c.RIGHT_FD_TELL)
        assert guest.call("fd_seek", fd, 0, c.WHENCE_CUR, RESULT) == c.ESPIPE
        assert guest.call("fd_tell", fd, RESULT) == c.ESPIPE
        assert guest.call("fd_filestat_set_size", fd, 0) == c.ESPIPE
        assert guest.receive(fd, offset=0) == -c.ESPIPE
        assert guest.send(fd, b"x", offset=0) == -c.ESPIPE
        assert guest.call("fd_filestat_get", fd, RESULT) == 0
        assert guest.call("fd_prestat_get", fd, RESULT) == c.EBADF
    assert guest.send(0, b"x") == -c.EBADF
    assert guest.receive(1) == -c.EBADF
    assert guest.call("fd_sync", 1) == 0


@pytest.mark.parametrize("kind", ["bytes", "file", "callable"])
def test_input(make_guest: Any, kind: str) -> None:
    data = b"0123456789"
    pieces = iter([b"01234", b"56789", b""])
    sources = {"bytes": data, "file": io.BytesIO(data), "callable": lambda n: next(pieces)}
    guest = make_guest(stdin=sources[kind])
    assert guest.receive(0, 0) == b""
    got = b""
    while piece := guest.receive(0, 3):
        assert len(piece) <= 3
        got += piece
    assert got == data
    assert guest.receive(0, 3) == b"" if kind != "callable" else True


@pytest.fixture(params=["raw", "buffered"])
def pipe(request: pytest.FixtureRequest) -> Iterator[tuple[BinaryIO, int]]:
    """A file to read from and the descriptor to write to."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0 if request.param == "raw" else -1) as file:
        yield file, writing
        os.close(writing)


def test_the_wait_for_input_ends_when_the_guest_is_stopped(
    make_guest: Any, pipe: tuple[BinaryIO, int]
) -> None:
    stop = StopSignal()
    guest = make_guest(stdin=pipe[0], stop=stop)
    timer = threading.Timer(0.1, stop.set)
    timer.start()
    assert guest.receive(0) == -c.EINTR
    timer.join()


def test_input_comes_as_it_is_written(make_guest: Any, pipe: tuple[BinaryIO, int]) -> None:
    file, writing = pipe
    guest = make_guest(stdin=file, stop=StopSignal())
    for text in (b"one", b"two"):
        timer = threading.Timer(0.05, os.write, (writing, text))
        timer.start()
        assert guest.receive(0) == text
        timer.join()
    os.write(writing, b"123456")
    assert guest.receive(0, 2) == b"12"
    assert guest.receive(0) == b"3456"
    assert os.get_blocking(file.fileno())


def test_what_a_reader_has_read_ahead_is_not_waited_for(make_guest: Any) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as file:
        os.write(writing, b"line\nrest")
        assert file.readline() == b"line\n"
        guest = make_guest(stdin=file, stop=StopSignal())
        assert guest.receive(0, 3) == b"res"
        assert guest.receive(0, 3) == b"t"
        os.close(writing)
        assert guest.receive(0) == b""
        assert os.get_blocking(file.fileno())


def test_no_input(make_guest: Any) -> None:
    assert make_guest(stdin=None).receive(0) == b""


def test_input_is_not_lost_to_a_bad_address(make_guest: Any) -> None:
    guest = make_guest(stdin=io.BytesIO(b"kept"))
    guest.write(VECTOR, struct.pack("<II", 0xFFFF0000, 10))
    assert guest.call("fd_read", 0, VECTOR, 1, RESULT) == c.EFAULT
    assert guest.receive(0) == b"kept"


def test_callers_own_errors_come_out(make_guest: Any) -> None:
    def stdin(length: int) -> bytes:
        raise ZeroDivisionError

    guest = make_guest(stdin=stdin, stdout=Stopping(), stderr=Broken())
    with pytest.raises(ZeroDivisionError):
        guest.receive(0)
    with pytest.raises(StopGuest):
        guest.send(1, b"x")
    with pytest.raises(OSError, match="the caller's disk is full"):
        guest.send(2, b"x")
    wrong = make_guest(stdin=lambda length: "text")
    with pytest.raises(UsageError, match="stdin must give bytes, but gave str"):
        wrong.receive(0)


def test_keyboard_interrupt_comes_out(make_guest: Any) -> None:
    class Interrupted:
        def write(self, data: bytes) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_guest(stdout=Interrupted()).send(1, b"x")


def test_a_bug_is_an_error_number_and_a_record(
    make_guest: Any, caplog: pytest.LogCaptureFixture
) -> None:
    guest = make_guest()
    guest.wasi.clock = None
    with caplog.at_level(logging.ERROR, "coilbox.wasi"):
        assert guest.call("clock_time_get", 1, 0, RESULT) == c.EIO
    assert "a bug of coilbox in clock_time_get: the guest gets EIO" in caplog.text


def test_proc_exit(make_guest: Any) -> None:
    guest = make_guest()
    with pytest.raises(StopGuest) as caught:
        guest.call("proc_exit", 0xFFFFFFFF)
    assert isinstance(caught.value.reason, GuestExit)
    assert caught.value.reason.code == 0xFFFFFFFF


def test_arguments_and_environment_are_empty(make_guest: Any) -> None:
    guest = make_guest()
    for name in ("args", "environ"):
        guest.write(RESULT, b"\xff" * 8)
        assert guest.call(f"{name}_sizes_get", RESULT, RESULT + 4) == 0
        assert guest.u64() == 0
        assert guest.call(f"{name}_get", 0, 0) == 0


def test_preopened_directory(make_guest: Any) -> None:
    guest = make_guest()
    assert guest.call("fd_prestat_get", 3, RESULT) == 0
    assert guest.read(RESULT, 8) == struct.pack("<II", 0, 1)
    assert guest.call("fd_prestat_dir_name", 3, RESULT, 1) == 0
    assert guest.read(RESULT, 1) == b"/"
    assert guest.call("fd_prestat_dir_name", 3, RESULT, 0) == c.ENAMETOOLONG
    assert guest.call("fd_prestat_get", 4, RESULT) == c.EBADF
    assert guest.call("fd_close", 3) == c.ENOTSUP
    assert guest.call("fd_renumber", 3, 1) == c.ENOTSUP
    assert guest.call("fd_renumber", 1, 3) == c.ENOTSUP
    assert guest.call("fd_renumber", 3, 3) == c.ENOTSUP
    assert guest.listdir() == {}


def test_renumbering(make_guest: Any) -> None:
    guest = make_guest(scratch=Scratch("/w"))
    file = guest.open("w/log", "w", oflags=c.O_CREAT)
    other = guest.open("w/other", "w", oflags=c.O_CREAT)
    assert guest.call("fd_renumber", file, 1) == 0
    assert guest.send(1, b"to the file") == 11
    assert guest.call("fd_renumber", file, 2) == c.EBADF
    assert guest.call("fd_renumber", 1, file) == c.EBADF
    assert guest.call("fd_renumber", 1, 4_000_000_000) == c.EBADF
    assert guest.call("fd_renumber", other, other) == 0
    assert guest.call("fd_renumber", 1, other) == 0
    assert guest.send(1, b"x") == -c.EBADF
    assert guest.content("w/log") == b"to the file"
    assert guest.out.data == b""


def test_each_run_has_its_own_streams(make_guest: Any) -> None:
    guest = make_guest(scratch=Scratch("/w"))
    assert guest.call("fd_close", 1) == 0
    assert guest.call("fd_close", 0) == 0
    assert guest.call("fd_close", 0) == c.EBADF
    file = guest.open("w/x", "w", oflags=c.O_CREAT)
    assert file == 4
    assert guest.call("fd_renumber", file, 2) == 0
    guest.wasi.begin_run(stdin=b"new", stdout=guest.out, stderr=guest.err)
    assert guest.send(1, b"out") == guest.send(2, b"err") == 3
    assert guest.receive(0) == b"new"
    assert (guest.out.data, guest.err.data) == (b"out", b"err")


def test_sockets_and_signals(make_guest: Any) -> None:
    guest = make_guest()
    assert guest.call("sock_accept", 3, 0, RESULT) == c.ENOTSOCK
    assert guest.call("sock_recv", 0, VECTOR, 0, 0, RESULT, RESULT) == c.ENOTSOCK
    assert guest.call("sock_send", 1, VECTOR, 0, 0, RESULT) == c.ENOTSOCK
    assert guest.call("sock_shutdown", 9, 1) == c.EBADF
    assert guest.call("proc_raise", 9) == c.ENOSYS
    assert guest.call("sched_yield") == 0


def test_the_table_is_complete() -> None:
    assert len({item.name for item in WASI_IMPORTS}) == len(WASI_IMPORTS) == 46
    assert {item.result for item in WASI_IMPORTS if item.name != "proc_exit"} == {"i"}


def test_closing_twice(make_guest: Any) -> None:
    guest = make_guest(scratch=Scratch("/w"))
    guest.create("w/x", b"x")
    guest.wasi.close()
    guest.wasi.close()
    assert guest.send(1, b"x") == -c.EBADF
