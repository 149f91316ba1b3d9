"""A running guest: an instance with its files and streams, wherever it runs.

``coilbox.isolation.guest`` has the one in a worker process.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from coilbox.bridge.imports import ImportContext
from coilbox.bridge.meter import Reading, value_too_large
from coilbox.clock import GuestClock
from coilbox.engines.protocol import KernelSources, Program
from coilbox.errors import GuestProtocolError, MemoryLimitExceeded
from coilbox.images import Image
from coilbox.limits import Limits
from coilbox.mounts import Mount, Scratch
from coilbox.wasi import (
    Clock,
    Entropy,
    SeededEntropy,
    StopSignal,
    SystemClock,
    SystemEntropy,
    VirtualTree,
    WasiContext,
)
from coilbox.wasi.fdtable import Input, OutputSink
from coilbox.wasi.vfs.host import HostVolume
from coilbox.wasi.vfs.node import Volume


@dataclass(frozen=True, slots=True)
class GuestSettings:
    """The settings that a sandbox gives each of its guests, wherever they run.

    Attributes:
        mounts: host directories that the guest sees.
        scratch: its directory in memory, or None.
        limits: what it may use.
        clock: what time it is for it.
        random_seed: what determines its randomness; None for the kernel's.
    """

    mounts: tuple[Mount, ...]
    scratch: Scratch | None
    limits: Limits
    clock: GuestClock
    random_seed: int | None

    def entropy(self) -> Entropy:
        """The guest's randomness, from its start."""
        return SystemEntropy() if self.random_seed is None else SeededEntropy(self.random_seed)


class Guest(Protocol):
    """A session's guest. Used by one thread at a time, ``interrupt`` by any."""

    @property
    def memory_size(self) -> int:
        """Size of the linear memory, in bytes."""

    @property
    def written_bytes(self) -> int:
        """Bytes written to files in this run."""

    @property
    def created_files(self) -> int:
        """Files, directories and links made in this run."""

    def bind(self, context: ImportContext) -> None:
        """Set what host imports find; its ``wasi`` is set if the guest is in this process."""

    @property
    def scratch_changed(self) -> bool:
        """Whether files of the scratch directory changed in this run."""

    def scratch_file(self, operation: str, path: list[bytes], offset: int, data: bytes) -> bytes:
        """Do something with the scratch directory; see ``coilbox.wasi.vfs.scratch_files``.

        Raises:
            WasiError: it cannot be done.
            GuestError: the guest's worker is gone, or broke the rules.
        """

    def begin_run(self, *, stdin: Input, stdout: OutputSink, stderr: OutputSink) -> None:
        """Begin a run with streams of its own, and with nothing written yet."""

    def nested_run(
        self, *, stdin: Input, stdout: OutputSink, stderr: OutputSink
    ) -> AbstractContextManager[None]:
        """Give a run within a run streams of its own, until the block ends."""

    def exchange(self, *requests: bytes) -> bytes:
        """Send requests, one after the other, and fetch the reply to the last, all encoded.

        Raises:
            GuestError: the guest is stopped.
            StopGuest: a host import stopped it.
            BaseException: what a host function or a stream raised.
        """

    def interrupt(self) -> None:
        """Stop the guest as soon as possible; it is told again and again until it stops."""

    def reading(self) -> Reading:
        """Clocks and counters at this moment."""

    def count_cpu(self, used: float, reading: Reading) -> None:
        """Show the guest's code ``used`` seconds of CPU time at the moment of a reading.

        A run begins then. What the thread did between the runs is not the guest's.
        """

    @property
    def cpu_clock(self) -> Callable[[], float] | None:
        """Tells any thread the CPU seconds that the guest takes besides this one's, or None."""

    def close(self) -> None:
        """Free everything. Calling it twice is allowed."""


class LocalGuest:
    """A guest in this process.

    Args:
        program: its compiled code.
        image: the image of it.
        settings: what the sandbox gives it.
        volume: makes what a mount is of a mount and its device number; a host directory if None.

    Attributes:
        wasi: the files and streams that it sees.
        instance: the instance.
        info: addresses in its memory.
        cpu_clock: None, as the guest runs on the session's thread.

    Raises:
        EngineError: the machine has no room for one more.
    """

    def __init__(
        self,
        program: Program,
        image: Image,
        settings: GuestSettings,
        volume: Callable[[Mount, int], Volume] = HostVolume,
    ) -> None:
        self.info = image.info
        self._limits = limits = settings.limits
        self._stop = StopSignal()
        clock, entropy = settings.clock.make(), settings.entropy()
        self.wasi = WasiContext(
            root=VirtualTree(settings.mounts, settings.scratch, image.stdlib, volume=volume),
            clock=clock,
            entropy=entropy,
            stop=self._stop,
            limits=limits,
        )
        try:
            self.instance = program.instantiate(
                memory_limit=limits.memory_bytes, sources=_kernel_sources(clock, entropy)
            )
        except BaseException:
            self.wasi.close()
            raise

    cpu_clock = None

    @property
    def memory_size(self) -> int:
        """See :class:`Guest`."""
        return self.instance.memory_size

    @property
    def written_bytes(self) -> int:
        """See :class:`Guest`."""
        return self.wasi.written_bytes

    @property
    def created_files(self) -> int:
        """See :class:`Guest`."""
        return self.wasi.created_files

    def bind(self, context: ImportContext) -> None:
        """See :class:`Guest`."""
        context.wasi = self.wasi
        self.instance.context = context

    @property
    def scratch_changed(self) -> bool:
        """See :class:`Guest`."""
        return self.wasi.scratch_changed

    def scratch_file(self, operation: str, path: list[bytes], offset: int, data: bytes) -> bytes:
        """See :class:`Guest`."""
        return self.wasi.scratch_file(operation, path, offset, data)

    def begin_run(self, *, stdin: Input, stdout: OutputSink, stderr: OutputSink) -> None:
        """See :class:`Guest`."""
        self.wasi.begin_run(stdin=stdin, stdout=stdout, stderr=stderr)

    def nested_run(
        self, *, stdin: Input, stdout: OutputSink, stderr: OutputSink
    ) -> AbstractContextManager[None]:
        """See :class:`Guest`."""
        return self.wasi.nested_run(stdin=stdin, stdout=stdout, stderr=stderr)

    def exchange(self, *requests: bytes | memoryview) -> bytes:
        """See :class:`Guest`."""
        instance, info = self.instance, self.info
        address = info.request
        longest = max(map(len, requests))
        if longest > info.request_capacity:
            if len(requests) > 1:
                self.exchange(*requests[:-1])
                return self.exchange(requests[-1])
            address = instance.call("coilbox_reserve", longest)
            if address == 0:
                raise no_room(longest, self._limits)
        status = instance.exchange("coilbox_request", address, requests)
        if status != 0:
            raise GuestProtocolError(f"the guest could not handle a request (error {status})")
        place = instance.read(info.reply_field, 8)
        reply = int.from_bytes(place[:4], "little")
        length = int.from_bytes(place[4:], "little")
        if length > self._limits.value_bytes:
            raise value_too_large(length, self._limits.value_bytes)
        return instance.read(reply, length)

    def interrupt(self) -> None:
        """See :class:`Guest`."""
        self._stop.set()
        self.instance.interrupt()

    def reading(self) -> Reading:
        """See :class:`Guest`."""
        return Reading()

    def count_cpu(self, used: float, reading: Reading) -> None:
        """See :class:`Guest`."""
        self.wasi.clock.cpu_zero = int((reading.cpu - used) * 1e9)

    def close(self) -> None:
        """See :class:`Guest`."""
        self.instance.close()
        self.instance.context = None  # else they hold each other, until the garbage is collected
        self.wasi.close()


def _kernel_sources(clock: Clock, entropy: Entropy) -> KernelSources:
    # Exactly these classes: those derived from them give the guest something else.
    return KernelSources(
        clock.start if type(clock) is SystemClock else None, type(entropy) is SystemEntropy
    )


def no_room(size: int, limits: Limits) -> MemoryLimitExceeded:
    """The error for a message of so many bytes that does not fit in the guest's memory."""
    return MemoryLimitExceeded(
        f"a request of {size} bytes does not fit in the guest's memory "
        f"(Limits.memory_bytes is {limits.memory_bytes})",
        limit=limits.memory_bytes,
        used=size,
    )
