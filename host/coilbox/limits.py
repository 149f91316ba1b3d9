"""What a guest may use, and what it did use. docs/limits.md describes each limit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

from coilbox.errors import UsageError

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a sandbox. Each has an error of its own, which says limit and usage.

    Meeting one stops the guest at once, until ``reset()``; ``recursion`` alone is an exception in
    the guest. What is counted starts at 0 with each ``run`` and ``call``; memory, open files and
    recursion are amounts at one time. ``math.inf`` is no limit, where the type allows a float.

    Attributes:
        wall_seconds: wall time.
        memory_bytes: the guest's linear memory, which holds everything that Python allocates;
            at most 4 GiB.
        output_bytes: what may be written to stdout, and as much to stderr.
        cpu_seconds: CPU time of the thread that runs the guest. A guest has one thread, so its
            wall time bounds it too.
        value_bytes: one value from guest to host, encoded: what a run gives back, or the
            arguments of a host call. A list, dict or set counts 64 bytes besides.
        host_calls: calls of host functions.
        host_call_bytes: their arguments and replies together, encoded.
        open_files: files and directories open at once, besides stdio.
        written_bytes: bytes written to mounts and scratch together.
        created_files: files, directories and links made.
        file_bytes: the length to which the guest may bring one file.
        recursion: the highest recursion limit that the guest's Python can have; it starts at
            1000, or here if this is lower; at least 100.

    Raises:
        UsageError: a limit is not a number of its type above 0, or memory is above 4 GiB.
    """

    wall_seconds: float = 30.0
    memory_bytes: int = 512 * MIB
    output_bytes: int = 16 * MIB
    cpu_seconds: float = math.inf
    value_bytes: int = 64 * MIB
    host_calls: int | float = 1_000_000
    host_call_bytes: int | float = GIB
    open_files: int = 256
    written_bytes: int | float = GIB
    created_files: int | float = 10_000
    file_bytes: int | float = 4 * GIB
    recursion: int | float = 1_000_000

    def __post_init__(self) -> None:
        for spec in LIMITS:
            _check(spec, getattr(self, spec.name))


class LimitSpec(NamedTuple):
    """Where a limit is found.

    Attributes:
        name: in ``Limits``.
        key: in a profile's ``limits``.
        option: of the command line.
        kind: what it is measured in.
        endless: whether it may be infinite.
        help: what it limits, in a sentence.
    """

    name: str
    key: str
    option: str
    kind: Literal["seconds", "bytes", "count"]
    endless: bool
    help: str


LIMITS = (
    LimitSpec("wall_seconds", "wall", "--timeout", "seconds", True, "Wall time of each run."),
    LimitSpec("cpu_seconds", "cpu", "--cpu", "seconds", True, "CPU time of each run."),
    LimitSpec("memory_bytes", "memory", "--memory", "bytes", False, "Memory, at most 4GiB."),
    LimitSpec(
        "output_bytes",
        "output",
        "--output",
        "bytes",
        False,
        "What it may write to stdout, and as much to stderr.",
    ),
    LimitSpec(
        "value_bytes", "value", "--value-size", "bytes", False, "One value from guest to host."
    ),
    LimitSpec(
        "host_calls", "host_calls", "--host-calls", "count", True, "Calls of host functions."
    ),
    LimitSpec(
        "host_call_bytes",
        "host_call_bytes",
        "--host-call-bytes",
        "bytes",
        True,
        "Arguments and replies of host calls together.",
    ),
    LimitSpec(
        "open_files",
        "open_files",
        "--open-files",
        "count",
        False,
        "Files and directories open at once.",
    ),
    LimitSpec("written_bytes", "written", "--written", "bytes", True, "Bytes written to files."),
    LimitSpec(
        "created_files",
        "created_files",
        "--created-files",
        "count",
        True,
        "Files, directories and links made.",
    ),
    LimitSpec("file_bytes", "file_size", "--file-size", "bytes", True, "The length of one file."),
    LimitSpec(
        "recursion", "recursion", "--recursion", "count", True, "The highest recursion limit."
    ),
)
"""All limits, in the order in which they are shown."""


def _check(spec: LimitSpec, value: object) -> None:
    name = f"Limits.{spec.name}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(f"{name} must be a number, not {type(value).__name__}")
    if math.isnan(value) or value <= 0:
        raise UsageError(f"{name} must be above 0, not {value}")
    if value == math.inf and not spec.endless:
        raise UsageError(f"{name} cannot be infinite")
    if spec.kind != "seconds" and not isinstance(value, int) and value != math.inf:
        what = "bytes" if spec.kind == "bytes" else spec.name.replace("_", " ")
        raise UsageError(f"{name} must be a whole number of {what}, not {value}")
    if spec.name == "memory_bytes" and value > 4 * GIB:
        raise UsageError(f"{name} can be at most 4 GiB (4294967296)")
    if spec.name == "recursion" and value < 100:
        raise UsageError(f"{name} must be at least 100, which Python's own library needs")


DEFAULT_LIMITS = Limits()


@dataclass(slots=True)
class Usage:
    """What one ``run`` or ``call`` used, or a sandbox in its life (``Sandbox.usage``).

    Attributes:
        wall_seconds: from the request's start to its end.
        cpu_seconds: CPU time of the thread that ran the guest, host functions included.
        peak_memory_bytes: size of the guest's linear memory at the end; it never shrinks, so
            this is the peak since the sandbox was made or reset.
        stdout_bytes: bytes written to stdout.
        stderr_bytes: bytes written to stderr.
        host_calls: calls of host functions.
        host_call_argument_bytes: their arguments, encoded.
        host_call_reply_bytes: their replies, encoded.
        written_bytes: bytes written to files.
        created_files: files, directories and links made.
        page_faults: pages that the kernel had to give to the thread that ran the guest.
    """

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    host_calls: int = 0
    host_call_argument_bytes: int = 0
    host_call_reply_bytes: int = 0
    written_bytes: int = 0
    created_files: int = 0
    page_faults: int = 0

    def add(self, other: Usage) -> None:
        """Add what another run used; of peaks the higher one stays."""
        self.wall_seconds += other.wall_seconds
        self.cpu_seconds += other.cpu_seconds
        self.peak_memory_bytes = max(self.peak_memory_bytes, other.peak_memory_bytes)
        self.stdout_bytes += other.stdout_bytes
        self.stderr_bytes += other.stderr_bytes
        self.host_calls += other.host_calls
        self.host_call_argument_bytes += other.host_call_argument_bytes
        self.host_call_reply_bytes += other.host_call_reply_bytes
        self.written_bytes += other.written_bytes
        self.created_files += other.created_files
        self.page_faults += other.page_faults
