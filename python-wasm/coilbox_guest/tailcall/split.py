"""The driver: an interpreter loop becomes functions that tail-call each other."""

from __future__ import annotations

from dataclasses import dataclass

from coilbox.wasm.leb import encode_s
from coilbox.wasm.module import Module
from coilbox.wasm.opcodes import BY_NAME
from coilbox.wasm.types import FUNCREF, Element, FuncType, Limits, TableType
from coilbox_guest.tailcall.body import encode_graph
from coilbox_guest.tailcall.dispatch import Interpreter, find_interpreter
from coilbox_guest.tailcall.effects import Effects
from coilbox_guest.tailcall.frame import Frame, enlarge
from coilbox_guest.tailcall.graph import Exit, Graph
from coilbox_guest.tailcall.naming import handler_names
from coilbox_guest.tailcall.options import Dispatch, Options, Variant
from coilbox_guest.tailcall.partition import Partition, partition
from coilbox_guest.tailcall.pieces import PieceBuilder, Plan
from coilbox_guest.tailcall.plan import make_plan
from coilbox_guest.tailcall.prepare import Preparations, prepare
from coilbox_guest.tailcall.report import Report, TailcallResult
from coilbox_guest.tailcall.stackpointer import analyse

_RETURN_CALL = BY_NAME["return_call"]
_RETURN_CALL_INDIRECT = BY_NAME["return_call_indirect"]


@dataclass(frozen=True)
class Compilation:
    """All stages of one compilation, for the driver and for drawings."""

    module: Module
    effects: Effects
    found: Interpreter
    done: Preparations
    frame: Frame | None
    parts: Partition
    plan: Plan
    names: dict[int, str]


def split_interpreter(module_bytes: bytes, options: Options | None = None) -> TailcallResult:
    """Compile a module's interpreter loop to tail calls; see `split_module`."""
    module = Module(module_bytes)
    report = split_module(module, options)
    return TailcallResult(module.to_bytes(), report)


def split_module(module: Module, options: Options | None = None) -> Report:
    """Compile the module's interpreter loop to tail calls, in place.

    Other functions stay byte for byte as they are; the interpreter's function keeps its index and
    type and becomes the start. Raises SplitRefusedError where a precondition does not hold, and
    WasmFormatError for a binary that cannot be read.
    """
    options = options or Options()
    work = compile_interpreter(module, options)
    number = work.found.function - work.effects.imported_functions
    before = len(module.code[number])
    names = module.names
    base = names.functions.get(work.found.function, "")
    counts = {_RETURN_CALL: 0, _RETURN_CALL_INDIRECT: 0}
    sites = size = 0
    start = work.found.graph.entry
    for entry, interface in work.plan.interfaces.items():
        piece = PieceBuilder(work.plan, entry).build()
        body = encode_graph(piece, interface.params)
        size += len(body)
        for instr in piece.instructions():
            if instr[0] in counts:
                counts[instr[0]] += 1
        sites += _dispatches(piece, work)
        if entry == start:
            module.code[number] = body
            continue
        kind = FuncType(
            tuple(work.plan.graph.locals[local] for local in interface.params),
            work.plan.graph.type.results,
        )
        module.functions.append(module.type_index(kind))
        module.code.append(body)
        names.functions[interface.function] = f"{base or 'interpreter'}.{work.names[entry]}"
    if module.custom("name") is not None:
        # The locals of the function that was split are others now.
        names.locals.pop(work.found.function, None)
        names.labels.pop(work.found.function, None)
        module.set_names(names)
    _add_table(module, work)
    return Report(
        variant=Variant.TAILCALL,
        function=base or str(work.found.function),
        blocks=len(work.plan.graph.blocks),
        handlers=len(work.found.handlers),
        shared_entries=len(work.parts.joins),
        functions=len(work.plan.interfaces),
        handler_parameters=len(work.plan.handler_params),
        most_parameters=max(len(item.params) for item in work.plan.interfaces.values()),
        return_calls=counts[_RETURN_CALL],
        indirect_return_calls=counts[_RETURN_CALL_INDIRECT],
        dispatch_copies=sites,
        code_before=before,
        code_after=size,
        frame_bytes=work.frame.extra if work.frame is not None else 0,
        preparations=work.done.to_json(),
        options=options,
    )


def compile_interpreter(module: Module, options: Options) -> Compilation:
    """Everything up to the pieces; code and functions are not added to the module yet."""
    effects = Effects(module)
    found = find_interpreter(module, effects, options.function, options.min_handlers)
    graph = found.graph
    done, frame = prepare(module, effects, found, options)
    if any(graph.entry in (*block.targets, *found.points) for block in graph.blocks.values()):
        # The start is called with the function's own parameters, a loop's head with others.
        graph.entry = graph.new_block([], Exit.JUMP, [graph.entry])
    replicated = options.dispatch is Dispatch.REPLICATED
    roots = dict.fromkeys((graph.entry, *(() if replicated else found.points), *found.handlers))
    parts = partition(graph, tuple(roots), found.points if replicated else ())
    plan = make_plan(module, effects, found, done, frame, parts, options)
    if frame is not None and frame.extra:
        enlarge(graph, effects, analyse(graph, effects, frame.pointer), frame)
    names = _names(found, parts, options)
    return Compilation(module, effects, found, done, frame, parts, plan, names)


def _names(found: Interpreter, parts: Partition, options: Options) -> dict[int, str]:
    names: dict[int, str] = {}
    for number, point in enumerate(found.points):
        for target, name in handler_names(found.graph.blocks[point], options.opcode_names).items():
            names.setdefault(target, name)
        names.setdefault(point, f"dispatch{number or ''}")
    for number, join in enumerate(parts.joins, 1):
        names.setdefault(join, f"shared{number}")
    names.setdefault(found.graph.entry, "start")
    return names


def _dispatches(piece: Graph, work: Compilation) -> int:
    table = work.plan.table
    if table is not None:
        call = (_RETURN_CALL_INDIRECT, table.type_index, table.index)
        return sum(instr == call for instr in piece.instructions())
    least = {len(work.found.graph.blocks[point].targets) for point in work.found.points}
    return sum(
        block.exit is Exit.SWITCH and len(block.targets) in least for block in piece.blocks.values()
    )


def _add_table(module: Module, work: Compilation) -> None:
    plan = work.plan
    if plan.table is None:
        return
    functions = tuple(
        plan.interfaces[target].function
        for point in work.found.points
        for target in plan.graph.blocks[point].targets
    )
    size = len(functions)
    module.tables.append(TableType(FUNCREF, Limits(size, size)))
    offset = bytes((0x41,)) + encode_s(0) + bytes((0x0B,))
    module.elements.append(Element(2, plan.table.index, offset, FUNCREF, functions, None))
