"""Running modules in tests, and comparing what two of them do."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Sequence

import wasmtime

from tests.tools import tool

from .minivm import CODE, CODE_BYTES

_ENGINE = wasmtime.Engine()
PROGRAMS = 40
STEPS = 400


def validate(module: bytes) -> None:
    """`wasm-tools validate` and Wasmtime's own validator; raises if one refuses."""
    found = subprocess.run(
        [tool("wasm-tools"), "validate", "--features=wasm2,tail-call", "-"],
        input=module,
        capture_output=True,
    )
    assert not found.returncode, found.stderr.decode()
    wasmtime.Module.validate(_ENGINE, module)


def programs(seed: int, opcodes: Sequence[int], count: int = PROGRAMS) -> list[bytes]:
    """Random programs for `minivm`, mostly of opcodes that have handlers."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        code = bytearray(draw.randbytes(CODE_BYTES))
        for at in range(0, CODE_BYTES, 2):
            if draw.random() < 0.95:
                code[at] = draw.choice(opcodes)
        made.append(bytes(code))
    return made


def outcomes(module: bytes, codes: Sequence[bytes], steps: int = STEPS) -> list[object]:
    """For each program the result or trap, and a digest of memory below the code."""
    compiled = wasmtime.Module(_ENGINE, module)
    out: list[object] = []
    for code in codes:
        store = wasmtime.Store(_ENGINE)
        instance = wasmtime.Instance(store, compiled, [])
        exports = instance.exports(store)
        memory, run = exports["memory"], exports["run"]
        assert isinstance(memory, wasmtime.Memory) and isinstance(run, wasmtime.Func)
        memory.write(store, code, CODE)
        # Twice in one instance: the second call sees what the first left, the globals among it.
        for _ in range(2):
            try:
                out.append(run(store, 0, steps))
            except wasmtime.Trap as trap:
                out.append(trap.trap_code)
        out.append(bytes(memory.read(store, 0, CODE)))
    return out
