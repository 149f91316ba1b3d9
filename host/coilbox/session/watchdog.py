"""One thread of the process that stops guests: at their deadlines, and when a signal comes.

A deadline is of wall time or of the CPU time of the guest's thread, whose clock is read from here.
A guest runs on its caller's thread with the GIL released; this thread wakes every few
milliseconds while a guest with a deadline runs, and sleeps otherwise. While it is awake, arming it
costs two operations on a set, and two system calls for signals on the main thread.
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
from typing import NamedTuple

from coilbox.errors import EngineError

# How late a stop may be, in seconds. Waking 250 times a second costs no measurable time.
_TICK = 0.004
# After this many seconds without a running guest the thread sleeps until it is needed.
_LINGER = 1.0


class Alarm:
    """One guest's deadlines, which begin when it is made.

    Args:
        seconds: wall time until it is due.
        cpu_seconds: CPU time until it is due.
        stop: stops the guest; called from another thread, again and again.
        cpu_clock: CPU seconds that count besides the calling thread's; None if those are all.

    Attributes:
        fired: whether the guest was stopped by this alarm.
        hurried: whether it has to stop now. The guest is told until the alarm is disarmed: once
            may be in vain, as it can overwrite its eval breaker in that moment.
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


class _Pipes(NamedTuple):
    """Two pipes that wake the thread: for a run that begins, and for a signal."""

    wake_read: int
    wake_write: int
    signal_read: int
    signal_write: int


class Watchdog:
    """Stops guests from outside. Use the module's ``watchdog``.

    There is no lock that a run waits for. A signal handler may raise at any call of a run, or
    itself begin a run or cancel one: it must leave no alarm behind and meet no lock that its own
    thread holds.

    Attributes:
        alarms: those that are armed. Adding and removing one is a single step.
    """

    def __init__(self) -> None:
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """Start anew: in a forked child there is no thread, and the pipes are the parent's."""
        self.alarms: set[Alarm] = set()
        self._firing: Alarm | None = None
        self._asleep = True
        self._starting = threading.RLock()
        self._pipes: _Pipes | None = None

    def arm(self, alarm: Alarm) -> None:
        """Stop the alarm's guest when it is due, again and again until it is disarmed.

        Ctrl-C counts too, if this is the main thread. Whatever interrupts this, ``disarm`` undoes
        it, and if that is interrupted, removing the alarm from ``alarms``.

        Raises:
            EngineError: the thread that stops guests is not there and cannot be started.
        """
        self.alarms.add(alarm)
        if self._asleep:  # looked at after the alarm is there: the thread does it the other way
            self._wake()
        if threading.get_ident() == threading.main_thread().ident:
            alarm.takes_signals = self._watch_signals()

    def disarm(self, alarm: Alarm) -> None:
        """Forget an alarm. Afterwards its ``stop`` is not called any more."""
        if alarm.takes_signals:
            signal.set_wakeup_fd(-1)
            alarm.takes_signals = False
        self.alarms.discard(alarm)
        while self._firing is alarm:
            time.sleep(_TICK / 40)

    def _watch_signals(self) -> bool:
        """Have the C signal handler write to our pipe: Python's own runs after the guest only.

        False if somebody else has the signals: an event loop, or the run around this one.
        """
        assert self._pipes is not None
        ours = self._pipes.signal_write
        try:
            before = signal.set_wakeup_fd(ours, warn_on_full_buffer=False)
        except ValueError:  # a sub-interpreter
            return False
        if before not in (-1, ours):
            signal.set_wakeup_fd(before, warn_on_full_buffer=False)
            return False
        if before == ours and any(alarm.takes_signals for alarm in list(self.alarms)):
            return False
        # There, or left by a run that was interrupted. What came in that run must not stop this.
        self._take_signals(self._pipes)
        return True

    def _wake(self) -> None:
        with self._starting:
            if self._pipes is None:
                self._start()
            else:
                os.write(self._pipes.wake_write, b"w")

    def _start(self) -> None:
        """Start the thread; it counts as there only if it is, or guests would never be stopped."""
        descriptors: list[int] = []
        thread: threading.Thread | None = None
        try:
            for _ in range(2):
                descriptors += os.pipe()
            pipes = _Pipes(*descriptors)
            for descriptor in (pipes.wake_read, pipes.signal_read, pipes.signal_write):
                os.set_blocking(descriptor, False)
            thread = threading.Thread(
                target=self._watch, args=(pipes,), name="coilbox-watchdog", daemon=True
            )
            thread.start()
            self._pipes = pipes
        except BaseException as error:
            if thread is None or thread.ident is None:
                for descriptor in descriptors:
                    os.close(descriptor)
            else:  # interrupted while it waited for the thread, which has the pipes
                self._pipes = pipes
            if not isinstance(error, OSError | RuntimeError):
                raise
            raise EngineError(
                f"the thread that stops guests cannot be started ({error}); raise the limits of "
                "threads and open files (ulimit -u, ulimit -n)"
            ) from None

    def _watch(self, pipes: _Pipes) -> None:
        # Not select(), which knows no descriptors above 1023: a server may have more open.
        poll = select.poll()
        for descriptor in (pipes.wake_read, pipes.signal_read):
            poll.register(descriptor, select.POLLIN)
        last_busy = time.monotonic()
        while True:
            now = time.monotonic()
            if self.alarms:
                last_busy = now
            self._asleep = now - last_busy > _LINGER
            if self._asleep and self.alarms:  # one came before it could see that it has to wake us
                continue
            if self._asleep:
                wait = None
            else:
                earliest = min((alarm.check_at for alarm in list(self.alarms)), default=math.inf)
                wait = int(min(_TICK, max(_TICK / 4, earliest - now)) * 1000)
            ready = poll.poll(wait)
            if any(descriptor == pipes.wake_read for descriptor, _ in ready):
                os.read(pipes.wake_read, 4096)
                last_busy = time.monotonic()
            self._fire(pipes)

    def _take_signals(self, pipes: _Pipes) -> bool:
        """Empty the pipe of signals; whether Ctrl-C was among them."""
        try:
            return signal.SIGINT in os.read(pipes.signal_read, 4096)
        except BlockingIOError:
            return False

    def _fire(self, pipes: _Pipes) -> None:
        now = time.monotonic()
        alarms = list(self.alarms)  # before the signals: a later alarm's run did not get them
        if self._take_signals(pipes):
            takers = [alarm for alarm in alarms if alarm.takes_signals]
            for alarm in takers or list(self.alarms):
                alarm.signalled = alarm.takes_signals
        for alarm in alarms:
            if alarm.due(now):
                self._firing = alarm
                if alarm in self.alarms:
                    self._stop(alarm)
                self._firing = None

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
