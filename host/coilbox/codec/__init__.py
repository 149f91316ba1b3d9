"""The codec of values that cross between host and guest (``docs/abi.md``, Codec).

Encoding raises :class:`~coilbox.errors.UnsupportedValueError`, which names the place of the bad
value; decoding raises :class:`~coilbox.errors.GuestProtocolError`, because the bytes come from
the guest and may be anything.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from coilbox.codec.allowance import UNBOUNDED, Allowance
from coilbox.codec.decode import Decoder
from coilbox.codec.encode import Encoder
from coilbox.codec.frames import Buffer
from coilbox.codec.registry import Opaque, TypeRegistry
from coilbox.codec.wire import MAX_DEPTH

__all__ = ["MAX_DEPTH", "NO_TYPES", "Allowance", "Opaque", "TypeRegistry", "decode", "encode"]

NO_TYPES = TypeRegistry()
"""The registry of all who declare nothing: they then share what is made for it."""


class _Coders(threading.local):
    """The last used encoder and decoder of each thread: making them costs more than their use."""

    def __init__(self) -> None:
        self.encoder = Encoder(NO_TYPES)
        self.decoder = Decoder(NO_TYPES)


_coders = _Coders()


def encode(
    value: object,
    types: TypeRegistry = NO_TYPES,
    labels: Sequence[str] = (),
    allowance: Allowance = UNBOUNDED,
) -> bytes:
    """Return ``value`` as bytes.

    Args:
        value: the value.
        types: the declared types.
        labels: names for the items of the outermost list, for messages (``args[0]['x']``).
        allowance: what may be done.

    Raises:
        UnsupportedValueError: the value, or one inside it, cannot cross.
        BaseException: what the checkpoint of ``allowance`` raises.
    """
    encoder = _coders.encoder
    if encoder.types is not types or encoder.busy:
        encoder = _coders.encoder = Encoder(types)
    return encoder.encode(value, labels, allowance)


def decode(
    data: Buffer, types: TypeRegistry = NO_TYPES, allowance: Allowance | None = None
) -> object:
    """Return the value that ``data`` holds.

    Args:
        data: bytes from the guest.
        types: the declared types.
        allowance: what may be done, among it what the value may weigh (``Limits.value_bytes``): its
            bytes, and 64 for each list, dict and extension value, as ``b"\\x90"`` is one byte
            there and 64 here.

    Raises:
        GuestProtocolError: ``data`` is not a value of the codec.
        ValueLimitExceeded: it weighs more than the limit.
        UnsupportedValueError: a time zone in ``data`` is not known on this machine.
        BaseException: what the checkpoint of ``allowance`` raises.
    """
    decoder = _coders.decoder
    if decoder.types is not types or decoder.busy:
        decoder = _coders.decoder = Decoder(types)
    return decoder.decode(data, allowance or Allowance())
