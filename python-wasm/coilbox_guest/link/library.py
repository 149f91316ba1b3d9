"""A shared library, taken apart (tool-conventions, DynamicLinking.md)."""

from __future__ import annotations

from coilbox.wasm import Dylink, Import, Module, decode_body, decode_expression, read_dylink
from coilbox.wasm.types import FUNC, GLOBAL
from coilbox_guest.link.errors import LinkError
from coilbox_guest.link.evaluate import Image, constant, evaluate
from coilbox_guest.link.spec import SharedLibrary

BASE_SYMBOL = "coilbox_library_{}"
"""The name of the memory that is reserved for a library, by its number."""
MAX_ALIGN = 16
"""The largest exponent of an alignment."""


class Library:
    """One library: its symbols, then, once it has a place, its values and memory."""

    def __init__(self, number: int, source: SharedLibrary) -> None:
        self.name = source.name
        self.base_symbol = BASE_SYMBOL.format(number)
        self.module = module = Module(source.data)
        dylink = read_dylink(module)
        if dylink is None:
            raise LinkError(f"{self.name} is not a shared library: it has no dylink.0 section")
        self.dylink: Dylink = dylink
        if max(dylink.memory_align, dylink.table_align) > MAX_ALIGN:
            raise LinkError(f"{self.name} wants an alignment of more than 2**{MAX_ALIGN} bytes")
        self.exports = {item.name: item for item in module.exports}
        self.functions: list[Import] = module.imported(FUNC)
        self.global_imports: list[Import] = module.imported(GLOBAL)
        self.memory_base = 0
        self.table_base = 0
        self._globals: list[int | None] = []
        if module.tables or module.memories:
            raise LinkError(f"{self.name} defines a table or memory of its own")
        for item in self.global_imports:
            known = item.module in ("GOT.mem", "GOT.func") or item.name in (
                "__stack_pointer", "__memory_base", "__table_base",
            )  # fmt: skip
            if not known:
                raise LinkError(f"{self.name} imports the unknown global {item.module}.{item.name}")

    def data_symbols(self) -> dict[str, int]:
        """Exported data: offset in the library's memory by name.

        An exported address is a constant relative to `__memory_base`.
        """
        out: dict[str, int] = {}
        for name, item in self.exports.items():
            if item.kind == GLOBAL:
                own = item.index - len(self.global_imports)
                if own < 0:
                    raise LinkError(f"{self.name} exports {name}, a global that it imports")
                out[name] = constant(self.module.globals[own].init, self._no_global)
        return out

    def _no_global(self, index: int) -> int:
        raise LinkError(f"{self.name}: the address of an export depends on global {index}")

    def place(self, memory_base: int, table_base: int) -> None:
        """Give the library its place: an address and a table slot, both already aligned."""
        self.memory_base, self.table_base = memory_base, table_base
        fixed = {"__memory_base": memory_base, "__table_base": table_base}
        self._globals = [
            fixed.get(item.name) if item.module == "env" else None for item in self.global_imports
        ]

    def resolve_got(self, values: dict[int, int]) -> None:
        """Give values to the `GOT` imports, by global index, and compute the own globals."""
        for index, value in values.items():
            self._globals[index] = value
        for item in self.module.globals:
            if item.type.mutable:
                self._globals.append(None)
            else:
                self._globals.append(constant(item.init, self.global_value))

    def global_value(self, index: int) -> int:
        """The constant that a global is. Raises LinkError if it is none."""
        value = self._globals[index] if index < len(self._globals) else None
        if value is None:
            raise LinkError(f"{self.name}: global {index} is not a constant")
        return value

    def constants(self) -> dict[int, int]:
        """Every global that is a constant, by index."""
        return {index: value for index, value in enumerate(self._globals) if value is not None}

    def image(self) -> Image:
        """The library's memory after its data, start function and relocations were applied."""
        module = self.module
        image = Image(self.name, self.memory_base, self.dylink.memory_size)
        for segment in module.data:
            if not segment.active:
                raise LinkError(f"{self.name} has a passive data segment")
            image.write(constant(segment.offset, self.global_value), segment.payload)
        # wasm-ld's start function (__wasm_init_memory) clears bss; anything else is refused.
        steps = [module.start]
        for name in ("__wasm_apply_global_relocs", "__wasm_apply_data_relocs"):
            item = self.exports.get(name)
            steps.append(item.index if item else None)
        for step in steps:
            if step is not None:
                body = decode_body(module.code[step - len(self.functions)])
                evaluate(body.code, self.global_value, image)
        return image

    def element_slots(self) -> dict[int, int]:
        """Function index by table slot, from the active element segments."""
        out: dict[int, int] = {}
        for segment in self.module.elements:
            if not segment.active or segment.functions is None:
                raise LinkError(f"{self.name} has an element segment that is not a plain list")
            start = constant(segment.offset, self.global_value)
            for offset, function in enumerate(segment.functions):
                out[start + offset] = function
        return out

    def initialiser(self) -> int | None:
        """The function to call once memory is in place."""
        item = self.exports.get("_initialize") or self.exports.get("__wasm_call_ctors")
        return None if item is None else item.index


def plain_elements(module: Module) -> dict[int, int]:
    """Function index by table slot of a module whose segments stand at constants."""
    out: dict[int, int] = {}
    for segment in module.elements:
        if not segment.active or segment.functions is None:
            raise LinkError("the C side has an element segment that is not a plain list")
        code, _ = decode_expression(segment.offset)
        start = evaluate(code, lambda index: 0, None)[-1]
        out.update(enumerate(segment.functions, start))
    return out
