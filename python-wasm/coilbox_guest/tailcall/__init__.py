"""A compiler pass that turns an interpreter loop into functions that tail-call each other."""

from coilbox_guest.tailcall.errors import Reason, SplitRefusedError
from coilbox_guest.tailcall.naming import read_opcode_table
from coilbox_guest.tailcall.options import DEFAULTS, FASTEST, Dispatch, Options, Transfer, Variant
from coilbox_guest.tailcall.replicate import replicate_dispatch, replicate_in_module
from coilbox_guest.tailcall.report import Report, TailcallResult
from coilbox_guest.tailcall.split import split_interpreter, split_module

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
