"""One running guest in native code: a reservation of address space and the calls into it."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from coilbox.engines.memory import MemoryAccess
from coilbox.engines.native._capi import ffi
from coilbox.engines.protocol import KernelSources
from coilbox.errors import EngineError, GuestTrap

if TYPE_CHECKING:
    from coilbox.engines.native.program import NativeProgram

# runtime.h: enum cb_sources
_SOURCE_CLOCK, _SOURCE_RANDOM = 1, 2
# abi.h: enum cb_trap
TRAP_NAMES = {
    1: "the native stack was used up",
    2: "memory access out of bounds",
    3: "table access out of bounds",
    4: "call of an empty table entry",
    5: "call with a wrong signature",
    6: "integer overflow",
    7: "integer division by zero",
    8: "conversion of a number out of range",
    9: "unreachable code was reached",
    10: "stopped by the host",
    11: "stopped by the host",
    12: "the host has no memory for a table",
}
_NO_ROOM = (
    "no room for one more sandbox on this machine ({}); "
    "close some, or raise the process's address space limit (ulimit -v)"
)


# Guests have stacks of their own; what the host does in between is on the thread's.
_STACK_FOR_HOST = 256 << 10
_NESTED = (
    f"guests are nested too deep for this thread's stack: what the host does between two takes "
    f"up to {_STACK_FOR_HOST} bytes; make the thread with a larger threading.stack_size()"
)


class _Current(threading.local):
    """State of a thread: the instance that it runs, for host imports, and how deep guests nest."""

    def __init__(self) -> None:
        self.instance: NativeInstance | None = None
        self.depth = 0
        self.max_depth = 0  # not asked yet


current = _Current()


class NativeInstance(MemoryAccess):
    """An instance in its own address space. Owned by one sandbox, used by one thread at a time."""

    def __init__(self, program: NativeProgram, memory_limit: int, sources: KernelSources) -> None:
        runtime = program.runtime
        self._runtime = runtime
        self._program = program
        self.context: object = None
        self.raised: BaseException | None = None
        self._gate = threading.RLock()  # interrupt() against close()
        # Every call of the runtime gives the GIL away and takes it back: so few as can be.
        setup: Any = ffi.new("struct cb_setup *")
        setup.memory_limit = memory_limit
        if sources.clock_start is not None:
            setup.clock_start = sources.clock_start
            setup.sources = _SOURCE_CLOCK
        if sources.random:
            setup.sources |= _SOURCE_RANDOM
        outer, current.instance = current.instance, self
        try:
            self._handle = runtime.cb_new(program.image, setup)
        finally:
            current.instance = outer
        if self._handle == ffi.NULL:
            if setup.code > 0:
                self._raise(setup.code)
            raise EngineError(_NO_ROOM.format(os.strerror(ffi.errno)))
        self._pages: Any = setup.pages
        self._size: int = self._pages[0] << 16
        # The memory never moves (its whole 4 GiB are reserved), so one view serves for good.
        self._view = ffi.buffer(setup.memory, 1 << 32)
        self._poll_start = program.poll_page
        self._poll_end = program.poll_page + program.poll_size

    @property
    def memory_size(self) -> int:
        """Size of the linear memory, in bytes."""
        if self._pages is not None:
            self._size = self._pages[0] << 16
        return self._size

    def call(self, export: str, *args: int) -> int:
        """See :class:`coilbox.engines.protocol.Instance`."""
        result = self.call_bits(export, args)
        return result[0] & 0xFFFFFFFF if result else 0

    def call_bits(self, export: str, args: tuple[int, ...]) -> list[int]:
        """Call an export of any signature; values are bits as unsigned 64-bit integers.

        Raises:
            GuestTrap: the guest trapped.
            BaseException: what a host import raised, unchanged.
        """
        item = self._export(export)
        results = len(ffi.string(item.results))
        # A fresh array for each call: a host import may call the guest again.
        values = ffi.new("uint64_t[]", max(len(args), results, 1))
        for index, value in enumerate(args):
            values[index] = value
        self._enter(self._runtime.cb_call, item, values)
        return [values[index] for index in range(results)]

    def exchange(self, export: str, address: int, requests: Sequence[bytes | memoryview]) -> int:
        """See :class:`coilbox.engines.protocol.Instance`."""
        item = self._export(export)
        given = ffi.new("struct cb_request[]", len(requests))
        held = []
        for index, request in enumerate(requests):
            self._check(address, len(request))
            held.append(ffi.from_buffer(request))
            given[index] = (held[-1], len(request))
        values = ffi.new("uint64_t[]", 1)
        self._enter(self._runtime.cb_exchange, item, address, given, len(requests), values)
        status: int = values[0] & 0xFFFFFFFF
        return status

    def _export(self, name: str) -> Any:
        if self._handle is None:
            raise EngineError("the instance was closed")
        item = self._program.exports.get(name)
        if item is None:
            raise EngineError(f"the guest module has no export {name!r} as the ABI says")
        return item

    def _enter(self, function: Any, *args: Any) -> None:
        """Call a function of the runtime that runs the guest."""
        if current.depth >= current.max_depth:
            self._check_depth()
        outer, current.instance = current.instance, self
        current.depth += 1
        try:
            code = function(self._handle, *args)
        finally:
            current.instance = outer
            current.depth -= 1
        if code:
            self._raise(code)

    def _check_depth(self) -> None:
        """Ask once for each thread how deep guests may nest on it."""
        if current.max_depth == 0:
            current.max_depth = max(1, self._runtime.cb_stack_bytes() // _STACK_FOR_HOST)
        if current.depth >= current.max_depth:
            raise EngineError(_NESTED)

    def _raise(self, code: int) -> None:
        raised, self.raised = self.raised, None
        if raised is not None:
            try:
                raise raised
            finally:
                del raised  # else it holds this frame, which holds it
        if code < 0:
            raise EngineError(f"this thread got no signal stack: {os.strerror(ffi.errno)}")
        raise GuestTrap(f"the guest crashed inside its sandbox: {TRAP_NAMES[code]}")

    def interrupt(self) -> None:
        """See :class:`coilbox.engines.protocol.Instance`."""
        with self._gate:
            if self._handle is not None and self._runtime.cb_interrupt(self._handle):
                raise EngineError("the poll page could not be protected (mprotect failed)")

    def close(self) -> None:
        """See :class:`coilbox.engines.protocol.Instance`."""
        with self._gate:
            handle, self._handle = self._handle, None
            if handle is not None:
                self._view = self._pages = None
                self._runtime.cb_free(handle)
