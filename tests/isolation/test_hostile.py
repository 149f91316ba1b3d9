"""Whatever a worker sends, the host keeps its head: one sandbox ends, nothing else happens."""

from __future__ import annotations

import errno
import os
import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest

from coilbox import (
    CoilboxError,
    GuestProtocolError,
    Image,
    Limits,
    Mount,
    Sandbox,
    SandboxStoppedError,
    WorkerCrashed,
)
from coilbox.isolation import guest, wire
from coilbox.isolation.files import FileServer
from coilbox.wasi import constants as c

Behaviour = Callable[[socket.socket], None]


class FakeWorker:
    """A worker that does as it likes, on a thread."""

    pid = -1

    def __init__(self, behaviour: Behaviour) -> None:
        self.sock, self._theirs = socket.socketpair()
        self.ended = False
        self._behaviour = behaviour
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        channel = wire.Channel(self._theirs, 1 << 30)
        try:
            channel.receive()
            channel.send(wire.READY, [])
            channel.receive()
            self._behaviour(self._theirs)
        except (wire.Hangup, OSError):
            pass
        finally:
            self._theirs.close()

    def signal(self, number: int) -> None:
        pass

    def end(self) -> int:
        if not self.ended:
            self.ended = True
            self.sock.close()
            self._thread.join(30)
        return 0


def frame(kind: int, meta: object, data: bytes = b"") -> bytes:
    packed: bytes = msgpack.packb(meta)
    return struct.pack("<BII", kind, len(packed), len(data)) + packed + data


@pytest.fixture
def against(
    image: Image, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[[Behaviour], Any]]:
    """Run a request in a session whose worker is as given; the result."""
    boxes: list[Sandbox] = []
    monkeypatch.setattr(guest, "_GRACE", 0.5)

    def run(behaviour: Behaviour) -> Any:
        worker = FakeWorker(behaviour)
        monkeypatch.setattr(guest, "take_worker", lambda image, engine: worker)
        box = Sandbox(
            image,
            isolation="process",
            engine="wasmtime",
            mounts=[Mount(tmp_path, "/data")],
            limits=Limits(wall_seconds=5, output_bytes=1000, host_calls=5, value_bytes=1 << 20),
            functions={"echo": lambda *args: args},
        )
        boxes.append(box)
        result = box.run("1")
        with pytest.raises(SandboxStoppedError):
            box.run("2")
        return result

    yield run
    for box in boxes:
        box.close()


COUNTS = [30_000_000, 0, 0, 0, 0]


def done(*outcome: Any, counts: list[Any] = COUNTS, reply: bytes = b"") -> bytes:
    return frame(wire.DONE, [*outcome, counts], reply)


def described(name: str) -> bytes:
    return done("error", [name, "x", 0, 0])


STARTED = done("reply", None, reply=b"\x92\x00\xc0")
FRAMES = {
    "unknown kind": frame(99, None),
    "a kind of the host": frame(wire.REQUEST, {}),
    "a description too long": struct.pack("<BII", wire.DONE, 1 << 20, 0),
    "data too long": struct.pack("<BII", wire.OUTPUT, 0, 0xFFFFFFFF),
    "no MessagePack": struct.pack("<BII", wire.DONE, 3, 0) + b"\xc1\xc1\xc1",
    "half a list": struct.pack("<BII", wire.DONE, 1, 0) + b"\x92",
    "deep nesting": struct.pack("<BII", wire.DONE, 60000, 0) + b"\x91" * 60000,
    "a list that claims to be long": struct.pack("<BII", wire.DONE, 5, 0) + b"\xdd\xff\xff\xff\xff",
    "done with nothing": frame(wire.DONE, None),
    "done with too much": done("reply", None, 0),
    "done without counts": frame(wire.DONE, ["reply", None]),
    "an unknown outcome": done("fine", None),
    "done with an unknown error": described("SystemExit"),
    "an error of the caller": described("UsageError"),
    "an error that needs more": done("error", ["LimitExceeded"]),
    "a root class": described("GuestError"),
    "an exception of Python code": described("GuestException"),
    "a limit that is an exception": described("RecursionLimitExceeded"),
    "another name of the module": described("dataclass"),
    "a limit of text": done("error", ["TimeLimitExceeded", "x", "a", "b"]),
    "counts of text": done("reply", None, counts=["1", 0, 0, 0, 0]),
    "counts below 0": done("reply", None, counts=[-1, 0, 0, 0, 0]),
    "counts without end": done("reply", None, counts=[1 << 63, 0, 0, 0, 0]),
    "too few counts": done("reply", None, counts=[1]),
    "no answer about a scratch file": STARTED + frame(wire.SCRATCH_DONE, 0, b""),
    "an exit code": done("exit", -4),
    "an exit code of text": done("exit", "0"),
    "a reply that is none": STARTED + done("reply", None, reply=b"\x91\x07"),
    "an empty reply": STARTED + done("reply", None),
    "an unknown stream": frame(wire.OUTPUT, 2, b"x"),
    "a host call with a bad number": frame(wire.HOST_CALL, "echo", b""),
    "a negative host call": frame(wire.HOST_CALL, -1, b"\x92\x90\x80"),
    "an unknown host call": frame(wire.HOST_CALL, 7, b"\x92\x90\x80"),
    "a host call of garbage": frame(wire.HOST_CALL, 0, b"\xc1"),
    "stdin without end": frame(wire.STDIN, 1 << 40),
    "stdin of text": frame(wire.STDIN, "1"),
    "a file operation of nothing": frame(wire.FILE, []),
    "a release of what never was": frame(wire.RELEASE, 77),
    "a release of a mount": frame(wire.RELEASE, 0),
    "ready again": frame(wire.READY, []),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames(against: Any, name: str) -> None:
    def send(sock: socket.socket) -> None:
        sock.sendall(FRAMES[name])
        while sock.recv(1 << 16):
            pass

    assert type(against(send).error) is GuestProtocolError


@pytest.mark.parametrize("name", ["SetupError", "EngineError", "ImageError"])
def test_failures_of_the_machine_are_raised(against: Any, name: str) -> None:
    """As they are without isolation: they are no doing of the guest."""
    with pytest.raises(CoilboxError) as caught:
        against(lambda sock: sock.sendall(described(name)))
    assert type(caught.value).__name__ == name


def test_half_a_frame(against: Any) -> None:
    result = against(lambda sock: sock.sendall(STARTED[:-3]))
    assert isinstance(result.error, WorkerCrashed)


def test_more_output_than_the_limit(against: Any) -> None:
    def flood(sock: socket.socket) -> None:
        while True:
            sock.sendall(frame(wire.OUTPUT, 0, b"x" * 300))

    result = against(flood)
    assert type(result.error).__name__ == "OutputLimitExceeded"
    assert len(result.stdout) == 1000


def test_more_host_calls_than_the_limit(against: Any) -> None:
    def flood(sock: socket.socket) -> None:
        while True:
            sock.sendall(frame(wire.HOST_CALL, 0, b"\x92\x90\x80"))

    assert type(against(flood).error).__name__ == "HostCallLimitExceeded"


@pytest.mark.parametrize(
    "message", [frame(wire.OUTPUT, 0), frame(wire.FILE, [0, "stat_self"]), frame(wire.STDIN, 0)]
)
def test_messages_without_end(against: Any, message: bytes) -> None:
    """Keeping the host busy does not make the limit longer without end."""

    def flood(sock: socket.socket) -> None:
        sock.setblocking(False)
        while True:
            for direction in (lambda: sock.sendall(message), lambda: sock.recv(1 << 20)):
                try:
                    direction()
                except BlockingIOError:
                    continue

    result = against(flood)
    assert type(result.error).__name__ in ("TimeLimitExceeded", "GuestProtocolError")


def test_random_frames(against: Any) -> None:
    """Frames that are right but for some bytes."""
    source = random.Random(7)
    samples = [frame(wire.FILE, [0, "open", b"x", [True] * 5 + [None]]), *FRAMES.values()]
    for _ in range(60):
        noise = bytearray(b"".join(source.sample(samples, 3)))
        for _ in range(source.randrange(1, 6)):
            noise[source.randrange(len(noise))] = source.randrange(256)
        result = against(lambda sock, noise=noise: sock.sendall(noise))
        assert type(result.error).__name__ in (
            "GuestProtocolError", "WorkerCrashed", "TimeLimitExceeded", "OutputLimitExceeded",
            "NoneType",
        )  # fmt: skip


# -- files --------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "inside"
    (inside / "sub").mkdir(parents=True)
    (inside / "file").write_text("text")
    (inside / "out").symlink_to(tmp_path)
    (tmp_path / "secret").write_text("secret")
    os.mkfifo(inside / "fifo")
    return inside


@pytest.fixture
def served(folder: Path) -> Iterator[FileServer]:
    mounts = [Mount(folder, "/ro"), Mount(folder, "/rw", "rw")]
    limits = Limits(created_files=2, written_bytes=100, file_bytes=50)
    server = FileServer(mounts, limits)
    yield server
    server.close()


READ = [True, False, False, False, False, None]
CREATE = [True, True, True, False, False, None]
BAD_NAMES = [b"", b".", b"..", b"../secret", b"sub/..", b"/etc/passwd", b"a\0b", "file", 7, None]


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("operation", ["enter", "stat", "readlink", "mkdir", "unlink", "rmdir"])
def test_names_are_single_components(served: FileServer, operation: str, name: object) -> None:
    with pytest.raises(wire.Violation):
        served.perform([1, operation, name], b"")


@pytest.mark.parametrize(
    "message",
    [
        [0, "close"], [0, "fd"], [0, "__class__"], [0, "volume"], [0, "release"], [9, "stat_self"],
        [-1, "stat_self"], [True, "stat_self", 1], ["0", "stat_self"], [0], [0, 7],
        [0, "open", b"file"], [0, "open", b"file", [True] * 6 + [None]],
        [0, "open", b"file", ["yes"] * 5 + [None]], [0, "pread", 1, 1],
        [0, "rename", b"file", 1, b"x"], [0, "link", b"file", 99, b"x"],
        [1, "set_times", b"file", -1, 0], [1, "symlink", b"x", b"a" * 5000],
    ],
)  # fmt: skip
def test_malformed_operations(served: FileServer, message: list[Any]) -> None:
    with pytest.raises((wire.Violation, OSError)):
        status, _ = served.perform(message, b"")
        assert status[0] == "value"
        raise OSError  # done all the same, as for True, which counts as 1


CHANGES: list[list[Any]] = [
    ["mkdir", b"new"], ["unlink", b"file"], ["rmdir", b"sub"], ["symlink", b"x", b"y"],
    ["rename", b"file", 0, b"x"], ["link", b"file", 0, b"x"], ["set_times", b"file", 0, 0],
    ["set_times_self", 0, 0], ["open", b"file", [True, True, False, False, False, None]],
    ["open", b"new", CREATE], ["open", b"file", [True, False, False, False, True, None]],
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_read_only_mount_stays_as_it_is(
    served: FileServer, folder: Path, change: list[Any]
) -> None:
    before = sorted(folder.iterdir())
    assert served.perform([0, *change], b"") == (["wasi", c.EROFS], b"")
    assert sorted(folder.iterdir()) == before
    assert (folder / "file").read_text() == "text"


def test_a_read_only_mount_is_not_brought_to_the_disk(served: FileServer) -> None:
    file = opened(served, 0, b"file", [True, False, False, False, False, None])
    assert served.perform([file, "sync", False], b"") == (["wasi", c.EROFS], b"")


def opened(served: FileServer, root: int, name: bytes, flags: list[Any]) -> int:
    (status, value), _ = served.perform([root, "open", name, flags], b"")
    assert status == "value"
    return int(value[0])


def test_a_file_that_was_opened_to_read_is_not_written(served: FileServer, folder: Path) -> None:
    handle = opened(served, 0, b"file", READ)
    assert served.perform([handle, "pread", 10, 0], b"") == (["bytes", None], b"text")
    for message in (["pwrite", 0], ["append"], ["resize", 0], ["set_times", 0, 0]):
        status, _ = served.perform([handle, *message], b"other")
        assert status[0] in ("wasi", "system")
    assert (folder / "file").read_text() == "text"


@pytest.mark.parametrize("name", [b"out", b"fifo"])
@pytest.mark.parametrize("seen", [None, c.TYPE_REGULAR_FILE])
def test_links_and_devices_are_not_opened(served: FileServer, name: bytes, seen: object) -> None:
    """Also if the worker says that it saw a regular file."""
    (status, _), _ = served.perform([1, "open", name, [*READ[:5], seen]], b"")
    assert status in ("wasi", "system")


def test_a_link_out_of_the_mount_is_text(served: FileServer, folder: Path) -> None:
    assert served.perform([0, "enter", b"out"], b"") == (
        ["bytes", None],
        str(folder.parent).encode(),
    )


def test_what_is_written_is_bounded(served: FileServer) -> None:
    handle = opened(served, 1, b"new", CREATE)
    assert served.perform([handle, "pwrite", 0], b"x" * 40)[0] == ["value", 40]
    assert served.perform([handle, "pwrite", 20], b"x" * 40)[0] == ["wasi", c.EFBIG]
    assert served.perform([handle, "resize", 51], b"")[0] == ["wasi", c.EFBIG]
    assert served.perform([handle, "allocate", 40, 40], b"")[0] == ["wasi", c.EFBIG]
    assert served.perform([handle, "pwrite", 0], b"x" * 40)[0] == ["value", 40]
    assert served.perform([handle, "pwrite", 0], b"x" * 40)[0] == ["wasi", c.EDQUOT]


def test_what_is_made_is_bounded(served: FileServer) -> None:
    opened(served, 1, b"one", CREATE)
    opened(served, 1, b"one", CREATE)  # there already
    assert served.perform([1, "mkdir", b"two"], b"")[0] == ["value", None]
    assert served.perform([1, "mkdir", b"three"], b"")[0] == ["wasi", c.EDQUOT]
    assert served.perform([1, "open", b"four", CREATE], b"")[0] == ["wasi", c.EDQUOT]


def test_what_is_open_is_bounded(served: FileServer) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    statuses = [served.perform([0, "enter", b"sub"], b"")[0] for _ in range(1100)]
    # Where this process may have no more than 1024 open itself the kernel refuses some before.
    bound = next(n for n, status in enumerate(statuses) if status[0] != "value")
    assert bound <= 1024
    assert all(
        status in (["wasi", c.EMFILE], ["system", errno.EMFILE]) for status in statuses[bound:]
    )
    served.close()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
