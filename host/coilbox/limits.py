"""Limits of a guest, and its usage. docs/limits.md describes each limit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

from coilbox.errors import UsageError
from coilbox.support.checks import MOST, checked_seconds, checked_whole

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True, slots=True, init=False)
class Limits:
    """Limits of a sandbox. Each has an error of its own, which says limit and usage.

    Meeting one stops the guest at once, until ``reset()``; ``recursion`` alone is an exception in
    the guest. What is counted starts at 0 with each ``run`` and ``call``; memory, open files and
    recursion are amounts at one time. None is no limit, where the type allows it, and becomes
    ``math.inf``.

    Attributes:
        wall_seconds: wall time; 1e-9 to 1e9 seconds, or None.
        memory_bytes: the guest's linear memory, which holds everything that Python allocates;
            at most 4 GiB.
        output_bytes: what may be written to stdout, and as much to stderr.
        cpu_seconds: CPU time of the thread that runs the guest; 1e-9 to 1e9 seconds, or None. A
            guest has one thread, so its wall time bounds it too.
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
        display_bytes: what ``coilbox.display`` may show in one run; each display counts 64 bytes
            besides.

    Raises:
        UsageError: a limit is not a number of its type, or not in its range; the message has both.
    """

    wall_seconds: float
    memory_bytes: int
    output_bytes: int
    cpu_seconds: float
    value_bytes: int
    host_calls: int | float
    host_call_bytes: int | float
    open_files: int
    written_bytes: int | float
    created_files: int | float
    file_bytes: int | float
    recursion: int | float
    display_bytes: int

    def __init__(
        self,
        wall_seconds: float | None = 30.0,
        memory_bytes: int = 512 * MIB,
        output_bytes: int = 16 * MIB,
        cpu_seconds: float | None = None,
        value_bytes: int = 64 * MIB,
        host_calls: int | float | None = 1_000_000,
        host_call_bytes: int | float | None = GIB,
        open_files: int = 256,
        written_bytes: int | float | None = GIB,
        created_files: int | float | None = 10_000,
        file_bytes: int | float | None = 4 * GIB,
        recursion: int | float | None = 1_000_000,
        display_bytes: int = 64 * MIB,
    ) -> None:
        given = locals()
        for spec in LIMITS:
            object.__setattr__(self, spec.name, checked_limit(spec, given[spec.name]))


class LimitSpec(NamedTuple):
    """Where a limit is found.

    Attributes:
        name: in ``Limits``.
        key: in a profile's ``limits``.
        option: of the command line.
        kind: what it is measured in.
        endless: whether there may be no limit.
        help: what it limits, in a sentence.
        least: the smallest that it can be, if it is a size or count.
        most: the largest.
    """

    name: str
    key: str
    option: str
    kind: Literal["seconds", "bytes", "count"]
    endless: bool
    help: str
    least: int = 1
    most: int = MOST


LIMITS = (
    LimitSpec("wall_seconds", "wall", "--timeout", "seconds", True, "Wall time of each run."),
    LimitSpec("cpu_seconds", "cpu", "--cpu", "seconds", True, "CPU time of each run."),
    LimitSpec(
        "memory_bytes", "memory", "--memory", "bytes", False, "Memory, at most 4GiB.", 1, 4 * GIB
    ),
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
        "recursion", "recursion", "--recursion", "count", True, "The highest recursion limit.", 100
    ),
    LimitSpec("display_bytes", "display", "--display-size", "bytes", False, "What it may display."),
)
"""All limits, in the order in which they are shown."""


def checked_limit(spec: LimitSpec, value: object) -> float:
    """A limit of ``Limits``; infinity for None.

    Args:
        spec: which limit.
        value: what was given.

    Raises:
        UsageError: it is not a number of its type, or not in its range.
    """
    name = f"Limits.{spec.name}"
    if value is None or (isinstance(value, float) and value == math.inf):
        if spec.endless:
            return math.inf
        raise UsageError(
            f"{name} must be a whole number from {spec.least} to {spec.most}, not without end"
        )
    try:
        if spec.kind == "seconds":
            return checked_seconds(value, name)
        return checked_whole(value, name, spec.least, spec.most)
    except UsageError as error:
        none = ", or None for no limit" if spec.endless else ""
        raise UsageError(f"{error}{none}") from None


DEFAULT_LIMITS = Limits()


@dataclass(slots=True)
class Usage:
    """Usage of one ``run`` or ``call``, or of a sandbox in its life (``Sandbox.usage``).

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
        """Add what another run used; of peaks the higher one stays.

        Args:
            other: the usage of that run.
        """
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
