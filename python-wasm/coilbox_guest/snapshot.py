"""The snapshot: start Python once, and make its memory the module's own data.

After that an instance begins where ``coilbox_boot`` ended. Only linear memory is carried over, so
nothing else may have changed: globals, the table and open descriptors are checked.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

from coilbox.errors import BuildError
from coilbox.images import ImageInfo
from coilbox.support.progress import Progress
from coilbox.wasm import (
    BY_NAME,
    Data,
    Export,
    FuncType,
    MemoryType,
    Module,
    Scanner,
    encode_instr,
)
from coilbox.wasm.opcodes import END, GLOBAL_GET, I32_CONST
from coilbox.wasm.types import FUNC, GLOBAL, I32
from coilbox_guest.stage import StageGuest, StageProgram

PAGE = 65536
# Host pages: a memory is mapped by them, so segments need no finer grain.
_GRAIN = 4096
KEPT_EXPORTS = frozenset({"memory", "coilbox_info", "coilbox_reserve", "coilbox_request"})
PROBE = "coilbox_stack_pointer"
_OWN_DESCRIPTORS = [0, 1, 2, 3]
_TABLE_WRITES = ("table.set", "table.grow", "table.fill", "table.copy", "table.init")
"""Instructions that would change the table, which a snapshot does not carry over."""


@dataclass(frozen=True)
class Snapshot:
    """A module that begins where boot ended.

    Attributes:
        wasm: the module.
        info: the addresses in it.
        memory_bytes: its memory at the start.
        data_bytes: how much of that is not zero, in whole pages.
    """

    wasm: bytes
    info: ImageInfo
    memory_bytes: int
    data_bytes: int


def take_snapshot(
    linked: bytes,
    stage: StageProgram,
    stdlib: Path,
    *,
    hash_seed: int,
    preload: list[str],
    progress: Progress,
) -> Snapshot:
    """Boot the linked module and freeze it.

    Args:
        linked: the module.
        stage: the same, compiled.
        stdlib: the image's ``stdlib.zip``.
        hash_seed: the seed of string hashes.
        preload: modules to import.
        progress: shows that it works.

    Raises:
        BuildError: boot failed, or changed what a snapshot does not carry over.
    """
    environment = {
        "PYTHONHASHSEED": str(hash_seed),
        "COILBOX_PRELOAD": " ".join(preload),
    }
    module = Module(linked)
    with (
        progress.task("Taking the snapshot"),
        StageGuest(stage, stdlib, environment, hash_seed) as guest,
    ):
        pointer = guest.instance.call(PROBE)
        info = guest.boot()
        if guest.instance.call(PROBE) != pointer:
            raise BuildError("boot left something on the shadow stack")
        if guest.open_descriptors() != _OWN_DESCRIPTORS:
            raise BuildError(
                "the guest must have descriptors 0 to 3 open after boot, not "
                f"{guest.open_descriptors()}: a preloaded module keeps a file open"
            )
        memory = _read_memory(guest, info)
    clear_stack(memory, info)
    segments = find_segments(memory)
    freeze(module, memory, make_dense(segments))
    used = sum(end - start for start, end in segments)
    return Snapshot(module.to_bytes(), info, len(memory), used)


def check_state(module: Module) -> None:
    """Check that boot can change nothing but memory and the stack pointer, the one global.

    Raises:
        BuildError: there is more state than that.
    """
    imported = len(module.imported(GLOBAL))
    mutable = [index for index, item in enumerate(module.globals) if item.type.mutable]
    if imported or len(mutable) != 1:
        raise BuildError(
            f"the linked module has {imported} imported and {len(mutable)} mutable globals; "
            "a snapshot allows only the stack pointer"
        )
    scanner = Scanner([BY_NAME[name] for name in _TABLE_WRITES])
    if any(scanner.find_in_body(body) for body in module.code):
        raise BuildError("the linked module has instructions that change the table")
    if module.start is not None or any(not segment.active for segment in module.data):
        raise BuildError("the linked module has a start function or passive data")


def stage_module(linked: bytes) -> bytes:
    """The linked module with one more export, by which the snapshot sees the stack pointer.

    Raises:
        BuildError: the module has state that a snapshot cannot carry over.
    """
    module = Module(linked)
    check_state(module)
    (pointer,) = (index for index, item in enumerate(module.globals) if item.type.mutable)
    module.exports.append(Export(PROBE, FUNC, len(module.function_types())))
    module.functions.append(module.type_index(FuncType((), (I32,))))
    module.code.append(b"\0" + encode_instr((GLOBAL_GET, pointer)) + encode_instr((END,)))
    return module.to_bytes()


def _read_memory(guest: StageGuest, info: ImageInfo) -> bytearray:
    """All of linear memory; the poll page, which hosts may not read, is zeros."""
    size = guest.instance.memory_size
    after = info.poll_page + info.poll_size
    memory = bytearray(guest.instance.read(0, info.poll_page))
    memory += bytes(info.poll_size)
    memory += guest.instance.read(after, size - after)
    return memory


def clear_stack(memory: bytearray, info: ImageInfo) -> None:
    """Zero what boot left on the shadow stack, which is empty between calls."""
    memory[info.stack_low : info.stack_high] = bytes(info.stack_high - info.stack_low)


def find_segments(memory: bytearray) -> list[tuple[int, int]]:
    """The ranges of memory that are not zero, in whole pages; the last may be cut short."""
    zero = bytes(_GRAIN)
    segments: list[tuple[int, int]] = []
    for start in range(0, len(memory), _GRAIN):
        if memory[start : start + _GRAIN] != zero:
            if segments and segments[-1][1] == start:
                segments[-1] = (segments[-1][0], start + _GRAIN)
            else:
                segments.append((start, start + _GRAIN))
    return segments


def make_dense(segments: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join segments over the smallest gaps until more than half of their span is data.

    Wasmtime maps memory copy-on-write only then; else it copies all data for each instance
    (``ModuleTranslation::try_static_init`` in wasmtime-environ).
    """
    span = segments[-1][1] - segments[0][0]
    missing = span // 2 + _GRAIN - sum(end - start for start, end in segments)
    gaps = sorted(
        (after[0] - before[1], before[1]) for before, after in itertools.pairwise(segments)
    )
    filled = set()
    for size, start in gaps:
        if missing <= 0:
            break
        filled.add(start)
        missing -= size
    result = segments[:1]
    for start, end in segments[1:]:
        if result[-1][1] in filled:
            result[-1] = (result[-1][0], end)
        else:
            result.append((start, end))
    return result


def freeze(module: Module, memory: bytearray, segments: list[tuple[int, int]]) -> None:
    """Make the memory the module's data, and drop what only boot needed."""
    pages = len(memory) // PAGE
    kind = module.memories[0]
    module.memories[0] = MemoryType(kind.limits._replace(minimum=pages))
    module.data[:] = [
        Data(0, 0, _constant(start), bytes(memory[start:end])) for start, end in segments
    ]
    if module.data_count is not None:
        module.data_count = len(segments)
    module.exports[:] = [item for item in module.exports if item.name in KEPT_EXPORTS]
    missing = KEPT_EXPORTS - {item.name for item in module.exports}
    if missing:
        raise BuildError(f"the linked module does not export {', '.join(sorted(missing))}")


def _constant(value: int) -> bytes:
    signed = value - (1 << 32) if value >= 1 << 31 else value
    return encode_instr((I32_CONST, signed)) + encode_instr((END,))
