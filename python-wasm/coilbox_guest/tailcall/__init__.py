"""A compiler pass that turns an interpreter loop into functions that tail-call each other."""

from .errors import Reason, SplitRefusedError
from .naming import read_opcode_table
from .options import DEFAULTS, FASTEST, Dispatch, Options, Transfer, Variant
from .replicate import replicate_dispatch, replicate_in_module
from .report import Report, TailcallResult
from .split import split_interpreter, split_module

__all__ = [
    "DEFAULTS",
    "FASTEST",
    "Dispatch",
    "Options",
    "Reason",
    "Report",
    "SplitRefusedError",
    "TailcallResult",
    "Transfer",
    "Variant",
    "read_opcode_table",
    "replicate_dispatch",
    "replicate_in_module",
    "split_interpreter",
    "split_module",
]
