"""The report of the pass: numbers for `coilbox image info` and for tests."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from coilbox_guest.tailcall.options import Options, Variant


@dataclass(frozen=True)
class Report:
    """Sizes are in bytes of function bodies; the same input and options give the same report."""

    variant: Variant
    function: str
    """Name of the interpreter's function, or its index."""
    blocks: int = 0
    """Basic blocks of the interpreter after the preparations."""
    handlers: int = 0
    shared_entries: int = 0
    """Pieces that more than one handler goes to."""
    functions: int = 1
    """All pieces, the start and a central dispatch among them."""
    handler_parameters: int = 0
    most_parameters: int = 0
    return_calls: int = 0
    indirect_return_calls: int = 0
    dispatch_copies: int = 0
    """`br_table`s to handlers, or indirect jumps to them."""
    code_before: int = 0
    code_after: int = 0
    frame_bytes: int = 0
    """Growth of the shadow stack frame."""
    preparations: dict[str, Any] = field(default_factory=dict)
    options: Options | None = None

    def to_json(self) -> dict[str, Any]:
        """For the image's manifest."""
        out: dict[str, Any] = {
            item.name: getattr(self, item.name)
            for item in fields(self)
            if item.name not in ("options", "preparations")
        }
        out["variant"] = str(self.variant)
        out["preparations"] = self.preparations
        if self.options is not None:
            out["options"] = {
                "dispatch": str(self.options.dispatch),
                "transfer": str(self.options.transfer),
                "max_params": self.options.max_params,
                "spill": self.options.spill,
                "uniform": self.options.uniform,
            }
        return out


@dataclass(frozen=True)
class TailcallResult:
    """A module and what was done to it."""

    module_bytes: bytes
    report: Report
