"""The native engine's handler of faults, beside those of others in the same process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_COEXIST = """
import faulthandler, signal, sys
first, second = sys.argv[1:3]
sys.path[:0] = sys.argv[4:]
from pathlib import Path
from coilbox.support.cache import Cache
from coilbox.engines.native.library import runtime
from coilbox.engines.native.program import NativeProgram
from coilbox.engines.native.toolchain import zig
from coilbox.engines.protocol import HostImport
from coilbox.errors import GuestTrap
import os
program = instance = None
def native():
    global program, instance
    if program is None:
        cache = Cache(Path(os.environ["NATIVE_CACHE"]))
        program = NativeProgram(runtime(cache, zig(cache.root / "zig")), Path(sys.argv[3]), [
            HostImport("host", "two", "iI", "i", lambda i, a, b: a),
            HostImport("host", "none", "", "", lambda i: None)], poll_page=65536, poll_size=65536)
        instance = program.instantiate(memory_limit=1 << 24)
    for export, argument in (("load", 1 << 30), ("deep", 0)):
        try:
            instance.call(export, argument)
        except GuestTrap:
            continue
        raise SystemExit("no trap")
def faults():
    faulthandler.enable()
def wasmtime():
    import wasmtime
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    module = wasmtime.Module(engine, '(module (memory 1) (func (export "f") (drop (i32.load'
        ' (i32.const 100000)))))')
    f = wasmtime.Instance(store, module, []).exports(store)["f"]
    try:
        f(store)
    except (wasmtime.Trap, wasmtime.WasmtimeError):
        return
    raise SystemExit("no trap in wasmtime")
for name in (first, second, first, second):
    globals()[name]()
print("fine", flush=True)
import ctypes
ctypes.string_at(8)
"""


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("native", "faults"),
        ("faults", "native"),
        ("native", "wasmtime"),
        ("wasmtime", "native"),
    ],
)
def test_handlers_of_others_live_beside_ours(
    built: Path, native_cache: Any, native_runtime: Any, first: str, second: str
) -> None:
    """Each keeps its traps, whoever came first, and a real fault still kills the process."""
    command = [sys.executable, "-c", _COEXIST, first, second, str(built), *sys.path]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={"NATIVE_CACHE": str(native_cache.root), "PATH": "/usr/bin:/bin"},
        check=False,
        timeout=300,
    )
    assert done.stdout == "fine\n", done.stderr
    assert done.returncode == -11
    assert ("Segmentation fault" in done.stderr) == ("faults" in (first, second))
