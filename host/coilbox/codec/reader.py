"""Reading MessagePack that a guest sent: every byte is doubted, and no piece of work is long."""

from __future__ import annotations

import codecs
import functools
import os
from collections.abc import Iterator
from typing import Any, Final

import msgpack  # type: ignore[import-untyped]

from coilbox.codec.allowance import UNBOUNDED, Allowance
from coilbox.codec.frames import PIECE, Buffer, Frame, Long, may_weigh, scan
from coilbox.codec.keys import FEW_KEYS, dict_of, set_of
from coilbox.codec.nesting import CONTAINER_WEIGHT, Malformed
from coilbox.errors import ValueLimitExceeded

# The keys of the dicts of shorter messages cost little, but for those that are slow to compare.
_CHECK_KEYS_FROM: Final = 4096
_CHECK_SLOW_KEYS_FROM: Final = 1024

# What stands for a long value, which is read by itself: an extension value that no guest can guess.
_STAND_IN: Final = 127

_BIN, _STR = 0xC6, 0xDB
_COPIED = 1 << 20  # bytes


class _Again(Exception):
    """The message has to be read once more, with its keys checked."""


class Reader:
    """Reads messages, one after the other; not for two threads at once.

    Subclasses say what extension values are.

    Attributes:
        allowance: what may be done.
        messages: the extension types whose content is a message of its own.
        simple: whether nothing came so far in this message that could be a key which is slow to
            compare.
    """

    messages: frozenset[int] = frozenset()

    def __init__(self) -> None:
        self.allowance: Allowance = UNBOUNDED
        self.simple = True
        self._weight = 0
        self._weighing = False
        self._hooks: dict[str, Any] = {}
        self._unpackb = functools.partial(
            msgpack.unpackb,
            strict_map_key=False,
            timestamp=2,  # ext -1 is not in the codec; as an integer it does no harm
            ext_hook=self._read_extension,
        )

    def extension(self, code: int, data: Any) -> object:
        """The value of an extension type.

        Args:
            code: its number.
            data: its content: bytes, or a view of them if it is a message of its own.

        Raises:
            Malformed: it is none.
        """
        raise NotImplementedError

    def begin(self, data: Buffer, allowance: Allowance) -> None:
        """Begin to read a message: what is in it is weighed and its keys are checked if need be.

        Raises:
            ValueLimitExceeded: it is too long.
        """
        self.allowance = allowance
        if len(data) > PIECE:
            allowance.large = True
        self.simple = True
        self._weight = 0
        self.add_weight(len(data))
        self._hooks = {"object_pairs_hook": self._dict} if len(data) >= _CHECK_KEYS_FROM else {}
        self._weighing = may_weigh(data, allowance)
        if self._weighing:
            self._hooks = {"object_pairs_hook": self._dict, "list_hook": self._list}

    def end(self) -> None:
        """Keep nothing of the guest's whose message was read."""
        self.allowance = UNBOUNDED

    def read_all(self, data: Buffer, frame: Frame) -> Any:
        """The value of the message that was begun, as ``read`` gives that of a part."""
        try:
            return self.read(data, frame)
        except _Again:
            self._hooks = {"object_pairs_hook": self._dict}
            return self.read(data, frame)

    def read(self, data: Buffer, frame: Frame | None = None) -> Any:
        """The value of a part of the message that was begun.

        Args:
            data: its bytes.
            frame: what a scan of them found, if there was one.

        Raises:
            Malformed: there is none in it.
            Exception: what msgpack raises for broken framing and keys without a hash.
            ValueLimitExceeded: the message weighs too much.
        """
        if frame is None:
            frame = scan(data, self.allowance)
        if len(data) > PIECE:
            return self._read_pieces(data, frame.longs)
        return self._unpackb(data, **self._hooks)

    def found_slow(self) -> None:
        """There is a frozenset or a huge integer in the message, which may become a key."""
        self.simple = False
        if not self._hooks and self._weight > _CHECK_SLOW_KEYS_FROM:
            raise _Again

    def set(self, items: list[Any]) -> set[Any]:
        """The set of these items.

        Raises:
            Malformed: making it would take a hostile time.
        """
        return set_of(items, self.allowance)

    def add_weight(self, weight: int) -> None:
        """Count what the value takes.

        Raises:
            ValueLimitExceeded: it is too much.
        """
        self._weight += weight
        limit = self.allowance.value_bytes
        if self._weight > limit:
            raise ValueLimitExceeded(
                f"the guest sent a value that takes more than {limit} bytes (Limits.value_bytes)",
                limit=limit,
                used=self._weight,
            )

    def _list(self, items: list[Any]) -> list[Any]:
        self.allowance.done()
        self.add_weight(CONTAINER_WEIGHT)
        return items

    def _dict(self, pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
        if len(pairs) <= FEW_KEYS and self.simple and not self._weighing:
            return dict(pairs)
        if self._weighing:
            self.add_weight(CONTAINER_WEIGHT)
        return dict_of(pairs, self.allowance)

    def _read_extension(self, code: int, data: Buffer) -> object:
        self.allowance.done()
        if self._weighing:
            self.add_weight(CONTAINER_WEIGHT)
        return self.extension(code, data)

    # -- long messages ---------------------------------------------------------------------------

    def _read_pieces(self, data: Buffer, longs: tuple[Long, ...]) -> Any:
        view = memoryview(data)
        waiting = iter(longs)
        stand_in = os.urandom(16)

        def extension(code: int, content: bytes) -> object:
            if code == _STAND_IN and content == stand_in:
                return self._read_long(view, next(waiting))
            return self._read_extension(code, content)

        unpacker = msgpack.Unpacker(
            strict_map_key=False,
            timestamp=2,
            ext_hook=extension,
            max_buffer_size=len(data) + PIECE,
            **self._hooks | {"object_pairs_hook": self._dict},
        )
        mark = bytes((0xD8, _STAND_IN)) + stand_in
        place = 0
        for end, following in (*((long.start, long.end) for long in longs), (len(data), 0)):
            for start in range(place, end, PIECE):
                unpacker.feed(view[start : min(start + PIECE, end)])
                self.allowance.checkpoint()
                try:
                    return unpacker.unpack()
                except msgpack.OutOfData:
                    pass
            place = following
            if following:
                unpacker.feed(mark)
                try:
                    return unpacker.unpack()
                except msgpack.OutOfData:
                    pass
        raise Malformed("cut off")

    def _read_long(self, view: memoryview, long: Long) -> object:
        content = view[long.body : long.end]
        if long.kind == _BIN:
            # Joining many bytes lets other threads run; one long copy does not.
            return b"".join(_copies(content))
        if long.kind == _STR:
            if len(content) <= _COPIED:
                return str(content, "utf-8")
            return "".join(codecs.iterdecode(_copies(content), "utf-8"))
        code = content[0] if content[0] < 128 else content[0] - 256
        content = content[1:]
        return self._read_extension(code, content if code in self.messages else bytes(content))


def _copies(content: memoryview) -> Iterator[bytes]:
    """The content, in pieces."""
    for start in range(0, len(content), _COPIED):
        yield bytes(content[start : start + _COPIED])
