"""The host's way into a guest's linear memory: the same checks on every engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from coilbox.errors import EngineError, GuestProtocolError


class MemoryAccess(ABC):
    """Reads and writes of one instance's memory, which is never believed to be where it says.

    Engines set the attributes: ``_view``, the memory as a buffer, or None once it is closed;
    ``_size``, the last known size in bytes; ``_poll_start`` and ``_poll_end``, the poll page.
    """

    _view: Any
    _size: int
    _poll_start: int
    _poll_end: int

    @property
    @abstractmethod
    def memory_size(self) -> int:
        """Size of the linear memory, in bytes."""

    @abstractmethod
    def call(self, export: str, *args: int) -> int:
        """See :class:`coilbox.engines.protocol.Instance`."""

    def exchange(self, export: str, address: int, requests: Sequence[bytes | memoryview]) -> int:
        """See :class:`coilbox.engines.protocol.Instance`."""
        status = 0
        for request in requests:
            self.write(address, request)
            status = self.call(export, len(request))
            if status:
                break
        return status

    def _check(self, address: int, length: int) -> None:
        if self._view is None:
            raise EngineError("the instance was closed")
        end = address + length
        if length < 0 or address < 0 or (end > self._size and end > self.memory_size):
            raise GuestProtocolError(
                f"the guest named {length} bytes at {address:#x}, outside its memory"
            )
        # The poll page may be inaccessible at any moment; nothing of the guest's lies in it.
        if address < self._poll_end and end > self._poll_start and length:
            raise GuestProtocolError("the guest named an address in the poll page")

    def read(self, address: int, length: int) -> bytes:
        """See :class:`coilbox.engines.protocol.Instance`."""
        self._check(address, length)
        data: bytes = self._view[address : address + length]
        return data

    def view(self, address: int, length: int) -> memoryview:
        """See :class:`coilbox.engines.protocol.Instance`."""
        self._check(address, length)
        return memoryview(self._view)[address : address + length]

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """See :class:`coilbox.engines.protocol.Instance`."""
        length = len(data)
        self._check(address, length)
        self._view[address : address + length] = data
