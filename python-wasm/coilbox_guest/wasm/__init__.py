"""Reading, changing and writing WebAssembly binaries.

`Module` is the model, `body` decodes functions to instruction tuples for compilers, `scan` and
`remap` rewrite whole modules without decoding them.
"""

from .body import (
    Body,
    Instr,
    decode_body,
    decode_expression,
    decode_instr,
    encode_body,
    encode_code,
    encode_instr,
    read_locals,
)
from .dylink import Dylink, read_dylink
from .errors import WasmFormatError
from .leb import encode_s, encode_u, read_s, read_u
from .module import Module
from .names import NameSection
from .opcodes import BY_NAME, OPCODES, Imm, OpInfo
from .remap import IndexMap
from .scan import Rewriter, Scanner
from .types import (
    Custom,
    Data,
    Element,
    Export,
    FuncType,
    Global,
    GlobalType,
    Import,
    Limits,
    MemoryType,
    TableType,
    TagType,
)

__all__ = [
    "BY_NAME",
    "OPCODES",
    "Body",
    "Custom",
    "Data",
    "Dylink",
    "Element",
    "Export",
    "FuncType",
    "Global",
    "GlobalType",
    "Imm",
    "Import",
    "IndexMap",
    "Instr",
    "Limits",
    "MemoryType",
    "Module",
    "NameSection",
    "OpInfo",
    "Rewriter",
    "Scanner",
    "TableType",
    "TagType",
    "WasmFormatError",
    "decode_body",
    "decode_expression",
    "decode_instr",
    "encode_body",
    "encode_code",
    "encode_instr",
    "encode_s",
    "encode_u",
    "read_dylink",
    "read_locals",
    "read_s",
    "read_u",
]
