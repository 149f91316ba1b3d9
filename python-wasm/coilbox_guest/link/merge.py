"""Merging the C side and the libraries into one module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from coilbox.wasm import (
    Data,
    Element,
    Export,
    Import,
    IndexMap,
    Limits,
    MemoryType,
    Module,
    NameSection,
    Rewriter,
    Scanner,
    TableType,
    WasmFormatError,
    encode_instr,
)
from coilbox.wasm.opcodes import BY_NAME, CALL, END, I32_CONST, REF_FUNC, RETURN_CALL
from coilbox.wasm.types import FUNC, FUNCREF, GLOBAL, MEMORY
from coilbox_guest.link.errors import LinkError
from coilbox_guest.link.evaluate import Image, constant
from coilbox_guest.link.fold import fold_additions
from coilbox_guest.link.library import Library, plain_elements
from coilbox_guest.link.spec import LinkReport, LinkResult, LinkSpec
from coilbox_guest.link.symbols import CONSTRUCTORS, FunctionRef, HostRef, Symbols, Target

STACK_POINTER: Final = "__stack_pointer"
INITIALISE: Final = "_initialize"
# Far above what a guest needs; a library that says more is damaged, and would take gigabytes here.
MAX_TABLE: Final = 1 << 20


def wanted_exports(libraries: Sequence[Library], spec: LinkSpec) -> list[str]:
    """The exports of the C side that `merge` needs: sorted, without duplicates."""
    provided = {name for library in libraries for name in library.exports}
    names = {STACK_POINTER, *spec.exports, *spec.symbols}
    names.update((spec.grow,) if spec.grow else ())
    for library in libraries:
        names.add(library.base_symbol)
        got = (g.name for g in library.global_imports if g.module.startswith("GOT."))
        for name in (*(f.name for f in library.functions if f.module == "env"), *got):
            if name not in provided:
                names.add(name)
    return sorted(names)


def merge(main: Module, libraries: Sequence[Library], spec: LinkSpec) -> LinkResult:
    """Merge. `main` is what `Toolchain.link` gave. Raises LinkError."""
    try:
        return _Merge(main, libraries, spec).run()
    except WasmFormatError:
        raise
    except (IndexError, KeyError, ValueError) as error:
        # The reader checks the format; an index of what is not there shows when it is used.
        raise LinkError(f"a library names something that it does not have: {error!r}") from error


class _Merge:
    def __init__(self, main: Module, libraries: Sequence[Library], spec: LinkSpec) -> None:
        self.main = main
        self.libraries = libraries
        self.spec = spec
        self.symbols = Symbols(main, libraries, spec.constructors)
        self.exports = {item.name: item for item in main.exports}
        self.out = Module()
        self.hosts: dict[HostRef, int] = {}
        self.final: dict[FunctionRef, int] = {}
        self.table: dict[int, Target] = {}
        self.relocations = 0

    def run(self) -> LinkResult:
        end = self.place_libraries()
        self.fill_table(end)
        images = [library.image() for library in self.libraries]
        constructors = [self.initialiser(unit) for unit in range(len(self.symbols.units))]
        roots = [self.exported(name) for name in self.spec.exports]
        grow = self.exported(self.spec.grow) if self.spec.grow else None
        if grow is not None:
            roots.append(grow)
        live = self.reachable([*roots, *self.table.values()], constructors)
        self.symbols.refuse_unresolved()
        self.number(live)
        self.write_globals()
        self.write_code(live, constructors, grow)
        self.write_memory(images)
        self.write_table()
        for name in self.spec.exports:
            self.out.exports.append(Export(name, FUNC, self.final[self.exported(name)]))
        self.write_names()
        return self.result()

    def address(self, name: str) -> int:
        """The address of the C side's data symbol."""
        item = self.exports.get(name)
        if item is None or item.kind != GLOBAL:
            raise LinkError(f"{name}: the C side does not define such data")
        return constant(self.main.globals[item.index].init, lambda index: 0)

    def exported(self, name: str) -> FunctionRef:
        """A function of the C side."""
        item = self.exports.get(name)
        if item is None or item.kind != FUNC:
            raise LinkError(f"{name}: the C side does not define this function")
        return FunctionRef(0, item.index)

    def place_libraries(self) -> int:
        """Give libraries their addresses and slots; the first free slot."""
        (table,) = self.main.tables
        (room,) = self.main.memories
        slot = table.limits.minimum
        for library in self.libraries:
            memory = self.address(library.base_symbol)
            if memory + library.dylink.memory_size > room.limits.minimum << 16:
                raise LinkError(f"{library.name}: no room for its memory at {memory:#x}")
            if memory & ((1 << library.dylink.memory_align) - 1):
                raise LinkError(f"{library.name}: its memory at {memory:#x} is not aligned")
            step = 1 << library.dylink.table_align
            slot = -(-slot // step) * step
            library.place(memory, slot)
            slot += library.dylink.table_size
            if slot > MAX_TABLE:
                raise LinkError(f"{library.name}: wants {library.dylink.table_size} table slots")
        return slot

    def fill_table(self, end: int) -> None:
        """Resolve the GOT, with a table slot for each function whose address is taken by name.

        A function keeps one canonical slot, the C side's if it has one, so that addresses taken
        in different libraries compare equal.
        """
        slots: dict[Target, int] = {}
        for slot, index in sorted(plain_elements(self.main).items()):
            self.enter(slot, 0, index, slots)
        for unit, library in enumerate(self.libraries, 1):
            for slot, index in sorted(library.element_slots().items()):
                self.enter(slot, unit, index, slots)
        data = {
            name: library.memory_base + offset
            for library in reversed(self.libraries)
            for name, offset in library.data_symbols().items()
        }
        for unit, library in enumerate(self.libraries, 1):
            values: dict[int, int] = {}
            own = library.data_symbols()
            for index, item in enumerate(library.global_imports):
                if item.module == "GOT.mem":
                    found = data.get(item.name)
                    if item.name in own:  # comes first, as a function does
                        found = library.memory_base + own[item.name]
                    if found is None and item.name in self.exports:
                        found = self.address(item.name)
                    if found is None:
                        users = self.symbols.unresolved.setdefault(item.name, set())
                        users.add(library.name)
                    else:
                        values[index] = found
                elif item.module == "GOT.func":
                    ref = self.symbols.named(item.name, unit)
                    if ref is not None:
                        if ref not in slots:
                            slots[ref] = end
                            self.table[end] = ref
                            end += 1
                        values[index] = slots[ref]
            self.symbols.refuse_unresolved()
            library.resolve_got(values)

    def enter(self, slot: int, unit: int, index: int, slots: dict[Target, int]) -> None:
        target = self.symbols.resolve(unit, index)
        if slot in self.table:
            raise LinkError(f"table slot {slot} is filled twice")
        if slot > MAX_TABLE:
            raise LinkError(f"table slot {slot} is outside the table")
        if target is not None:
            self.table[slot] = target
            slots.setdefault(target, slot)

    def initialiser(self, unit: int) -> FunctionRef | None:
        """The function that runs a unit's constructors."""
        if unit == 0:
            return self.exported(INITIALISE)
        index = self.libraries[unit - 1].initialiser()
        return None if index is None else FunctionRef(unit, index)

    def reachable(
        self, roots: Sequence[Target], constructors: Sequence[FunctionRef | None]
    ) -> list[FunctionRef]:
        """Every function that can run, unit by unit, in the order of its unit."""
        calls = Scanner([CALL, RETURN_CALL, REF_FUNC])
        seen: set[Target] = set()
        todo: list[Target] = list(roots)
        while todo:
            target = todo.pop()
            if target in seen:
                continue
            seen.add(target)
            if isinstance(target, HostRef):
                self.hosts[target] = 0
            elif target.unit == CONSTRUCTORS:
                todo += [ref for ref in constructors if ref is not None]
            else:
                unit, index = target
                body = self.symbols.units[unit].code[index - len(self.symbols.imports[unit])]
                for callee in {instr[1] for instr in calls.find_in_body(body)}:
                    found = self.symbols.resolve(unit, callee)
                    if found is not None:
                        todo.append(found)
        return sorted(ref for ref in seen if isinstance(ref, FunctionRef))

    def number(self, live: Sequence[FunctionRef]) -> None:
        """New indices: the host's functions by name, then the live functions."""
        for index, host in enumerate(sorted(self.hosts)):
            self.hosts[host] = index
            type_index = self.out.type_index(host.type)
            self.out.imports.append(Import(host.module, host.name, FUNC, type_index))
        for index, ref in enumerate(live, len(self.hosts)):
            self.final[ref] = index

    def index_of(self, target: Target) -> int:
        return self.hosts[target] if isinstance(target, HostRef) else self.final[target]

    def write_globals(self) -> None:
        """Only mutable globals are left: the stack pointer and, if any, the C side's own."""
        self.main_globals: dict[int, int] = {}
        self.main_constants: dict[int, int] = {}
        for index, item in enumerate(self.main.globals):
            if item.type.mutable:
                self.main_globals[index] = len(self.out.globals)
                self.out.globals.append(item)
            else:
                self.main_constants[index] = constant(item.init, lambda index: 0)

    def write_code(
        self,
        live: Sequence[FunctionRef],
        constructors: Sequence[FunctionRef | None],
        grow: FunctionRef | None,
    ) -> None:
        """Bodies with new indices, globals replaced by constants, `memory.grow` by a call."""
        rewriters = [self.rewriter(unit) for unit in range(len(self.symbols.units))]
        hook = encode_instr((CALL, self.final[grow])) if grow else None
        hooked = Rewriter([BY_NAME["memory.grow"]], lambda instr: hook)
        for ref in live:
            self.out.functions.append(self.out.type_index(self.symbols.type_of(ref)))
            if ref.unit == CONSTRUCTORS:
                calls = [encode_instr((CALL, self.final[c])) for c in constructors if c]
                self.out.code.append(b"\0" + b"".join(calls) + bytes((END,)))
                continue
            unit = self.symbols.units[ref.unit]
            body = unit.code[ref.function - len(self.symbols.imports[ref.unit])]
            try:
                body = rewriters[ref.unit].rewrite_body(body)
            except ValueError as error:
                raise LinkError(f"{self.symbols.names[ref.unit]}: {error}") from error
            if ref.unit:
                body = fold_additions(body)
            if ref != grow:
                body = hooked.rewrite_body(body)
            self.out.code.append(body)

    def rewriter(self, unit: int) -> Rewriter:
        module = self.symbols.units[unit]
        functions: dict[int, int] = {}
        for index in range(len(module.functions) + len(self.symbols.imports[unit])):
            target = self.symbols.resolve(unit, index)
            known = self.hosts if isinstance(target, HostRef) else self.final
            if target is not None and target in known:
                functions[index] = self.index_of(target)
        if unit == 0:
            constants, mutable = self.main_constants, self.main_globals
        else:
            library = self.libraries[unit - 1]
            constants = library.constants()
            pointer = self.main_globals[self.exports[STACK_POINTER].index]
            mutable = {
                index: pointer
                for index, item in enumerate(library.global_imports)
                if item.name == STACK_POINTER
            }
            for index, item in enumerate(module.globals, len(library.global_imports)):
                if item.type.mutable:
                    mutable[index] = len(self.out.globals)
                    self.out.globals.append(item)
        return IndexMap(
            types=[self.out.type_index(kind) for kind in module.types],
            functions=functions,
            globals=mutable,
            constants={index: _i32(value) for index, value in constants.items()},
        ).rewriter()

    def write_memory(self, images: Sequence[Image]) -> None:
        """One memory, the C side's segments and one for each library without its zero tail."""
        (memory,) = self.main.memories
        minimum, maximum = memory.limits.minimum, self.spec.memory_maximum
        if maximum is not None and maximum < minimum:
            raise LinkError(f"memory maximum of {maximum} pages, but {minimum} are needed")
        self.out.memories.append(MemoryType(Limits(minimum, maximum)))
        self.out.exports.append(Export("memory", MEMORY, 0))
        stack = self.out.globals[self.main_globals[self.exports[STACK_POINTER].index]]
        low = min(constant(segment.offset, lambda index: 0) for segment in self.main.data)
        if not constant(stack.init, lambda index: 0) <= low:
            raise LinkError("the stack is not the first thing in memory: overflow would not trap")
        self.out.data.extend(self.main.data)
        for image in images:
            payload = bytes(image.data).rstrip(b"\0")
            self.relocations += image.stores
            self.out.data.append(Data(0, 0, _i32(image.base) + bytes((END,)), payload))

    def write_table(self) -> None:
        """One table of fixed size. Gaps stay null, so a call through them traps."""
        size = max(self.table, default=0) + 1
        self.out.tables.append(TableType(FUNCREF, Limits(size, size)))
        run: list[int] = []
        for slot in range(size + 1):
            target = self.table.get(slot)
            if target is not None:
                run.append(self.index_of(target))
            elif run:
                offset = _i32(slot - len(run)) + bytes((END,))
                self.out.elements.append(Element(0, 0, offset, FUNCREF, tuple(run), None))
                run = []

    def write_names(self) -> None:
        """Names of functions and globals, for tracebacks, profiles and passes."""
        functions = {index: f"{host.module}.{host.name}" for host, index in self.hosts.items()}
        tables = [unit.names.functions for unit in self.symbols.units]
        for ref, index in self.final.items():
            if ref.unit == CONSTRUCTORS:
                functions[index] = self.spec.constructors
            elif ref.function in tables[ref.unit]:
                functions[index] = tables[ref.unit][ref.function]
        pointer = self.main_globals[self.exports[STACK_POINTER].index]
        self.out.set_names(NameSection(functions=functions, globals={pointer: STACK_POINTER}))

    def result(self) -> LinkResult:
        total = sum(len(unit.functions) for unit in self.symbols.units)
        report = LinkReport(
            functions=len(self.out.code),
            dropped_functions=max(total - len(self.out.code), 0),
            imports=tuple(f"{item.module}.{item.name}" for item in self.out.imports),
            table_slots=self.out.tables[0].limits.minimum,
            memory_pages=self.out.memories[0].limits.minimum,
            relocations=self.relocations,
            library_bases={library.name: library.memory_base for library in self.libraries},
        )
        addresses = {name: self.address(name) for name in self.spec.symbols}
        return LinkResult(self.out, report, addresses)


def _i32(value: int) -> bytes:
    return encode_instr((I32_CONST, (value + 0x80000000 & 0xFFFFFFFF) - 0x80000000))
