"""C compilers as programs: where the one of the ``ziglang`` package is, and running one."""

from __future__ import annotations

import errno
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from coilbox.errors import SetupError

_ATTEMPTS = 2
_LEAST_FREE = 1 << 20
"""With fewer bytes free a compiler that fails is taken to have found the disk full."""


def zig() -> Path:
    """The program ``zig`` of the ``ziglang`` package, found without importing it.

    Raises:
        SetupError: the package is not installed.
    """
    spec = importlib.util.find_spec("ziglang")
    if spec is None or spec.origin is None:
        raise SetupError("the ziglang package is not installed; run: pip install ziglang")
    return Path(spec.origin).with_name("zig.exe" if sys.platform == "win32" else "zig")


def run_compiler(
    command: Sequence[str], environment: Mapping[str, str], folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run a compiler or linker to its end, whether it succeeds or not.

    zig writes what it needs between its steps into its cache, from where another process may take
    it. So each run has a folder of its own for that; what all share is compiled code of the C
    library. A run that fails is repeated: on a busy machine some fail for want of memory, or of a
    file that was there before.

    Args:
        command: the program and its arguments.
        environment: variables on top of this process's own.
        folder: where to put the folder of its own, which is removed.

    Raises:
        OSError: the program cannot be started, or the disk is full (ENOSPC).
    """
    for _ in range(_ATTEMPTS):
        with tempfile.TemporaryDirectory(
            prefix="zig-", dir=folder, ignore_cleanup_errors=True
        ) as own:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                errors="replace",
                env={**os.environ, **environment, "ZIG_LOCAL_CACHE_DIR": own},
                check=False,
            )
        if done.returncode == 0:
            break
        _refuse_a_full_disk(done, folder)
    return done


def _refuse_a_full_disk(done: subprocess.CompletedProcess[str], folder: Path) -> None:
    full = os.strerror(errno.ENOSPC)
    # zig may die without a word when it cannot write.
    if full in done.stderr + done.stdout or shutil.disk_usage(folder).free < _LEAST_FREE:
        raise OSError(errno.ENOSPC, full, str(folder))
