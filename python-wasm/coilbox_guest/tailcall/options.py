"""Options of the compilation, and those that were measured to be best for each engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Variant(StrEnum):
    """Options of the pass over the interpreter loop."""

    PLAIN = "plain"
    """It stays as it is."""
    TAILCALL = "tailcall"
    """A function for each handler, each jumping to the next."""
    REPLICATED = "replicated"
    """One function, a copy of the dispatch in each handler."""


class Dispatch(StrEnum):
    """Where the next handler is chosen."""

    REPLICATED = "replicated"
    """In each handler."""
    CENTRAL = "central"
    """In one function that each handler jumps to."""


class Transfer(StrEnum):
    """How control goes to a handler."""

    DIRECT = "direct"
    """`br_table`, then `return_call`."""
    INDIRECT = "indirect"
    """`return_call_indirect` through a table of handlers."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Choices for `split_interpreter` and `replicate_dispatch`."""

    function: str | int | None = None
    """The interpreter's function by name or index; None to find it by its shape."""
    min_handlers: int = 16
    """How many targets make a `br_table` a dispatch."""
    dispatch: Dispatch = Dispatch.REPLICATED
    transfer: Transfer = Transfer.DIRECT
    max_params: int = 4
    """Values passed from function to function; more go through the shadow stack frame."""
    spill: bool = True
    """Whether the frame may be used so. Without it, all are passed as parameters."""
    uniform: bool = False
    """Give shared pieces the handlers' signature, which C's `musttail` demands."""
    most_params: int = 100
    """Refuse if a function needs more parameters than this."""
    opcode_names: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    """Names for handlers, by the value that the dispatch switches on."""


DEFAULTS: Final[Mapping[Variant, Mapping[str, Options]]] = MappingProxyType(
    {
        Variant.TAILCALL: MappingProxyType(
            {
                "wasmtime": Options(),
                "native": Options(transfer=Transfer.INDIRECT, uniform=True),
            }
        ),
        # One function has registers enough of its own: the frame only costs.
        Variant.REPLICATED: MappingProxyType(
            {"wasmtime": Options(spill=False), "native": Options(spill=False)}
        ),
    }
)
"""The options of each variant that were best on each engine; docs/tailcall.md has the numbers."""

FASTEST: Final[Mapping[str, Variant]] = MappingProxyType(
    {"wasmtime": Variant.PLAIN, "native": Variant.TAILCALL}
)
"""The variant that was fastest on each engine."""
