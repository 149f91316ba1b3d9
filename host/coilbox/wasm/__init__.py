"""Reading, changing and writing WebAssembly binaries.

`Module` is the model, `body` decodes functions to instruction tuples for compilers, `scan` and
`remap` rewrite whole modules without decoding them.
"""

from coilbox.wasm.body import (
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
from coilbox.wasm.dylink import Dylink, read_dylink
from coilbox.wasm.errors import WasmFormatError
from coilbox.wasm.leb import encode_s, encode_u, read_s, read_u
from coilbox.wasm.module import Module
from coilbox.wasm.names import NameSection
from coilbox.wasm.opcodes import BY_NAME, OPCODES, Imm, OpInfo
from coilbox.wasm.remap import IndexMap
from coilbox.wasm.scan import Rewriter, Scanner
from coilbox.wasm.types import (
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
