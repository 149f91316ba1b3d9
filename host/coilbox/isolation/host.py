"""The host's side of workers: starts the process that bears them, takes and ends them."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]

from coilbox import errors
from coilbox.errors import EngineError
from coilbox.images import Image
from coilbox.isolation import seccomp
from coilbox.isolation.fork_server import MAX_PACKET

_BOOT = (
    "import sys; sys.path[:0] = {paths!r}; "
    "from coilbox.isolation.fork_server import main; main({descriptor})"
)


# How long the process that bears workers may take for an answer, in seconds: loading the guest
# on a busy machine is the longest.
_PATIENCE = 60


class Worker:
    """A process for one sandbox. Whoever takes one ends it.

    Attributes:
        sock: the connection to it.
        pid: its process id.
    """

    def __init__(self, fork_server: ForkServer, pid: int, sock: socket.socket) -> None:
        self._ended: int | None = 0  # until there is something to end
        self._fork_server = fork_server
        self._owner = os.getpid()
        self.pid = pid
        self.sock = sock
        # Nobody can have the number yet but the worker: it is not waited for until ``end``.
        self._handle = os.pidfd_open(pid)
        self._lock = threading.RLock()  # for the handle
        self._ending = threading.RLock()  # apart: ``signal`` must not wait until it has ended
        self._ended = None
        _workers.add(self)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, from any thread; nothing if it is gone."""
        with self._lock, contextlib.suppress(OSError):
            if self._handle >= 0:
                signal.pidfd_send_signal(self._handle, number)

    def end(self) -> int:
        """Kill it if it still lives, and leave nothing of it; how it ended, as ``os.waitpid``."""
        with self._ending:
            if self._ended is None:
                self.sock.close()
                status = 0
                if self._owner == os.getpid():
                    # What bears workers may be gone, and a stopped worker sees no closed socket.
                    self.signal(signal.SIGKILL)
                    status = self._fork_server.reap(self.pid)
                with self._lock:
                    handle, self._handle = self._handle, -1
                    if handle >= 0:
                        os.close(handle)
                self._ended = status
            return self._ended

    def __del__(self) -> None:
        if self._ended is None:  # whoever took it was cut off, as by a signal handler
            self.end()

    def abandon(self) -> None:
        """In a forked child: close what is the parent's, without ending the worker."""
        self._lock = threading.RLock()
        self._ending = threading.RLock()
        if self._ended is None:
            self._ended = 0
            self.sock.close()
            os.close(self._handle)
            self._handle = -1


class ForkServer:
    """The process that bears the workers of one image on one engine.

    One worker is always asked for ahead, so that taking one seldom waits.

    Raises:
        EngineError: it cannot be started, or cannot load the image.
    """

    def __init__(self, image: Image, engine: str) -> None:
        self._lock = threading.RLock()
        self._holder: int | None = None
        self._late: list[int] = []
        self._ordered: tuple[int, socket.socket] | None = None
        self._numbers = itertools.count(1)
        self._spare: Worker | None = None
        self.broken = False
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        paths = [str(Path(__file__).parents[2]), *filter(None, sys.path)]
        code = _BOOT.format(paths=paths, descriptor=theirs.fileno())
        try:
            # Nothing of this process's environment is for a worker to see.
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", code],
                env={},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            self._control.close()
            raise EngineError(f"the workers' parent process cannot be started: {error}") from None
        finally:
            theirs.close()
        self._control.settimeout(_PATIENCE)
        try:
            self._send_packet([str(image.path), str(image.cache.root), engine])
            kind, text = self._receive_packet()
            if kind is not None:
                raise getattr(errors, kind)(text)
            self._order()
        except BaseException:
            self.close()
            raise

    def take(self) -> Worker:
        """A fresh worker.

        Raises:
            EngineError: the machine has no room for one more, or the process is gone.
        """
        if self._holder == threading.get_ident():
            raise EngineError(
                "a signal handler or finalizer cannot make an isolated sandbox while the thread "
                "that it interrupts waits for a worker; do it afterwards"
            )
        with self._held():
            worker, self._spare = self._spare or self._delivered(), None
            self._order()
            return worker

    def reap(self, pid: int) -> int:
        """End a worker; how it ended, as ``os.waitpid`` gives it (0 if nobody can tell)."""
        if self._holder == threading.get_ident():
            # A forgotten sandbox was collected while this very thread was asking for something.
            self._late.append(pid)
            return 0
        with self._held(), contextlib.suppress(EngineError):
            return self._reap(pid)
        return 0

    def _reap(self, pid: int) -> int:
        if self._ordered is not None:
            self._spare = self._delivered()  # answers come in the order of questions
        return int(self._receive(self._send("reap", pid)))

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        with self._lock:
            self._holder = threading.get_ident()
            try:
                yield
                while self._late:
                    with contextlib.suppress(EngineError):
                        self._reap(self._late.pop())
            finally:
                self._holder = None

    def close(self) -> None:
        """End the process, and with it all its workers. Calling it twice is allowed."""
        self.broken = True
        with contextlib.suppress(OSError):
            # Closing alone would not end the connection if some child has inherited it.
            self._control.shutdown(socket.SHUT_RDWR)
        self._control.close()
        if self._ordered is not None:
            self._ordered[1].close()
        if self._spare is not None:
            self._spare.abandon()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def abandon(self) -> None:
        """In a forked child: close what is the parent's, without ending anything."""
        self.broken = True
        self._lock = threading.RLock()
        self._control.close()
        if self._ordered is not None:
            self._ordered[1].close()
        self._process.returncode = 0  # not this process's child

    def _order(self) -> None:
        """Ask for a worker, without waiting for it."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            self._ordered = self._send("spawn", None, theirs), ours

    def _delivered(self) -> Worker:
        if self._ordered is None:
            self._order()
        assert self._ordered is not None
        (number, sock), self._ordered = self._ordered, None
        try:
            pid = self._receive(number)
            if pid <= 0:
                raise EngineError(f"no room for one more worker process ({os.strerror(-pid)})")
            return Worker(self, pid, sock)
        except BaseException:
            sock.close()
            raise

    def _send(self, name: str, value: object, passed: socket.socket | None = None) -> int:
        """Ask for something; the question's number."""
        number = next(self._numbers)
        self._send_packet([number, name, value], passed)
        return number

    def _receive(self, number: int) -> Any:
        """The answer to a question; those to earlier ones, which a signal cut off, are left out."""
        while True:
            answered, answer = self._receive_packet()
            if answered == number:
                return answer

    def _send_packet(self, message: list[Any], passed: socket.socket | None = None) -> None:
        packet = msgpack.packb(message)
        try:
            if passed is None:
                self._control.send(packet, socket.MSG_NOSIGNAL)
            else:
                socket.send_fds(self._control, [packet], [passed.fileno()], socket.MSG_NOSIGNAL)
        except OSError:
            raise self._gone() from None

    def _receive_packet(self) -> Any:
        try:
            packet = self._control.recv(MAX_PACKET)
        except OSError:
            packet = b""
        if not packet:
            raise self._gone()
        return msgpack.unpackb(packet)

    def _gone(self) -> EngineError:
        self.broken = True
        return EngineError(
            "the process that starts workers has ended; the next sandbox starts another"
        )


_fork_servers: dict[tuple[str, str, str], ForkServer] = {}
_workers: weakref.WeakSet[Worker] = weakref.WeakSet()
_starting = threading.RLock()


def take_worker(image: Image, engine: str) -> Worker:
    """A fresh worker for an image on an engine.

    Raises:
        EngineError: workers cannot be had on this machine.
    """
    reason = seccomp.supported()
    if reason is None and not sys.executable:
        reason = "this Python is embedded and does not know its interpreter (sys.executable)"
    if reason is not None:
        raise EngineError(f"isolation='process' does not work here: {reason}")
    key = (str(image.path), str(image.cache.root), engine)
    with _starting:
        fork_server = _fork_servers.get(key)
        if fork_server is None or fork_server.broken:
            if fork_server is not None:
                fork_server.close()
            fork_server = _fork_servers[key] = ForkServer(image, engine)
    return fork_server.take()


@atexit.register
def close_all() -> None:
    """End every worker, and the processes that bear them."""
    for worker in list(_workers):
        worker.signal(signal.SIGKILL)
    while _fork_servers:
        _fork_servers.popitem()[1].close()


def _forget() -> None:
    global _starting
    _starting = threading.RLock()
    for worker in list(_workers):
        worker.abandon()
    for fork_server in _fork_servers.values():
        fork_server.abandon()
    _fork_servers.clear()


os.register_at_fork(after_in_child=_forget)
