"""State that every fresh guest needs anew, as the snapshot froze it with the image's build."""

import os
import sys
import time

import coilbox.host

from _coilbox_runtime import modules, program, recursion, values


def start(facts):
    """Handle the start request."""
    recursion.start(facts["recursion"])
    values.limit(facts["value_bytes"])
    program.set_environment(facts["env"])
    path = facts["env"].get("PYTHONPATH")
    if path:
        sys.path[:0] = path.split(":")
    coilbox.host._set_functions(facts["functions"])
    for kind, name, *spec in facts["types"]:
        values.specs[name] = (kind, *spec)
    if facts.get("modules"):
        modules.offer(facts["modules"])
    if facts.get("sources"):
        modules.give(facts["sources"])
    for module, renew in _RENEWALS.items():
        if module in sys.modules:
            renew(sys.modules[module])


def forget():
    """Handle at the end of boot what is made anew on its first use."""
    for module, names in _MADE_ON_USE.items():
        for name in names:
            if hasattr(sys.modules.get(module), name):
                setattr(sys.modules[module], name, None)


_MADE_ON_USE = {
    "tempfile": ("tempdir", "_name_sequence"),
    "uuid": ("_node", "_last_timestamp", "_last_timestamp_v7"),
}


def _random(random):
    # Without an argument it would fetch 2500 bytes, in ten calls of the host.
    random.seed(os.urandom(64))


def _logging(logging):
    logging._startTime = time.time_ns()


def _multiprocessing(process):
    process.current_process().authkey = os.urandom(32)


def _zoneinfo(zoneinfo):
    if "PYTHONTZPATH" in os.environ:
        zoneinfo.reset_tzpath()


def _time(time):
    if "TZ" in os.environ and hasattr(time, "tzset"):
        time.tzset()


_RENEWALS = {
    "time": _time,
    "random": _random,
    "logging": _logging,
    "multiprocessing.process": _multiprocessing,
    "zoneinfo": _zoneinfo,
}
