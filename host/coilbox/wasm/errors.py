"""The one error of the wasm library."""

from __future__ import annotations


class WasmFormatError(ValueError):
    """A binary is not the WebAssembly this library reads: malformed, or a feature it refuses.

    `offset` is the byte offset of the fault: in the file for module-level faults, in the function
    body (plus the `base` the caller gave) for faults in code.
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(f"{message} (at byte offset {offset:#x})")
        self.message = message
        self.offset = offset
