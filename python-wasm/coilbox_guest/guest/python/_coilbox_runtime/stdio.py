"""sys.stdin, sys.stdout and sys.stderr: new ones for every run."""

import sys
from contextlib import suppress
from io import BufferedReader, BufferedWriter, FileIO, TextIOWrapper

import _coilbox

_BUFFER = 8192


def _reader():
    raw = FileIO(0, "rb", closefd=False)
    raw.name = "<stdin>"
    stream = TextIOWrapper(BufferedReader(raw, _BUFFER), "utf-8", "surrogateescape")
    stream.mode = "r"
    return stream


def _writer(descriptor, name, errors):
    raw = FileIO(descriptor, "wb", closefd=False)
    raw.name = name
    # Text goes out at the end of each line, so that it keeps its order with what os.write and C
    # code put out, and so that the host sees it as it comes.
    stream = TextIOWrapper(BufferedWriter(raw, _BUFFER), "utf-8", errors, line_buffering=True)
    stream.mode = "w"
    return stream


_unused = None  # streams that no run has had yet


def prepare():
    """Make streams ahead of the next run: those of the first run are in the snapshot."""
    global _unused
    _unused = (
        _reader(),
        _writer(1, "<stdout>", "surrogateescape"),
        _writer(2, "<stderr>", "backslashreplace"),
    )


def renew():
    """Give the coming run streams that nobody has touched."""
    global _unused
    if _unused is None:
        prepare()
    sys.stdin, sys.stdout, sys.stderr = _unused
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = _unused
    _unused = None


def flush():
    """Write out what is left in any buffer, also of streams that the guest put in their place."""
    for name in ("stdout", "__stdout__", "stderr", "__stderr__"):
        with suppress(BaseException):  # closed, None or broken by the guest
            getattr(sys, name).flush()
    _coilbox.flush_stdio()
