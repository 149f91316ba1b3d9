"""One life of a guest: an instance, its files and its host calls, from start to stop.

A sandbox makes a new session at every reset. The ABI is described in docs/abi.md.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import sub
from types import MappingProxyType
from typing import Any

from coilbox.bridge import HostAPI, make_bridge
from coilbox.bridge.bridge import Bridge
from coilbox.bridge.encoding import Reply
from coilbox.bridge.meter import CallMeter, Reading
from coilbox.codec import TypeRegistry, decode, encode
from coilbox.engines.protocol import StopGuest
from coilbox.errors import (
    CpuLimitExceeded,
    EngineError,
    GuestCancelled,
    GuestError,
    GuestException,
    GuestProtocolError,
    TimeLimitExceeded,
    UnsupportedValueError,
    ValueLimitExceeded,
)
from coilbox.limits import Limits, Usage
from coilbox.mounts import Scratch
from coilbox.results import Result, uncaught
from coilbox.session.displays import Displays
from coilbox.session.files import ScratchFiles
from coilbox.session.guest import Guest
from coilbox.session.output import CapturedOutput
from coilbox.session.requests import Request, RunRequest
from coilbox.session.watchdog import Alarm, watchdog
from coilbox.wasi import GuestExit, WasiContext

_NOTHING = (0, 0, 0, 0, 0)
_START, _DESCRIBE = 0, 4  # the guest's numbers of requests that are the host's own
_VALUE_HEAD = b"\x92\x00"  # how a reply with a value begins
_HIGHEST_SIZE = 2**32 - 1  # of anything in the guest
_HIGHEST_RECURSION = 2**31 - 1  # CPython's own bound


class Session:
    """The running guest of a sandbox. Used by one thread at a time; ``cancel`` by any.

    Attributes:
        guest: what runs, and where.
        wasi: the files and streams of a guest in this process, for its host imports.
        bridge: its host calls.
        waiting_reply: the reply of a host call that did not fit and waits to be fetched.
        meter: what its host calls came to in this run.
        limits: what the guest may use.
        stopped: why the guest cannot go on, or None.

    Args:
        prelude: what the guest does before its first request; the outcome is not looked at.
    """

    wasi: WasiContext

    def __init__(
        self,
        guest: Guest,
        limits: Limits,
        host_api: HostAPI,
        types: TypeRegistry,
        env: Mapping[str, str],
        totals: Usage,
        sandbox_id: str,
        prelude: Sequence[Request] = (),
        modules: Mapping[str, str] = MappingProxyType({}),
        scratch: Scratch | None = None,
    ) -> None:
        self.guest = guest
        self.limits = limits
        self._totals = totals
        self.meter = CallMeter(limits)
        self.bridge = make_bridge(host_api, sandbox_id, guest.exchange, self.meter)
        self.waiting_reply: Reply = b""
        self.stopped: GuestError | None = None
        self._types = types
        self._env = env
        self._prelude = prelude
        self._modules = modules
        self._files = None if scratch is None else ScratchFiles(scratch, guest.scratch_file)
        self._runs = 0
        self._started = False
        self._cancelled = False
        self._interrupted = False
        self._run: _Run | None = None
        self._cpu = 0.0  # seconds of all runs so far
        # Made beforehand: whatever interrupts a run, naming the reason takes no call.
        self._cut_off = GuestCancelled("an exception of the host stopped the guest")
        guest.bind(self)

    def perform(self, request: Request) -> Result:
        """Have the guest do what is requested.

        Raises:
            UnsupportedValueError: an argument cannot cross.
            EngineError: the machine has no room for the guest's run.
            BaseException: what a host function, a callback or a signal handler raised.
        """
        self._runs += isinstance(request, RunRequest)
        message = encode(request.message(self._runs), self._types, request.labels)
        streams = Streams.of(request, self.limits)
        stdio = {"stdin": streams.stdin, "stdout": streams.stdout, "stderr": streams.stderr}
        if self._run is not None:  # a host function that this guest has called wants it
            with self.guest.nested_run(**stdio):
                return self._conduct(message, streams)
        self.guest.begin_run(**stdio)
        self.meter.start()
        return self._conduct(message, streams)

    def scratch_file(self, operation: str, path: list[bytes], offset: int, data: bytes) -> bytes:
        """Do something with the scratch directory; see ``coilbox.wasi.vfs.scratch_files``.

        Raises:
            WasiError: it cannot be done.
            GuestError: the guest's worker is gone, or broke the rules.
        """
        try:
            return self.guest.scratch_file(operation, path, offset, data)
        except GuestError as error:
            self.stopped = error
            error.needs_reset = True
            raise

    def cancel(self) -> None:
        """Stop the guest as soon as possible; from any thread."""
        self._cancelled = True
        self._interrupt()
        run = self._run
        while run is not None:
            run.alarm.hurried = True
            run = run.outer

    def close(self) -> None:
        """Free everything. Calling it twice is allowed."""
        self.bridge.close()
        self.guest.close()

    def _interrupt(self) -> None:
        """Stop the guest and all that it may wait for. From any thread, again and again."""
        self._interrupted = True
        run = self._run
        while run is not None:
            if run.streams.on_stop is not None:
                run.streams.on_stop()
            run = run.outer
        self.bridge.interrupt()
        self.guest.interrupt()

    def _conduct(self, message: bytes, streams: Streams) -> Result:
        """Enter the guest, and make of what it does a result.

        A signal handler may raise at any call. So what undoes a step comes in a ``finally`` whose
        first instructions make none, and each further call is in the ``finally`` of the one before.
        """
        outer = self._run
        start = self.guest.reading()
        if outer is None:  # else the outer run's time goes on
            self.guest.count_cpu(self._cpu, start)
        alarm = Alarm(
            streams.seconds, self.limits.cpu_seconds, self._interrupt, self.guest.cpu_clock
        )
        run = _Run(streams, alarm, start, _NOTHING if outer is None else self._counters(), outer)
        bridge = self.bridge
        thread, deadline = bridge.thread, bridge.deadline
        show, finish = bridge.show, bridge.finish
        streams.await_on(bridge)
        is_whole = False
        value: Any = None
        exit_code = 0
        error: GuestError | None = None
        try:
            try:
                self._run = run
                bridge.show, bridge.finish = streams.displays.take, None
                watchdog.arm(alarm)
                bridge.enter(
                    None if streams.seconds == math.inf else time.monotonic() + streams.seconds
                )
                if self._cancelled:
                    alarm.hurried = True
                requests = (message,) if self._started else (*self._start_requests(), message)
                data = self.guest.exchange(*requests)
                self._started = True
                value, error, exit_code = self._outcome(data, streams.describes)
                if bridge.finish is not None:
                    value, error, exit_code = bridge.finish.value, None, 0
                is_whole = True
            finally:
                self._run = outer
                bridge.thread, bridge.deadline = thread, deadline
                bridge.show, bridge.finish = show, finish
                try:
                    watchdog.disarm(alarm)
                finally:
                    try:
                        watchdog.alarms.discard(alarm)
                    finally:
                        if alarm.takes_signals:
                            signal.set_wakeup_fd(-1)
            if self._interrupted:
                raise GuestCancelled("stopped")  # the reply came with the stop: it is stopped
        except StopGuest as stop:
            error, exit_code = self._stop_reason(stop.reason)
        except GuestError as stopped:
            error, exit_code = self._error(stopped, run), -1
            self.stopped = error
        except EngineError:  # the guest was not entered: the thread has no room for it
            is_whole = True
            self._usage(run)
            raise
        except BaseException:
            # Raised by a host function or a callback, or Ctrl-C: the guest was cut off halfway.
            self._usage(run)
            raise
        finally:
            if not is_whole and self.stopped is None:
                self.stopped = self._cut_off
            if outer is not None and self.stopped is not None and bridge.broken is None:
                bridge.broken = self.stopped  # the guest cannot go on where it made the call
        needs_reset = self.stopped is not None
        if error is not None:
            error.needs_reset = needs_reset
            # It is data, and must not hold the frames, and so the sandbox, where it was raised.
            error.__traceback__ = error.__context__ = None
        return Result(
            None if error is not None else value,
            error,
            exit_code,
            streams.stdout.getvalue(),
            streams.stderr.getvalue(),
            self._usage(run),
            streams.stdout.truncated,
            streams.stderr.truncated,
            tuple(streams.displays.items),
            self._changed_files(),
            needs_reset,
        )

    def _changed_files(self) -> tuple[str, ...]:
        if self.stopped is not None or self._files is None or not self.guest.scratch_changed:
            return ()
        try:
            return self._files.changed()
        except OSError:  # more than can be listed
            return ()

    def _outcome(self, data: bytes, describes: bool) -> tuple[Any, GuestError | None, int]:
        """Value, error and exit code of a reply; reading it counts as the guest's time."""
        allowance = self.bridge.allowance
        try:
            reply = decode(data, self._types, allowance)
        except (GuestProtocolError, UnsupportedValueError, ValueLimitExceeded) as error:
            if describes and data.startswith(_VALUE_HEAD):  # nobody asked for it: no error
                return self._outcome(self.guest.exchange(encode([_DESCRIBE])), False)
            if not isinstance(error, UnsupportedValueError):
                raise
            # The guest is as sound as after an exception: it may know what this machine does not.
            return None, GuestException("ValueError", str(error)), 1
        match reply:
            case [0, value]:
                return value, None, 0
            case [1, description]:
                return None, uncaught(description, allowance.checkpoint), 1
            case [2, int(code)]:
                return None, None, code & 0xFF
        raise GuestProtocolError("the guest gave a reply outside the ABI")

    def _usage(self, run: _Run) -> Usage:
        """The run's usage, which is added to the sandbox's totals, too."""
        start, end = run.start, self.guest.reading()
        streams = run.streams
        calls, arguments, replies, written, created = map(sub, self._counters(), run.before)
        usage = Usage(
            end.wall - start.wall,
            end.cpu - start.cpu,
            self.guest.memory_size,
            streams.stdout.size,
            streams.stderr.size,
            calls,
            arguments,
            replies,
            written,
            created,
            end.faults - start.faults,
        )
        if run.outer is None:  # else it is a part of the outer run's
            self._totals.add(usage)
            self._cpu += usage.cpu_seconds
        return usage

    def _counters(self) -> tuple[int, int, int, int, int]:
        """The counters, which start with a run."""
        meter, guest = self.meter, self.guest
        return (
            *(meter.calls, meter.argument_bytes, meter.reply_bytes),
            *(guest.written_bytes, guest.created_files),
        )

    def _start_requests(self) -> Iterator[bytes]:
        facts = {
            "env": dict(self._env),
            "functions": self.bridge.host_api.plain.described,
            "modules": self.bridge.host_api.modules,
            "types": self._types.specs(),
            "recursion": int(min(self.limits.recursion, _HIGHEST_RECURSION)),
            "value_bytes": min(self.limits.value_bytes, _HIGHEST_SIZE),
            "sources": dict(self._modules),
        }
        yield encode([_START, facts], self._types)
        for request in self._prelude:
            yield encode(request.message(0), self._types)

    def _stop_reason(self, reason: BaseException) -> tuple[GuestError | None, int]:
        """The error and exit code for a stop that a host import asked for."""
        if isinstance(reason, GuestError):
            self.stopped = reason
            return reason, -1
        if isinstance(reason, GuestExit):
            self.stopped = GuestCancelled(
                f"the guest ended its process with exit code {reason.code}"
            )
            return None, reason.code & 0xFF
        raise reason

    def _error(self, stopped: GuestError, run: _Run) -> GuestError:
        """Why the guest cannot go on, given what came out of it."""
        if self.stopped is not None:  # a run within this one has met it
            return self.stopped
        if not self._interrupted:
            return stopped
        if self._cancelled:
            return GuestCancelled("the guest was cancelled")
        fired: _Run | None = run
        while fired is not None and not fired.alarm.fired:
            fired = fired.outer  # the time of the run around it
        if fired is None or fired.alarm.signalled:
            return GuestCancelled("the guest was cancelled")
        now = self.guest.reading()
        if fired.alarm.out_of_cpu:
            limit = self.limits.cpu_seconds
            return CpuLimitExceeded(
                f"the guest used more CPU time than its limit of {limit:g} seconds "
                "(Limits.cpu_seconds)",
                limit=limit,
                used=now.cpu - fired.start.cpu,
            )
        seconds = fired.streams.seconds
        return TimeLimitExceeded(
            f"the guest ran longer than its limit of {seconds:g} seconds (Limits.wall_seconds)",
            limit=seconds,
            used=now.wall - fired.start.wall,
        )


@dataclass(frozen=True, slots=True)
class Streams:
    """Standard streams and time of one request.

    Attributes:
        stdin: what the guest reads.
        stdout: where its output goes.
        stderr: where its errors go.
        displays: what it displays.
        describes: whether the guest can describe a value that is refused.
        seconds: wall time that it may take.
        on_stop: called when the guest is to stop, or None.
    """

    stdin: Any
    stdout: CapturedOutput
    stderr: CapturedOutput
    displays: Displays
    describes: bool
    seconds: float
    on_stop: Callable[[], None] | None

    @classmethod
    def of(cls, request: Request, limits: Limits) -> Streams:
        """Those of a request, with nothing written yet."""
        seconds, timeout = limits.wall_seconds, request.timeout
        return cls(
            request.stdin,
            CapturedOutput("stdout", limits.output_bytes, request.on_stdout),
            CapturedOutput("stderr", limits.output_bytes, request.on_stderr),
            Displays(limits.display_bytes, request.on_display),
            request.describes,
            seconds if timeout is None else min(timeout, seconds),
            request.on_stop,
        )

    def await_on(self, bridge: Bridge) -> None:
        """Have coroutines of callbacks awaited where the run is."""
        self.stdout.wait = self.stderr.wait = self.displays.wait = bridge.wait


@dataclass(frozen=True, slots=True)
class _Run:
    """A run or call that goes on.

    Attributes:
        streams: its streams and time.
        alarm: what ends it.
        start: clocks and counters at its start.
        before: what was counted before it.
        outer: the run whose guest called the host function that makes this one, or None.
    """

    streams: Streams
    alarm: Alarm
    start: Reading
    before: tuple[int, int, int, int, int]
    outer: _Run | None
