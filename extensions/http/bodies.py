"""Bodies of responses, decompressed in steps of bounded size."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

STEP = 64 << 10
_GZIP = 16 + zlib.MAX_WBITS


class BadBody(Exception):
    """The body is not what its encoding says."""


class Decoder:
    """Decompresses ``gzip`` and ``deflate``; leaves every other encoding as it is.

    However well a body is compressed, one step gives at most :data:`STEP` bytes, so that whoever
    counts them can stop in time.

    Args:
        encoding: the header Content-Encoding.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding.strip().lower()
        self._zlib = self._new() if self._encoding in ("gzip", "x-gzip", "deflate") else None
        self._started = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The decoded bytes of a part of the body, in steps.

        Raises:
            BadBody: it cannot be decompressed.
        """
        if self._zlib is None:
            for start in range(0, len(data), STEP):
                yield data[start : start + STEP]
            return
        full = False
        # A full step may have taken all of the data and still hold some of what it stands for.
        while data or full:
            data, out = self._step(data)
            full = len(out) == STEP
            if out:
                yield out

    def end(self) -> None:
        """Say that the body has ended.

        Raises:
            BadBody: more should have come.
        """
        if self._zlib is not None and self._started and not self._zlib.eof:
            raise BadBody

    def _step(self, data: bytes) -> tuple[bytes, bytes]:
        assert self._zlib is not None
        if self._zlib.eof:
            if self._encoding == "deflate" or not data.startswith(b"\x1f\x8b"):
                return b"", b""  # padding behind the end
            self._zlib = self._new()  # gzip files may follow each other
        try:
            out = self._zlib.decompress(data, STEP)
        except zlib.error:
            if self._encoding != "deflate" or self._started:
                raise BadBody from None
            # Some servers leave out the zlib header.
            self._zlib = zlib.decompressobj(-zlib.MAX_WBITS)
            self._started = True
            return data, b""
        self._started = True
        rest = self._zlib.unused_data if self._zlib.eof else self._zlib.unconsumed_tail
        return rest, out

    def _new(self) -> zlib._Decompress:
        return zlib.decompressobj(zlib.MAX_WBITS if self._encoding == "deflate" else _GZIP)
