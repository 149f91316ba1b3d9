"""One thread of the process that stops guests: at their deadlines, and when a signal comes.

A deadline is of wall time or of the CPU time of the guest's thread, whose clock is read from here.
A guest runs on its caller's thread with the GIL released; this thread wakes every few
milliseconds while a guest with a deadline runs, and sleeps otherwise. Arming it costs two
dictionary operations, no system call, while it is awake.
"""

from __future__ import annotations

import functools
import math
import os
import select
import signal
import threading
import time
from collections.abc import Callable

from coilbox.errors import EngineError

# How late a stop may be, in seconds. Waking 250 times a second costs no measurable time.
_TICK = 0.004
# After this many seconds without a running guest the thread sleeps until it is needed.
_LINGER = 1.0


class Alarm:
    """One guest's deadlines.

    Attributes:
        fired: whether the guest was told to stop by this alarm.
        hurried: whether that was asked for.
        signalled: whether a signal was the reason.
        out_of_cpu: whether its CPU time was the reason.
    """

    __slots__ = (
        "_cpu_clock",
        "_cpu_end",
        "_wall_end",
        "check_at",
        "fired",
        "hurried",
        "out_of_cpu",
        "signalled",
        "stop",
        "takes_signals",
    )

    def __init__(
        self,
        seconds: float,
        cpu_seconds: float,
        stop: Callable[[], None],
        cpu_clock: Callable[[], float] | None,
    ) -> None:
        now = time.monotonic()
        self.stop = stop
        self.takes_signals = False
        self.fired = self.hurried = self.signalled = self.out_of_cpu = False
        self._wall_end = now + seconds
        # A thread's CPU time never passes faster than wall time: there is nothing to see before.
        self.check_at = now + min(seconds, cpu_seconds)
        self._cpu_clock: Callable[[], float] | None = None
        if cpu_seconds < seconds:
            clock = time.pthread_getcpuclockid(threading.get_ident())
            own = functools.partial(time.clock_gettime, clock)
            self._cpu_clock = own if cpu_clock is None else lambda: own() + cpu_clock()
            self._cpu_end = self._cpu_clock() + cpu_seconds

    def due(self, now: float) -> bool:
        """Whether the guest has to be stopped; if not, when to look again is in ``check_at``."""
        if self.hurried or self.signalled:
            return True
        if now < self.check_at:
            return False
        if not self.fired and self._cpu_clock is not None and now < self._wall_end:
            left = self._cpu_end - self._cpu_clock()
            if left > 0:
                self.check_at = min(self._wall_end, now + left)
                return False
            self.out_of_cpu = True
        return True


class Watchdog:
    """Stops guests from outside. Use the module's ``watchdog``."""

    def __init__(self) -> None:
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """Start anew: in a forked child there is no thread, and the pipes are the parent's."""
        self._lock = threading.Lock()
        self._alarms: set[Alarm] = set()
        self._asleep = True
        self._thread: threading.Thread | None = None
        self._wake_read = self._wake_write = -1
        self._signal_read = self._signal_write = -1

    def arm(
        self,
        seconds: float,
        cpu_seconds: float,
        stop: Callable[[], None],
        cpu_clock: Callable[[], float] | None = None,
    ) -> Alarm:
        """Call ``stop`` after ``seconds``, again and again until disarmed.

        CPU time counts too, the calling thread's and that of ``cpu_clock``, and Ctrl-C if this is
        the main thread.

        Raises:
            EngineError: the thread that stops guests is not there and cannot be started.
        """
        alarm = Alarm(seconds, cpu_seconds, stop, cpu_clock)
        with self._lock:
            if self._asleep:
                self._wake()
            self._alarms.add(alarm)
        if threading.get_ident() == threading.main_thread().ident:
            alarm.takes_signals = self._watch_signals()
        return alarm

    def hurry(self, alarm: Alarm) -> None:
        """Stop the alarm's guest now, and keep at it until it is disarmed.

        Telling a guest once may be in vain: it can overwrite its eval breaker in that moment.
        """
        alarm.hurried = True

    def disarm(self, alarm: Alarm) -> None:
        """Forget an alarm. Afterwards its ``stop`` is not called any more."""
        if alarm.takes_signals:
            signal.set_wakeup_fd(-1)
        with self._lock:
            self._alarms.discard(alarm)
            if alarm.takes_signals:
                # A signal of this run, which Python has handled: it must not stop the next.
                self._take_signals()

    def _watch_signals(self) -> bool:
        """Have the C signal handler write to our pipe: Python's own runs after the guest only.

        False if somebody else has the signals: an event loop, or the run around this one.
        """
        try:
            before = signal.set_wakeup_fd(self._signal_write, warn_on_full_buffer=False)
        except ValueError:  # a sub-interpreter
            return False
        if before != -1:
            signal.set_wakeup_fd(before, warn_on_full_buffer=False)
        return before == -1

    def _wake(self) -> None:
        if self._thread is None:
            self._start()
        else:
            os.write(self._wake_write, b"w")
        self._asleep = False

    def _start(self) -> None:
        """Start the thread; it counts as there only if it is, or guests would never be stopped."""
        thread = threading.Thread(target=self._watch, name="coilbox-watchdog", daemon=True)
        pipes: list[int] = []
        try:
            for _ in range(2):
                pipes += os.pipe()
            self._wake_read, self._wake_write, self._signal_read, self._signal_write = pipes
            for descriptor in (self._wake_read, self._signal_read, self._signal_write):
                os.set_blocking(descriptor, False)
            thread.start()
        except (OSError, RuntimeError) as error:
            for descriptor in pipes:
                os.close(descriptor)
            raise EngineError(
                f"the thread that stops guests cannot be started ({error}); raise the limits of "
                "threads and open files (ulimit -u, ulimit -n)"
            ) from None
        self._thread = thread

    def _watch(self) -> None:
        # Not select(), which knows no descriptors above 1023: a server may have more open.
        poll = select.poll()
        for descriptor in (self._wake_read, self._signal_read):
            poll.register(descriptor, select.POLLIN)
        last_busy = time.monotonic()
        while True:
            now = time.monotonic()
            with self._lock:
                busy = bool(self._alarms)
                earliest = min((alarm.check_at for alarm in self._alarms), default=math.inf)
                if busy:
                    last_busy = now
                elif now - last_busy > _LINGER:
                    self._asleep = True
                wait = None if self._asleep else min(_TICK, max(_TICK / 4, earliest - now))
            ready = poll.poll(None if wait is None else int(wait * 1000))
            if any(descriptor == self._wake_read for descriptor, _ in ready):
                os.read(self._wake_read, 4096)
                last_busy = time.monotonic()
            self._fire()

    def _take_signals(self) -> bool:
        """Empty the pipe of signals; whether Ctrl-C was among them."""
        try:
            return signal.SIGINT in os.read(self._signal_read, 4096)
        except BlockingIOError:
            return False

    def _fire(self) -> None:
        now = time.monotonic()
        with self._lock:
            interrupted = self._take_signals()
            for alarm in self._alarms:
                if interrupted and alarm.takes_signals:
                    alarm.signalled = True
                if alarm.due(now):
                    self._stop(alarm)

    def _stop(self, alarm: Alarm) -> None:
        """Tell a guest to stop; what fails is tried again at the next tick."""
        first, alarm.fired = not alarm.fired, True
        try:
            alarm.stop()
        except Exception:  # this thread serves the other guests, too
            if first:
                import logging  # takes long to import, and is seldom needed

                logging.getLogger("coilbox").exception("a guest could not be told to stop")


watchdog = Watchdog()
