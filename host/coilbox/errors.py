"""Every exception that coilbox raises, in one tree.

::

    CoilboxError
    ├── UsageError                    the caller's mistake: change the call
    │   ├── SandboxClosedError        used after close(): make a new sandbox
    │   ├── SandboxBusyError          used by two threads at once: one sandbox for each thread
    │   ├── SandboxStoppedError       used after a limit or a trap: reset() brings it back
    │   ├── UnsupportedValueError     a value that cannot cross the border: convert it first
    │   └── ExtensionError            an extension's Python code does not fit its spec
    ├── ConfigError                   a profile or build file is wrong: mend it where it points
    │   └── SpecError                 an extension's spec is wrong: mend it where it points
    ├── SetupError                    this machine lacks something: the message says what to do
    │   ├── PartError                 a part could not be fetched or is not what the lock says
    │   ├── CacheError                the cache cannot be used (owner, mode, full disk)
    │   └── EngineError               an engine cannot be loaded, compile or start
    ├── ImageError                    an image is missing, damaged or outdated: rebuild it
    │   └── BuildError                building an image failed
    ├── GuestVisibleError             raised by host functions: the guest gets the message
    ├── Finish                        raised by host functions: ends the run with a value
    └── GuestError                    what the guest did: ``result.error``, raised by ``check()``
        ├── GuestException            Python code in the guest raised
        ├── GuestTrap                 the guest crashed inside its sandbox; the host goes on
        ├── GuestCancelled            cancel() or a signal stopped the guest
        ├── WorkerCrashed             the sandbox's worker process died (docs/isolation.md)
        ├── GuestProtocolError        the guest answered outside the ABI; the sandbox is stopped
        └── LimitExceeded             the guest met a limit (docs/limits.md)
            ├── TimeLimitExceeded           wall time
            ├── CpuLimitExceeded            CPU time
            ├── MemoryLimitExceeded         linear memory
            ├── OutputLimitExceeded         bytes written to stdout or stderr
            ├── ValueLimitExceeded          one value from guest to host
            ├── DisplayLimitExceeded        bytes of what is displayed
            ├── HostCallLimitExceeded       number of host calls
            ├── HostCallBytesLimitExceeded  arguments and replies of host calls
            ├── OpenFilesLimitExceeded      files and directories open at once
            ├── WrittenBytesLimitExceeded   bytes written to files
            ├── CreatedFilesLimitExceeded   files, directories and links made
            ├── FileSizeLimitExceeded       the length of one file
            └── RecursionLimitExceeded      depth of Python calls; a GuestException, too
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class CoilboxError(Exception):
    """The root: ``except CoilboxError`` catches everything that coilbox raises."""


class UsageError(CoilboxError):
    """The caller asked for something that cannot be: change the call."""


class SandboxClosedError(UsageError):
    """The sandbox was closed: make a new one."""


class SandboxBusyError(UsageError):
    """Another thread is using this sandbox: give each thread its own."""


class SandboxStoppedError(UsageError):
    """The guest was stopped by a limit or a trap: ``reset()`` brings the sandbox back.

    Attributes:
        needs_reset: True.
    """

    needs_reset = True


class UnsupportedValueError(UsageError):
    """A value that cannot cross between host and guest: convert or declare it first."""


class ExtensionError(UsageError):
    """An extension's implementation does not fit its spec: the message names the differences."""


class ConfigError(CoilboxError):
    """A profile, guest build or other file is wrong: correct it where the message points."""


class SpecError(ConfigError):
    """An extension's spec breaks rules: correct it at the places that the message shows."""


class SetupError(CoilboxError):
    """This machine lacks something that coilbox needs: the message says what to do."""


class PartError(SetupError):
    """A part of the guest could not be fetched or is not what ``parts.lock`` says."""


class PackageError(SetupError):
    """A package cannot be had for the guest; the message names it and what it lacks."""


class CacheError(SetupError):
    """The cache folder cannot be used: its owner, its mode, or a full disk."""


class EngineError(SetupError):
    """An engine could not be loaded, could not compile, or could not start an instance."""


class ImageError(CoilboxError):
    """An image is missing, damaged, or made for another version: build it again."""


class BuildError(ImageError):
    """Building an image failed: the message names the step and the cause."""


class GuestVisibleError(CoilboxError):
    """An error that a host function raises for the guest, which gets its message.

    It arrives there as ``coilbox.HostError``. One that derives from a built-in exception, too,
    arrives as that exception: ``class Unknown(GuestVisibleError, LookupError)``. Of all other
    exceptions of host functions the guest learns nothing.
    """


class Finish(CoilboxError):
    """Raised by a function of ``functions=`` to end the run, whose result then has a value.

    The guest gets an exception like SystemExit, so that its ``finally`` blocks run, and the
    session can go on afterwards.

    Attributes:
        value: what becomes ``Result.value``; it stays on the host.
    """

    def __init__(self, value: Any = None) -> None:
        super().__init__(value)
        self.value = value


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a guest's traceback.

    Attributes:
        file: the name of the file, as the guest knows it.
        line: the line, from 1; 0 if it is not known.
        function: the name of the function, or ``<module>``; empty for the place of a syntax error.
        source: the text of the line; empty if it is not known.
        end_line: the last line of the expression, or None.
        column: where the expression begins: UTF-8 bytes from 0, for a syntax error characters; or
            None.
        end_column: where it ends, counted alike, or None.
    """

    file: str
    line: int
    function: str
    source: str = ""
    end_line: int | None = None
    column: int | None = None
    end_column: int | None = None


class GuestError(CoilboxError):
    """A fault of the guest: data in ``Result.error``, raised by ``Result.check()``.

    Can be copied and pickled, as results pass from the processes of a pool.

    Attributes:
        needs_reset: whether it stopped the guest: the sandbox then needs a ``reset()``.
    """

    needs_reset = False

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are otherwise made again from ``args``, which are not what __init__ takes.
        return _made_again, (type(self), self.args), self.__dict__


def _made_again(cls: type[GuestError], args: tuple[object, ...]) -> GuestError:
    return cls.__new__(cls, *args)


class GuestException(GuestError):
    """Python code in the guest raised an exception that nothing in the guest caught.

    Attributes:
        type: qualified name of the exception's class; builtins without their module.
        message: ``str()`` of the exception, in the guest.
        notes: its ``__notes__``.
        cause: the exception it was raised from, or None.
        context: the exception during whose handling it was raised, or None.
        frames: the traceback, oldest frame first.
        children: the members of an exception group.
        traceback: the text that CPython would print.
    """

    def __init__(
        self,
        type: str,
        message: str,
        *,
        notes: tuple[str, ...] = (),
        cause: GuestException | None = None,
        context: GuestException | None = None,
        frames: tuple[Frame, ...] = (),
        children: tuple[GuestException, ...] = (),
        traceback: str = "",
    ) -> None:
        GuestError.__init__(self, f"{type}: {message}" if message else type)
        self.type = type
        self.message = message
        self.notes = notes
        self.cause = cause
        self.context = context
        self.frames = frames
        self.children = children
        self.traceback = traceback


class GuestTrap(GuestError):
    """The guest's machine code trapped: native stack used up, or a crash inside the sandbox."""


class GuestCancelled(GuestError):
    """``cancel()`` from another thread, or a signal such as Ctrl-C, stopped the guest."""


class WorkerCrashed(GuestError):
    """The worker process of a sandbox died; the host goes on, ``reset()`` starts another.

    Attributes:
        signal: the number of the signal that ended it, or None.
        exit_code: what it ended with if no signal did, or None.
    """

    def __init__(
        self, message: str, *, signal: int | None = None, exit_code: int | None = None
    ) -> None:
        super().__init__(message)
        self.signal = signal
        self.exit_code = exit_code


class GuestProtocolError(GuestError):
    """The guest answered outside the ABI, as only broken or hostile memory can; it is stopped."""


class LimitExceeded(GuestError):
    """The guest met a limit: docs/limits.md has them all.

    Attributes:
        limit: the limit that was set, in the unit of the subclass.
        used: what was used or asked for, in the same unit.
    """

    unit = ""

    def __init__(self, message: str, *, limit: float, used: float) -> None:
        super().__init__(message)
        self.limit = limit
        self.used = used


class TimeLimitExceeded(LimitExceeded):
    """Wall time ran out (``Limits.wall_seconds``, or the run's timeout); in seconds."""

    unit = "seconds"


class CpuLimitExceeded(LimitExceeded):
    """CPU time ran out (``Limits.cpu_seconds``); in seconds."""

    unit = "seconds"


class MemoryLimitExceeded(LimitExceeded):
    """Linear memory would have grown past ``Limits.memory_bytes``; in bytes."""

    unit = "bytes"


class OutputLimitExceeded(LimitExceeded):
    """More than ``Limits.output_bytes`` came to stdout or to stderr; in bytes, for one stream."""

    unit = "bytes"


class ValueLimitExceeded(LimitExceeded):
    """A value from the guest was larger than ``Limits.value_bytes``; in bytes."""

    unit = "bytes"


class DisplayLimitExceeded(LimitExceeded):
    """The guest displayed more than ``Limits.display_bytes``; in bytes."""

    unit = "bytes"


class HostCallLimitExceeded(LimitExceeded):
    """More host calls than ``Limits.host_calls``; in calls."""

    unit = "calls"


class HostCallBytesLimitExceeded(LimitExceeded):
    """Arguments and replies of host calls were above ``Limits.host_call_bytes``; in bytes."""

    unit = "bytes"


class OpenFilesLimitExceeded(LimitExceeded):
    """More files were to be open at once than ``Limits.open_files``; in files."""

    unit = "files"


class WrittenBytesLimitExceeded(LimitExceeded):
    """More than ``Limits.written_bytes`` were to be written to files; in bytes."""

    unit = "bytes"


class CreatedFilesLimitExceeded(LimitExceeded):
    """More files, directories and links were to be made than ``Limits.created_files``."""

    unit = "files"


class FileSizeLimitExceeded(LimitExceeded):
    """A file was to become longer than ``Limits.file_bytes``; in bytes."""

    unit = "bytes"


class RecursionLimitExceeded(GuestException, LimitExceeded):
    """Python calls nested deeper than the guest's recursion limit; in calls.

    Python raises RecursionError for this, which the guest may catch: this error says that it did
    not. The guest was not stopped and can go on.
    """

    unit = "calls"

    def __init__(self, exception: GuestException, *, limit: float, used: float) -> None:
        GuestException.__init__(
            self,
            exception.type,
            exception.message,
            notes=exception.notes,
            cause=exception.cause,
            context=exception.context,
            frames=exception.frames,
            children=exception.children,
            traceback=exception.traceback,
        )
        self.limit = limit
        self.used = used
        self.args = (f"{self} (the guest's limit was {limit}; Limits.recursion is the highest)",)
