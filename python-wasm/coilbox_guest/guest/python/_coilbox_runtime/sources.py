"""Source code of runs and modules that have no file, for tracebacks and `inspect`."""

import linecache

_MOST_BYTES = 1 << 20  # of the runs' sources together; the last run's stays, however long
_MOST_RUNS = 1000

_kept = {}  # file name of a run: characters of its source; the oldest first
_size = 0  # their sum


def remember(source, filename):
    """Let tracebacks find the lines of a run's code, as long as it is not among the oldest."""
    global _size
    if isinstance(source, bytes):
        from importlib.util import decode_source

        try:
            source = decode_source(source)
        except (SyntaxError, UnicodeError):
            return  # compile() reports it
    _size += len(source) - _kept.pop(filename, 0)
    _kept[filename] = len(source)
    while len(_kept) > 1 and (len(_kept) > _MOST_RUNS or _size > _MOST_BYTES):
        oldest = next(iter(_kept))
        _size -= _kept.pop(oldest)
        linecache.cache.pop(oldest, None)
    keep(source, filename)


def keep(source, filename):
    """Let tracebacks find the lines of a text for as long as the guest lives."""
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)


def line(filename, number):
    """Return a line of a remembered source; empty if it is not there."""
    return linecache.getline(filename, number)


def forget():
    """Handle the end of boot, whose runs are nobody's."""
    global _size
    _size = 0
    _kept.clear()
    linecache.clearcache()
