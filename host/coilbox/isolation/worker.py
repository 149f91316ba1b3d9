"""The program of a worker process: one guest, whose world is one socket.

The guest is the same as without isolation. Only what it reaches of the host is another: host
functions, output, stdin and mounted files are messages (``coilbox.isolation.wire``).
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import socket
import threading
from dataclasses import dataclass
from resource import RUSAGE_SELF, getrusage
from typing import Any, NoReturn

from coilbox.bridge.encoding import Reply
from coilbox.bridge.meter import value_too_large
from coilbox.codec.frames import Buffer
from coilbox.engines.protocol import Program, StopGuest
from coilbox.errors import CoilboxError
from coilbox.images import Image
from coilbox.isolation import layers, wire
from coilbox.isolation.connection import Connection
from coilbox.isolation.setup import from_message
from coilbox.isolation.volumes import RemoteVolume
from coilbox.session.guest import LocalGuest
from coilbox.wasi import GuestExit, WasiContext
from coilbox.wasi.vfs.node import WasiError

# Guests that nest as deep as host calls may (coilbox.bridge), each with 3 MiB of stack.
_STACK_BYTES = 32 << 20
_MAX_TEXT = 8192


@dataclass(frozen=True)
class Template:
    """State that every worker has from its birth.

    Attributes:
        image: the guest image.
        program: its compiled code.
        standing: the isolation layers that stand already.
        null: an open descriptor of the null device.
        proc: one of ``/proc``.
    """

    image: Image
    program: Program
    standing: list[str]
    null: int
    proc: int


def load_modules() -> None:
    """Import what is imported late: a worker cannot open files."""
    for name in ("encodings.idna", "encodings.latin_1", "linecache", "traceback"):
        importlib.import_module(name)


def main(descriptor: int, template: Template, *, process_namespace: bool) -> NoReturn:
    """Be a worker until the host closes the connection."""
    try:
        for number in (0, 1, 2):
            os.dup2(template.null, number)
        # SIGINT is how the host interrupts; the main thread waits for it, the guest has another.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        threading.stack_size(_STACK_BYTES)
        connection = Connection(wire.Channel(socket.socket(fileno=descriptor)))
        _, setup, _ = connection.receive()
        worker = _Worker(connection, template, setup["settings"])
        standing = list(template.standing)
        if process_namespace:
            standing.append("process namespace")
        standing += layers.give_up("user namespace" in standing)
        # Threads have the privileges of who starts them, and after the next lines there are none.
        threading.Thread(target=worker.serve, daemon=True).start()
        standing += layers.limit(layers.own_size(template.proc), setup["growth"])
        os.close(template.proc)
        standing += layers.lock()
        connection.send(wire.READY, standing)
        while True:
            signal.sigwait({signal.SIGINT})
            worker.guest.interrupt()
    finally:
        os._exit(70)


class _RemoteBridge:
    """Makes host calls in the host."""

    def __init__(self, worker: _Worker) -> None:
        self._worker = worker

    def perform(self, number: int, data: Buffer) -> Reply:
        """Have the host call function ``number``; it may want something of the guest meanwhile."""
        worker = self._worker
        worker.connection.send(wire.HOST_CALL, number, bytes(data))
        while True:
            kind, meta, content = worker.connection.receive()
            if kind == wire.ANSWER:
                return bytes(content)
            worker.handle(kind, meta, content)


class _Relay:
    """Sends output to the host, which stops the guest where the limit is."""

    def __init__(self, connection: Connection, number: int) -> None:
        self._connection = connection
        self._number = number

    def write(self, data: bytes) -> None:
        """Send what the guest wrote."""
        self._connection.send(wire.OUTPUT, self._number, data)


class _RemoteMeter:
    """Leaves the counting to the host, but for what should not even be sent."""

    def __init__(self, value_bytes: int) -> None:
        self._value_bytes = value_bytes

    def called(self, size: int, calls: int = 1) -> None:
        """Refuse arguments above the limit."""
        if size > self._value_bytes:
            raise StopGuest(value_too_large(size, self._value_bytes))

    def batch(self, size: int, spare: int) -> None:
        """Refuse the calls of one batch that and are above it."""
        self.called(size - spare)

    def replied(self, size: int) -> None:
        """Nothing: the host has counted it."""


class _Worker:
    """The guest and the requests to it; the context of its host imports.

    Attributes:
        guest: the guest.
        connection: the connection to the host.
    """

    wasi: WasiContext

    def __init__(self, connection: Connection, template: Template, setup: dict[str, Any]) -> None:
        self.connection = connection
        settings = from_message(setup)
        self.limits = settings.limits
        self.bridge = _RemoteBridge(self)
        self.meter = _RemoteMeter(self.limits.value_bytes)
        self.waiting_reply: Reply = b""
        self.guest = LocalGuest(
            template.program,
            template.image,
            settings,
            volume=lambda mount, device: RemoteVolume(connection, mount, device),
        )
        self.guest.bind(self)

    def serve(self) -> None:
        """Carry requests out, one after the other, for ever."""
        try:
            while True:
                self.handle(*self.connection.receive())
        finally:
            os._exit(70)

    def handle(self, kind: int, meta: Any, data: memoryview) -> None:
        """Do what the host wants: of the guest, or of its scratch directory."""
        if kind != wire.SCRATCH:
            self.request(meta, data)
            return
        operation, path, offset = meta
        try:
            content, code = self.guest.scratch_file(operation, path, offset, bytes(data)), 0
        except WasiError as error:
            content, code = b"", error.code
        self.connection.send(wire.SCRATCH_DONE, code, content)

    def request(self, meta: dict[str, Any], data: memoryview) -> None:
        """Carry one request out, and report to the host how it ended."""
        size = meta["size"]
        reply = b""
        with contextlib.ExitStack() as stack:
            if meta["run"] is not None:
                stdin = self.connection.stdin if meta["ask"] else bytes(data[size:])
                out, err = _Relay(self.connection, 0), _Relay(self.connection, 1)
                if meta["run"] == "run":
                    self.guest.begin_run(stdin=stdin, stdout=out, stderr=err)
                else:
                    run = self.guest.nested_run(stdin=stdin, stdout=out, stderr=err)
                    stack.enter_context(run)
            try:
                reply = self.guest.exchange(data[:size])
                status: list[Any] = ["reply", None]
            except StopGuest as stop:
                status = _described(stop.reason)
            except Exception as error:
                status = _described(error)
        guest = self.guest
        faults = sum(getrusage(RUSAGE_SELF)[6:8])
        changed = int(guest.scratch_changed)
        counts = [guest.memory_size, guest.written_bytes, guest.created_files, faults, changed]
        self.connection.send(wire.DONE, [*status, counts], reply)


def _described(error: BaseException) -> list[Any]:
    if isinstance(error, GuestExit):
        return ["exit", error.code]
    if not isinstance(error, CoilboxError):
        return ["error", ["SetupError", f"the worker failed: {error!r}"[:_MAX_TEXT], 0, 0]]
    numbers = [getattr(error, name, 0) for name in ("limit", "used")]
    return ["error", [type(error).__name__, str(error)[:_MAX_TEXT], *numbers]]
