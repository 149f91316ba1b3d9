"""What a guest may use, and what it did use."""

from __future__ import annotations

import math
from dataclasses import dataclass

from coilbox.errors import UsageError

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a sandbox. Exceeding one stops the guest at once with an error of its own.

    Attributes:
        wall_seconds: wall time of each ``run`` or ``call``; ``math.inf`` for none.
        memory_bytes: the guest's linear memory, which holds everything that Python allocates;
            at most 4 GiB.
        output_bytes: what one ``run`` or ``call`` may write to stdout, and as much to stderr.

    Raises:
        UsageError: a limit is not a positive number, or memory is above 4 GiB.
    """

    wall_seconds: float = 30.0
    memory_bytes: int = 512 * MIB
    output_bytes: int = 16 * MIB

    def __post_init__(self) -> None:
        for name in ("wall_seconds", "memory_bytes", "output_bytes"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise UsageError(f"Limits.{name} must be a number, not {type(value).__name__}")
            if math.isnan(value) or value <= 0:
                raise UsageError(f"Limits.{name} must be above 0, not {value}")
        for name in ("memory_bytes", "output_bytes"):
            if not isinstance(getattr(self, name), int):
                raise UsageError(f"Limits.{name} must be a whole number of bytes")
        if self.memory_bytes > 1 << 32:
            raise UsageError("Limits.memory_bytes can be at most 4 GiB (4294967296)")


@dataclass(frozen=True, slots=True)
class Usage:
    """What one ``run`` or ``call`` used.

    Attributes:
        wall_seconds: from the request's start to its end.
        peak_memory_bytes: size of the guest's linear memory at the end; it never shrinks, so
            this is the sandbox's peak since it was made or reset.
        stdout_bytes: bytes written to stdout.
        stderr_bytes: bytes written to stderr.
        host_calls: calls of host functions.
    """

    wall_seconds: float
    peak_memory_bytes: int
    stdout_bytes: int
    stderr_bytes: int
    host_calls: int
