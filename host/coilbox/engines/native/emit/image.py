"""The content of linear memory at the start: the active data segments, in place."""

from __future__ import annotations

from typing import NamedTuple

from coilbox.engines.native.emit.errors import EmitError
from coilbox.engines.native.emit.plan import Plan

PAGE = 65536


class MemoryImage(NamedTuple):
    """The content without the zeros at its end, and whether a segment lies out of bounds."""

    content: bytes
    traps: bool


def memory_image(plan: Plan) -> MemoryImage:
    """Apply the active data segments in order (spec section 4.5.4)."""
    size = plan.memory.limits.minimum * PAGE if plan.memory is not None else 0
    content = bytearray()
    for index, segment in enumerate(plan.module.data):
        if not segment.active:
            continue
        offset = plan.constant(segment.offset).number
        if offset is None:
            raise EmitError(f"the offset of data segment {index} is no number")
        end = offset + len(segment.payload)
        if end > size:
            return MemoryImage(b"", True)
        if end > len(content):
            content.extend(bytes(end - len(content)))
        content[offset:end] = segment.payload
    return MemoryImage(bytes(content.rstrip(b"\0")), False)
