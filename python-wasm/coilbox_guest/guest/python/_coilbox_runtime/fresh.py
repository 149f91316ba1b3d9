"""What every fresh guest needs anew, because the snapshot froze it with the image's build."""

import os
import sys
import time

import coilbox.host

from _coilbox_runtime import program, values


def start(facts):
    """Handle the start request."""
    program.set_environment(facts["env"])
    path = facts["env"].get("PYTHONPATH")
    if path:
        sys.path[:0] = path.split(":")
    coilbox.host._set_functions(facts["functions"])
    for kind, name, *spec in facts["types"]:
        values.specs[name] = (kind, *spec)
    for module, renew in _RENEWALS.items():
        if module in sys.modules:
            renew(sys.modules[module])


def _random(random):
    random.seed()


def _tempfile(tempfile):
    tempfile.tempdir = None
    tempfile._name_sequence = None


def _uuid(uuid):
    uuid._node = None
    uuid._last_timestamp = None
    uuid._last_timestamp_v7 = None
    uuid._last_counter_v7 = 0


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
    "tempfile": _tempfile,
    "uuid": _uuid,
    "logging": _logging,
    "multiprocessing.process": _multiprocessing,
    "zoneinfo": _zoneinfo,
}
