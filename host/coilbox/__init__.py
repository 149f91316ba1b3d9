"""Sandboxed CPython for Python programs.

::

    from coilbox import Sandbox

    with Sandbox() as sandbox:
        print(sandbox.run("sum(range(10))").check().value)
"""

from coilbox.bindings import load_extension
from coilbox.clock import GuestClock
from coilbox.codec import Opaque
from coilbox.compiled import CompiledCode
from coilbox.compiler import compile_code as compile
from coilbox.errors import (
    BuildError,
    CacheError,
    CoilboxError,
    ConfigError,
    CpuLimitExceeded,
    CreatedFilesLimitExceeded,
    DisplayLimitExceeded,
    EngineError,
    ExtensionError,
    FileSizeLimitExceeded,
    Finish,
    Frame,
    GuestCancelled,
    GuestError,
    GuestException,
    GuestProtocolError,
    GuestTrap,
    GuestVisibleError,
    HostCallBytesLimitExceeded,
    HostCallLimitExceeded,
    ImageError,
    LimitExceeded,
    MemoryLimitExceeded,
    OpenFilesLimitExceeded,
    OutputLimitExceeded,
    PackageError,
    PartError,
    RecursionLimitExceeded,
    SandboxBusyError,
    SandboxClosedError,
    SandboxStoppedError,
    SetupError,
    TimeLimitExceeded,
    UnsupportedValueError,
    UsageError,
    ValueLimitExceeded,
    WorkerCrashed,
    WrittenBytesLimitExceeded,
)
from coilbox.images import Image
from coilbox.limits import Limits, Usage
from coilbox.mounts import Mount, Scratch
from coilbox.packages import Packages, open_packages
from coilbox.provision import open_image
from coilbox.results import Display, Result
from coilbox.sandbox import Sandbox
from coilbox.stream import Output, RunStream

__version__ = "0.1.0"

__all__ = [
    "BuildError",
    "CacheError",
    "CoilboxError",
    "CompiledCode",
    "ConfigError",
    "CpuLimitExceeded",
    "CreatedFilesLimitExceeded",
    "Display",
    "DisplayLimitExceeded",
    "EngineError",
    "ExtensionError",
    "FileSizeLimitExceeded",
    "Finish",
    "Frame",
    "GuestCancelled",
    "GuestClock",
    "GuestError",
    "GuestException",
    "GuestProtocolError",
    "GuestTrap",
    "GuestVisibleError",
    "HostCallBytesLimitExceeded",
    "HostCallLimitExceeded",
    "Image",
    "ImageError",
    "LimitExceeded",
    "Limits",
    "MemoryLimitExceeded",
    "Mount",
    "Opaque",
    "OpenFilesLimitExceeded",
    "Output",
    "OutputLimitExceeded",
    "PackageError",
    "Packages",
    "PartError",
    "RecursionLimitExceeded",
    "Result",
    "RunStream",
    "Sandbox",
    "SandboxBusyError",
    "SandboxClosedError",
    "SandboxStoppedError",
    "Scratch",
    "SetupError",
    "TimeLimitExceeded",
    "UnsupportedValueError",
    "Usage",
    "UsageError",
    "ValueLimitExceeded",
    "WorkerCrashed",
    "WrittenBytesLimitExceeded",
    "compile",
    "load_extension",
    "open_image",
    "open_packages",
]
