"""WASI preview 1 on the host, shared by every engine.

One ``VirtualTree`` holds a guest's files, one ``WasiContext`` its descriptors, streams and clocks;
``WASI_IMPORTS`` are the functions that a guest module imports. They find the context as
``instance.context.wasi``. Whatever a guest passes to them, they answer with an error number; a
guest can allocate in the host no more than a few MiB, the scratch directory's bytes, and the
listings of directories.
"""

from coilbox.wasi.context import WasiContext
from coilbox.wasi.fdtable import Input, OutputSink
from coilbox.wasi.imports import WASI_IMPORTS
from coilbox.wasi.proc import GuestExit
from coilbox.wasi.sources import (
    Clock,
    CoarseClock,
    Entropy,
    OwnClock,
    SeededEntropy,
    SystemClock,
    SystemEntropy,
)
from coilbox.wasi.stop import StopSignal
from coilbox.wasi.vfs.tree import VirtualTree
from coilbox.wasi.vfs.zip import ZipArchive

__all__ = [
    "WASI_IMPORTS",
    "Clock",
    "CoarseClock",
    "Entropy",
    "GuestExit",
    "Input",
    "OutputSink",
    "OwnClock",
    "SeededEntropy",
    "StopSignal",
    "SystemClock",
    "SystemEntropy",
    "VirtualTree",
    "WasiContext",
    "ZipArchive",
]
