"""A guest in a worker process, with the interface of a guest in this one (`session.guest`)."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from coilbox.bridge.counted import BATCH_BYTES, perform_counted
from coilbox.bridge.encoding import joined, length_of
from coilbox.bridge.imports import ImportContext
from coilbox.bridge.meter import Reading
from coilbox.engines.protocol import StopGuest
from coilbox.errors import (
    EngineError,
    GuestProtocolError,
    GuestTrap,
    UsageError,
)
from coilbox.images import Image
from coilbox.isolation import wire
from coilbox.isolation.files import FileServer
from coilbox.isolation.host import Worker, take_worker
from coilbox.isolation.outcome import cause, crashed, stop_of
from coilbox.isolation.setup import to_message
from coilbox.session.guest import GuestSettings, no_room
from coilbox.wasi.fdtable import Input, InputStream, OutputSink
from coilbox.wasi.memory import CHUNK
from coilbox.wasi.vfs.node import WasiError

# How long a worker whose guest is to stop may take for that before it is killed, in seconds. A
# sound one takes milliseconds; a machine short of processors may delay that.
_GRACE = 2.0
# And for a file of the scratch directory.
_SCRATCH_PATIENCE = 10.0
_MAX_COUNT = 1 << 63
_PROCESS_CPU = 2  # CPUCLOCK_SCHED of linux/posix-timers.h: the clock of a process by its number


class _Run(NamedTuple):
    """The streams of a run, or of a run within a run."""

    stdin: InputStream
    stdout: OutputSink
    stderr: OutputSink


class WorkerGuest:
    """A guest in a worker. Used by one thread at a time; ``interrupt`` by any.

    Attributes:
        isolation_layers: the names of the isolation layers that stand around the worker.
        memory_size: size of the linear memory, in bytes, as the worker reported last.
        written_bytes: bytes written to files in this run.
        created_files: files, directories and links made in this run.
        scratch_changed: whether files of the scratch directory changed in this run.

    Raises:
        EngineError: the machine has no room for one more, or cannot isolate.
        UsageError: a mount's directory cannot be opened.
    """

    def __init__(
        self,
        image: Image,
        engine: str,
        settings: GuestSettings,
    ) -> None:
        self._limits = settings.limits
        self._owner_process = os.getpid()
        self._context: ImportContext | None = None
        self._runs: list[_Run] = []
        self._begin: tuple[str | None, bytes | None] = (None, None)
        self._interrupted_at = math.inf
        self._cpu = 0.0
        self._faults = 0
        self._depth = 0  # exchanges that go on, one within the other
        self.memory_size = image.memory_bytes
        self.written_bytes = self.created_files = 0
        self.scratch_changed = False
        self._answer_by = math.inf
        setup = {"settings": to_message(settings), "growth": _growth(settings)}
        self._files = FileServer(settings.mounts, settings.limits)
        try:
            self._worker, self._channel, self.isolation_layers = self._open(image, engine, setup)
        except BaseException:
            self._files.close()
            raise

    def _open(
        self, image: Image, engine: str, setup: dict[str, Any]
    ) -> tuple[Worker, wire.Channel, tuple[str, ...]]:
        """Take a worker and send it the sandbox's setup."""
        status = 0
        for _ in range(2):  # one that waited may have been killed meanwhile
            worker = take_worker(image, engine)
            largest = max(CHUNK, self._limits.value_bytes + BATCH_BYTES)
            channel = wire.Channel(worker.sock, largest, self._patience)
            try:
                channel.send(wire.SETUP, setup)
                kind, layers, _ = channel.receive()
            except wire.Hangup:
                status = worker.end()
                continue
            except BaseException:
                worker.end()
                raise
            if kind == wire.READY:
                return worker, channel, tuple(layers)
            worker.end()
            raise EngineError(f"a worker could not start: {layers}")
        raise EngineError(f"workers die as they start ({cause(status)})")

    # -- see coilbox.session.guest.Guest -------------------------------------------------------

    def bind(self, context: ImportContext) -> None:
        """Set who makes the guest's host calls."""
        self._context = context

    def begin_run(self, *, stdin: Input, stdout: OutputSink, stderr: OutputSink) -> None:
        """Begin a run with streams of its own, and with nothing written yet."""
        self._files.begin_run()
        self.written_bytes = self.created_files = 0
        self._begin = "run", _known(stdin)
        self._runs = [_Run(InputStream(stdin, self._stopping), stdout, stderr)]

    @contextmanager
    def nested_run(self, *, stdin: Input, stdout: OutputSink, stderr: OutputSink) -> Iterator[None]:
        """Give a run within a run streams of its own, until the block ends."""
        self._begin = "nested", _known(stdin)
        self._runs.append(_Run(InputStream(stdin, self._stopping), stdout, stderr))
        try:
            yield
        finally:
            self._runs.pop()

    def exchange(self, *requests: bytes) -> bytes:
        """Send requests, one after the other, and fetch the reply to the last, all encoded."""
        if self._owner_process != os.getpid():
            raise UsageError(
                f"this sandbox's worker belongs to process {self._owner_process}, which forked "
                "this one; make a new sandbox here"
            )
        reply = b""
        for request in requests:
            if len(request) > self._limits.memory_bytes:
                raise no_room(len(request), self._limits)
            with self._awake():
                reply = self._exchange(request)
        return reply

    def _exchange(self, request: bytes) -> bytes:
        (run, stdin), self._begin = self._begin, (None, None)
        meta = {"run": run, "ask": stdin is None, "size": len(request)}
        try:
            self._channel.send(wire.REQUEST, meta, request + stdin if stdin else request)
            while True:
                kind, meta, data = self._channel.receive()
                if kind == wire.DONE:
                    break
                self._handle(kind, meta, data)
                if time.monotonic() > self._patience():  # one that floods the host never waits
                    raise wire.Overdue
        except wire.Hangup:
            raise crashed(self._end()) from None
        except wire.Overdue:
            self._end()
            raise GuestTrap("the guest did not stop, and its worker was killed") from None
        except wire.Violation as violation:
            self._end()
            text = f"the worker broke the rules and was ended: {violation}"
            raise GuestProtocolError(text) from None
        except BaseException:
            self._end()
            raise
        return self._outcome(meta, data)

    def scratch_file(self, operation: str, path: list[bytes], offset: int, data: bytes) -> bytes:
        """Have the worker do something with the scratch directory."""
        before, self._answer_by = self._answer_by, time.monotonic() + _SCRATCH_PATIENCE
        try:
            with self._awake():
                self._channel.send(wire.SCRATCH, [operation, path, offset], data)
                kind, code, content = self._channel.receive()
        except wire.Hangup:
            raise crashed(self._end()) from None
        except (wire.Overdue, wire.Violation):
            kind, code = 0, None
        finally:
            self._answer_by = before
        if kind != wire.SCRATCH_DONE or type(code) is not int or not 0 <= code < 1 << 16:
            self._end()
            raise GuestProtocolError("the worker broke the rules and was ended: no scratch files")
        if code:
            raise WasiError(code)
        return bytes(content)

    @contextmanager
    def _awake(self) -> Iterator[None]:
        """Let the worker run; outside it stands still, whatever its guest has made of it."""
        self._depth += 1
        if self._depth == 1:
            self._worker.signal(signal.SIGCONT)
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._worker.signal(signal.SIGSTOP)

    def interrupt(self) -> None:
        """Stop the guest as soon as possible; the signal is repeated until it stops."""
        self._interrupted_at = min(self._interrupted_at, time.monotonic())
        self._worker.signal(signal.SIGINT)

    def reading(self) -> Reading:
        """Clocks and counters of this thread and the worker."""
        reading = Reading()
        reading.cpu += self.cpu_clock()
        reading.faults += self._faults
        return reading

    def count_cpu(self, used: float, reading: Reading) -> None:
        """Nothing: the worker's thread does nothing between the runs."""

    def cpu_clock(self) -> float:
        """CPU time of the worker so far, in seconds, as the kernel reports it."""
        with contextlib.suppress(OSError):
            self._cpu = time.clock_gettime((~self._worker.pid << 3) | _PROCESS_CPU)
        return self._cpu

    def close(self) -> None:
        """End the worker. Calling it twice is allowed."""
        self._end()
        self._files.close()
        # Each of these leads back here, and would wait for the garbage collector.
        self._channel.close()
        self._runs.clear()
        self._context = None

    # -- what the worker asks for ---------------------------------------------------------------

    def _handle(self, kind: int, meta: Any, data: bytes) -> None:
        """Do one thing that the worker asks for, and answer if it waits for that."""
        answer: Any = None
        content = b""
        match kind, meta:
            case wire.HOST_CALL, int(number) if 0 <= number < 1 << 32:
                content = self._host_call(number, data)
            case wire.OUTPUT, 0 | 1 if self._runs:
                run = self._runs[-1]
                (run.stderr if meta else run.stdout).write(data)
            case wire.FILE, list():
                answer, content = self._files.perform(meta, data)
            case wire.RELEASE, int(handle):
                self._files.release(handle)
            case wire.STDIN, int(length) if 0 <= length <= CHUNK and self._runs:
                # Where the wait was ended the guest is about to be.
                with contextlib.suppress(WasiError):
                    content = self._runs[-1].stdin.read(length)
            case _:
                raise wire.Violation(f"a malformed message of kind {kind}")
        if kind in (wire.HOST_CALL, wire.FILE, wire.STDIN):
            self._channel.send(wire.ANSWER, answer, content)

    def _host_call(self, number: int, data: bytes) -> bytes:
        assert self._context is not None
        reply = perform_counted(self._context, number, data)
        length = length_of(reply)
        if length > self._limits.memory_bytes:
            raise StopGuest(no_room(length, self._limits))
        return joined(reply)

    def _stopping(self) -> bool:
        return self._interrupted_at < math.inf

    def _patience(self) -> float:
        """When the worker is overdue: some time after it was interrupted."""
        return min(self._interrupted_at + _GRACE, self._answer_by)

    # -- how it ends ----------------------------------------------------------------------------

    def _outcome(self, meta: Any, reply: bytes) -> bytes:
        match meta:
            case [str(status), detail, [*counts]] if _sound(counts):
                memory, self.written_bytes, self.created_files, self._faults, changed = counts
                self.scratch_changed = changed != 0
                self.memory_size = max(self.memory_size, min(memory, self._limits.memory_bytes))
            case _:
                status, detail = "", None
        if (status, detail) == ("reply", None):
            return reply
        error = stop_of(status, detail)
        if not isinstance(error, EngineError):  # the guest was not entered: all is as before
            self._end()
        try:
            raise error
        finally:
            del error  # else it holds this frame, which holds it

    def _end(self) -> int:
        self.cpu_clock()  # it cannot be read afterwards
        return self._worker.end()


def _known(stdin: Input) -> bytes | None:
    """Input that is known beforehand; None if it has to be asked for."""
    if stdin is None:
        return b""
    return bytes(stdin) if isinstance(stdin, bytes | bytearray | memoryview) else None


def _sound(counts: list[Any]) -> bool:
    return len(counts) == 5 and all(
        isinstance(count, int) and 0 <= count < _MAX_COUNT for count in counts
    )


def _growth(settings: GuestSettings) -> int:
    """The most bytes that a sound worker holds: the guest, a message of its size, and its files."""
    scratch = settings.scratch
    return 2 * settings.limits.memory_bytes + (scratch.max_bytes if scratch is not None else 0)
