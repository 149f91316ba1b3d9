"""Files of `coilbox_files` as file objects.

from coilbox_fileio import open
with open("notes.txt", "a", encoding="utf-8") as file:
    print("hello", file=file)
"""

import io

import coilbox_files

__all__ = ["open"]


class _Raw(io.RawIOBase):
    def __init__(self, path, readable, writable, position):
        self.name = path
        self._path = path
        self._readable = readable
        self._writable = writable
        self._position = position

    def readable(self):
        return self._readable

    def writable(self):
        return self._writable

    def seekable(self):
        return True

    def readinto(self, buffer):
        self._check(self._readable, "not readable")
        data = coilbox_files.read(self._path, offset=self._position, size=len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def write(self, data):
        self._check(self._writable, "not writable")
        data = bytes(data)
        coilbox_files.write_at(self._path, data, self._position)
        self._position += len(data)
        return len(data)

    def seek(self, offset, whence=io.SEEK_SET):
        self._check(True, "")
        if whence == io.SEEK_CUR:
            offset += self._position
        elif whence == io.SEEK_END:
            offset += coilbox_files.stat(self._path).size
        elif whence != io.SEEK_SET:
            raise ValueError(f"whence must be 0, 1 or 2, not {whence!r}")
        if offset < 0:
            raise ValueError(f"negative position {offset!r}")
        self._position = offset
        return offset

    def tell(self):
        self._check(True, "")
        return self._position

    def truncate(self, size=None):
        self._check(self._writable, "not writable")
        size = self._position if size is None else size
        coilbox_files.truncate(self._path, size)
        return size

    def _check(self, possible, message):
        if self.closed:
            raise ValueError("I/O operation on closed file")
        if not possible:
            raise io.UnsupportedOperation(message)


class _Append(_Raw):
    def write(self, data):
        self._check(True, "")
        data = bytes(data)
        coilbox_files.write(self._path, data, mode=coilbox_files.WriteMode.APPEND)
        self._position = coilbox_files.stat(self._path).size
        return len(data)


def open(path, mode="r", buffering=-1, encoding=None, errors=None, newline=None):
    """Open a file; the arguments are those of the built-in `open`.

    A `buffering` of 0 has every read and write call the host; only binary files can have it.
    """
    path = str(path)
    letters = set(mode)
    kinds = letters & set("rwax")
    if len(kinds) != 1 or letters - set("rwaxbt+") or len(letters) != len(mode):
        raise ValueError(f"invalid mode: {mode!r}")
    if "b" in letters and ("t" in letters or encoding or errors or newline):
        raise ValueError("binary mode takes neither 't' nor encoding, errors, newline")
    (kind,) = kinds
    position = 0
    if kind == "r":
        if coilbox_files.stat(path).kind is not coilbox_files.Kind.FILE:
            raise coilbox_files.IsAFolder(path=path)
    elif kind == "a":
        coilbox_files.write(path, b"", mode=coilbox_files.WriteMode.APPEND)
        position = coilbox_files.stat(path).size
    else:
        make = coilbox_files.WriteMode.CREATE if kind == "x" else coilbox_files.WriteMode.REPLACE
        coilbox_files.write(path, b"", mode=make)
    update = "+" in letters
    cls = _Append if kind == "a" else _Raw
    raw = cls(path, kind == "r" or update, kind != "r" or update, position)
    if buffering == 0:
        if "b" not in letters:
            raise ValueError("text files cannot be unbuffered")
        return raw
    size = buffering if buffering > 1 else 64 << 10
    if update:
        buffered = io.BufferedRandom(raw, size)
    elif raw.writable():
        buffered = io.BufferedWriter(raw, size)
    else:
        buffered = io.BufferedReader(raw, size)
    if "b" in letters:
        return buffered
    encoding = "utf-8" if encoding is None else encoding
    text = io.TextIOWrapper(buffered, encoding, errors, newline, line_buffering=buffering == 1)
    text.mode = mode
    return text
