"""One life of a guest: an instance, its files and its host calls, from start to stop.

A sandbox makes a new session at every reset. The ABI is described in docs/abi.md.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from operator import sub
from typing import Any

from coilbox.bridge import HostAPI, make_bridge
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
)
from coilbox.limits import Limits, Usage
from coilbox.results import Result, uncaught
from coilbox.session.guest import Guest
from coilbox.session.output import CapturedOutput
from coilbox.session.watchdog import Alarm, watchdog
from coilbox.wasi import GuestExit, WasiContext

_START, _RUN, _CALL = 0, 1, 2
FRESH, LAST = 1, 2  # flags of a run
_HIGHEST_RECURSION = 2**31 - 1  # CPython's own bound
_CALL_LABELS = ("", "target", "args", "kwargs")  # what messages call a request's items


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
        self._started = False
        self._cancelled = False
        self._alarm: Alarm | None = None
        self._outer_counters: tuple[int, int, int, int, int] | None = None
        self._cpu = 0.0  # seconds of all runs so far
        guest.bind(self)

    def run(
        self,
        source: str | bytes,
        filename: str,
        argv: list[str],
        env: Mapping[str, str] | None,
        flags: int,
        streams: Streams,
    ) -> Result:
        """Run source code as ``__main__``; ``env`` is added to the sandbox's for this run."""
        request = [_RUN, source, filename, argv, None if env is None else dict(env), flags]
        return self._perform(encode(request, self._types), streams)

    def call(
        self, target: str, args: list[Any], kwargs: dict[str, Any], streams: Streams
    ) -> Result:
        """Call ``module:function``."""
        request = [_CALL, target, args, kwargs]
        return self._perform(encode(request, self._types, _CALL_LABELS), streams)

    def cancel(self) -> None:
        """Stop the guest as soon as possible; from any thread."""
        self._cancelled = True
        self._interrupt()
        alarm = self._alarm
        if alarm is not None:
            watchdog.hurry(alarm)

    def close(self) -> None:
        """Free everything. Calling it twice is allowed."""
        self.bridge.close()
        self.guest.close()

    def _interrupt(self) -> None:
        self.bridge.interrupt()
        self.guest.interrupt()

    def _perform(self, request: bytes, streams: Streams) -> Result:
        if self._alarm is not None:
            return self._perform_nested(request, streams)
        self.guest.begin_run(stdin=streams.stdin, stdout=streams.stdout, stderr=streams.stderr)
        self.meter.start()
        return self._conduct(request, streams)

    def _perform_nested(self, request: bytes, streams: Streams) -> Result:
        """Perform a request of a host function that this guest has called."""
        outer = self._alarm, self._outer_counters
        self._outer_counters = self._counters()
        stdio = {"stdin": streams.stdin, "stdout": streams.stdout, "stderr": streams.stderr}
        try:
            with self.guest.nested_run(**stdio):
                return self._conduct(request, streams)
        finally:
            self._alarm, self._outer_counters = outer
            if self.stopped is not None:
                self.bridge.break_off(self.stopped)  # it cannot go on where it made the call

    def _conduct(self, request: bytes, streams: Streams) -> Result:
        start = self.guest.reading()
        if self._outer_counters is None:  # else the outer run's time goes on
            self.guest.count_cpu(self._cpu, start)
        value: Any = None
        exit_code = 0
        error: GuestError | None = None
        alarm = self._alarm = watchdog.arm(
            streams.seconds, self.limits.cpu_seconds, self._interrupt, self.guest.cpu_clock
        )
        before = self.bridge.enter(
            None if streams.seconds == math.inf else time.monotonic() + streams.seconds
        )
        if self._cancelled:
            watchdog.hurry(alarm)
        try:
            try:
                requests = (request,) if self._started else (self._start_request(), request)
                data = self.guest.exchange(*requests)
                self._started = True
                value, error, exit_code = self._outcome(data)
            finally:
                self._alarm = None
                self.bridge.leave(before)
                watchdog.disarm(alarm)
            if self.bridge.stopped:
                raise GuestCancelled("stopped")  # the reply came with the stop: it is stopped
        except StopGuest as stop:
            error, exit_code = self._stop_reason(stop.reason)
        except GuestError as stopped:
            error, exit_code = stopped, -1
            if self.bridge.stopped:
                error = self._interruption(streams.seconds, start, alarm)
            self.stopped = error
        except EngineError:  # the guest was not entered: the thread has no room for it
            self._usage(start, streams)
            raise
        except BaseException:
            # Raised by a host function or a callback, or Ctrl-C: the guest was cut off halfway.
            self.stopped = GuestCancelled("an exception of the host stopped the guest")
            self._usage(start, streams)
            raise
        return Result(
            None if error is not None else value,
            error,
            exit_code,
            streams.stdout.getvalue(),
            streams.stderr.getvalue(),
            self._usage(start, streams),
            streams.stdout.truncated,
            streams.stderr.truncated,
        )

    def _outcome(self, data: bytes) -> tuple[Any, GuestError | None, int]:
        """Value, error and exit code of a reply; reading it counts as the guest's time."""
        allowance = self.bridge.allowance
        try:
            reply = decode(data, self._types, allowance)
        except UnsupportedValueError as error:
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

    def _usage(self, start: Reading, streams: Streams) -> Usage:
        """The run's usage, which is added to the sandbox's totals, too."""
        end = self.guest.reading()
        before = self._outer_counters or (0,) * 5
        calls, arguments, replies, written, created = map(sub, self._counters(), before)
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
        if self._outer_counters is None:  # else it is a part of the outer run's
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

    def _start_request(self) -> bytes:
        facts = {
            "env": dict(self._env),
            "functions": self.bridge.host_api.plain.names,
            "modules": self.bridge.host_api.modules,
            "types": self._types.specs(),
            "recursion": int(min(self.limits.recursion, _HIGHEST_RECURSION)),
        }
        return encode([_START, facts], self._types)

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

    def _interruption(self, seconds: float, start: Reading, alarm: Alarm) -> GuestError:
        if self._cancelled or alarm.signalled or not alarm.fired:
            return GuestCancelled("the guest was cancelled")
        now = self.guest.reading()
        if alarm.out_of_cpu:
            limit = self.limits.cpu_seconds
            return CpuLimitExceeded(
                f"the guest used more CPU time than its limit of {limit:g} seconds "
                "(Limits.cpu_seconds)",
                limit=limit,
                used=now.cpu - start.cpu,
            )
        return TimeLimitExceeded(
            f"the guest ran longer than its limit of {seconds:g} seconds (Limits.wall_seconds)",
            limit=seconds,
            used=now.wall - start.wall,
        )


@dataclass(frozen=True, slots=True)
class Streams:
    """Standard streams and time of one request.

    Attributes:
        stdin: what the guest reads.
        stdout: where its output goes.
        stderr: where its errors go.
        seconds: wall time that it may take.
    """

    stdin: Any
    stdout: CapturedOutput
    stderr: CapturedOutput
    seconds: float = math.inf
