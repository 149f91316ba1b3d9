"""The functions of `time` on the clock of `coilbox_clock`.

    import coilbox_time
    coilbox_time.install()      # now `time.time()`, `time.sleep()` and the others use that clock

Code that imported the functions by name before keeps the real ones, as does `datetime.now`.
"""

import time as _time

import coilbox_clock as _clock

__all__ = ["install", "uninstall"]

time_ns = _clock.time_ns
monotonic_ns = perf_counter_ns = _clock.monotonic_ns
sleep = _clock.sleep


def time():
    """Seconds since 1970."""
    return _clock.time_ns() / 1e9


def monotonic():
    """Seconds since the clock was made."""
    return _clock.monotonic_ns() / 1e9


perf_counter = monotonic

_FUNCTIONS = {
    "time": time,
    "time_ns": time_ns,
    "monotonic": monotonic,
    "monotonic_ns": monotonic_ns,
    "perf_counter": perf_counter,
    "perf_counter_ns": perf_counter_ns,
    "sleep": sleep,
}
_real = {}


def install():
    """Put the functions into the module `time`."""
    for name, function in _FUNCTIONS.items():
        _real.setdefault(name, getattr(_time, name))
        setattr(_time, name, function)


def uninstall():
    """Put the real functions back."""
    while _real:
        name, function = _real.popitem()
        setattr(_time, name, function)
