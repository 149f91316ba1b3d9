"""Sandboxed CPython for Python programs.

::

    from coilbox import Sandbox

    with Sandbox() as sandbox:
        print(sandbox.run("sum(range(10))").check().value)
"""

from coilbox.codec import Opaque
from coilbox.errors import (
    BuildError,
    CacheError,
    CoilboxError,
    ConfigError,
    EngineError,
    Frame,
    GuestCancelled,
    GuestError,
    GuestException,
    GuestProtocolError,
    GuestTrap,
    HostError,
    ImageError,
    LimitExceeded,
    MemoryLimitExceeded,
    OutputLimitExceeded,
    PartError,
    SandboxBusyError,
    SandboxClosedError,
    SandboxStoppedError,
    TimeLimitExceeded,
    UnsupportedValueError,
    UsageError,
)
from coilbox.images import Image, open_image
from coilbox.limits import Limits, Usage
from coilbox.mounts import Mount, Scratch
from coilbox.results import Result
from coilbox.sandbox import Sandbox
from coilbox.stream import Output, RunStream

__version__ = "0.1.0"

__all__ = [
    "BuildError",
    "CacheError",
    "CoilboxError",
    "ConfigError",
    "EngineError",
    "Frame",
    "GuestCancelled",
    "GuestError",
    "GuestException",
    "GuestProtocolError",
    "GuestTrap",
    "HostError",
    "Image",
    "ImageError",
    "LimitExceeded",
    "Limits",
    "MemoryLimitExceeded",
    "Mount",
    "Opaque",
    "Output",
    "OutputLimitExceeded",
    "PartError",
    "Result",
    "RunStream",
    "Sandbox",
    "SandboxBusyError",
    "SandboxClosedError",
    "SandboxStoppedError",
    "Scratch",
    "TimeLimitExceeded",
    "UnsupportedValueError",
    "Usage",
    "UsageError",
    "open_image",
]
