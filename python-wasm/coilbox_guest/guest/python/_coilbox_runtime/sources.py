"""Source code of runs and modules that have no file, for tracebacks and `inspect`."""

import linecache

_MOST_BYTES = 1 << 20  # of the runs' sources together; the last run's stays, however long
_MOST_RUNS = 1000

_kept = {}  # file name of a run: characters of its source; the oldest first


def remember(source, filename):
    """Let tracebacks find the lines of a run's code, as long as it is not among the oldest."""
    if isinstance(source, bytes):
        from importlib.util import decode_source

        try:
            source = decode_source(source)
        except (SyntaxError, UnicodeError):
            return  # compile() reports it
    _kept.pop(filename, None)
    _kept[filename] = len(source)
    if len(_kept) > _MOST_RUNS or sum(_kept.values()) > _MOST_BYTES:
        _forget_oldest()
    keep(source, filename)


def keep(source, filename):
    """Let tracebacks find the lines of a text for as long as the guest lives."""
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)


def line(filename, number):
    """Return a line of a remembered source; empty if it is not there."""
    return linecache.getline(filename, number)


def _forget_oldest():
    size = sum(_kept.values())
    while len(_kept) > 1 and (len(_kept) > _MOST_RUNS or size > _MOST_BYTES):
        oldest = next(iter(_kept))
        size -= _kept.pop(oldest)
        linecache.cache.pop(oldest, None)


def forget():
    """Handle the end of boot, whose runs are nobody's."""
    _kept.clear()
    linecache.clearcache()
