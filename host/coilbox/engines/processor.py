"""The processor that compiled code is made for."""

from __future__ import annotations

import platform
from pathlib import Path


def features() -> str:
    """The names of everything that the processor can do, in order, with spaces between."""
    flags = ""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                flags = line.split(":", 1)[1]
                break
    except OSError:
        flags = platform.processor()
    return " ".join(sorted(flags.split()))
