"""The driver: an interpreter loop becomes functions that tail-call each other."""

from __future__ import annotations

from dataclasses import dataclass

from ..wasm.leb import encode_s
from ..wasm.module import Module
from ..wasm.opcodes import BY_NAME
from ..wasm.types import FUNCREF, TABLE, Element, FuncType, Limits, TableType
from .body import encode_graph
from .dispatch import Interpreter, find_interpreter
from .effects import Effects
from .errors import Reason, SplitRefusedError
from .frame import Frame, enlarge
from .graph import Exit, Graph
from .liveness import live_in, members
from .naming import handler_names
from .options import Dispatch, Options, Transfer, Variant
from .partition import Partition, partition
from .pieces import Interface, PieceBuilder, Plan, Table
from .prepare import Preparations, prepare
from .report import Report, TailcallResult
from .stackpointer import analyse

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
    """Compile the module's interpreter loop to tail calls.

    Other functions stay byte for byte as they are; the interpreter's function keeps its index and
    type and becomes the start. Raises SplitRefusedError where a precondition does not hold, and
    WasmFormatError for a binary that cannot be read.
    """
    options = options or Options()
    module = Module(module_bytes)
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
    report = Report(
        variant=Variant.TAILCALL,
        function=base or str(work.found.function),
        blocks=len(work.plan.graph.blocks),
        handlers=len(work.found.handlers),
        shared_entries=len(work.parts.joins) - _central(work),
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
    return TailcallResult(module.to_bytes(), report)


def compile_interpreter(module: Module, options: Options) -> Compilation:
    """Everything up to the pieces. Adds types and reserves function indices, no code yet."""
    effects = Effects(module)
    found = find_interpreter(module, effects, options.function, options.min_handlers)
    graph = found.graph
    if any(graph.entry in block.targets for block in graph.blocks.values()):
        graph.entry = graph.new_block([], Exit.JUMP, [graph.entry])
    done, frame = prepare(module, effects, found, options)
    if graph.entry in found.handlers or graph.entry in found.points:
        graph.entry = graph.new_block([], Exit.JUMP, [graph.entry])
    copied = found.points if options.dispatch is Dispatch.REPLICATED else []
    roots = dict.fromkeys((graph.entry, *(() if copied else found.points), *found.handlers))
    parts = partition(graph, tuple(roots), copied)
    plan = _plan(module, effects, found, done, frame, parts, copied, options)
    if frame is not None and frame.extra:
        enlarge(graph, effects, analyse(graph, effects, frame.pointer), frame)
    return Compilation(
        module, effects, found, done, frame, parts, plan, _names(found, parts, options)
    )


def _central(work: Compilation) -> int:
    return 0


def _plan(
    module: Module,
    effects: Effects,
    found: Interpreter,
    done: Preparations,
    frame: Frame | None,
    parts: Partition,
    copied: list[int],
    options: Options,
) -> Plan:
    graph = found.graph
    live = live_in(graph)
    handler_params = tuple(done.carried)
    handlers = frozenset(found.handlers)
    shared_slots: list[int] = []
    interfaces: dict[int, Interface] = {}
    first_new = effects.imported_functions + len(module.code)
    for entry in parts.entries:
        if entry == graph.entry:
            params = tuple(range(len(graph.type.params)))
            interfaces[entry] = Interface(params, (), found.function)
            continue
        index = first_new + len(interfaces) - 1
        if entry in handlers:
            interfaces[entry] = Interface(handler_params, (), index)
            continue
        params, rest = _shared_interface(list(members(live[entry])), handler_params, frame, options)
        if rest and frame is None:
            raise SplitRefusedError(
                Reason.PARAMETERS,
                f"a shared piece needs {len(rest)} values beyond the handlers' signature and there "
                f"is no frame to put them in ({'; '.join(done.refused) or 'spilling is off'})",
            )
        interfaces[entry] = Interface(params, _slots(graph, frame, shared_slots, rest), index)
    most = max(len(item.params) for item in interfaces.values())
    if most > options.most_params:
        raise SplitRefusedError(
            Reason.PARAMETERS,
            f"{most} values are in flight at once, more than {options.most_params} "
            f"({'; '.join(done.refused) or 'no frame to put them in'})",
        )
    table = None
    if options.transfer is Transfer.INDIRECT:
        bases: dict[int, int] = {}
        size = 0
        for point in found.points:
            bases[point] = size
            size += len(graph.blocks[point].targets)
        kind = FuncType(tuple(graph.locals[i] for i in handler_params), graph.type.results)
        index = len(module.tables) + len(module.imported(TABLE))
        table = Table(index, module.type_index(kind), bases)
    return Plan(
        graph, parts.regions, interfaces, handler_params, found.points, copied, frame, table
    )


def _shared_interface(
    live: list[int], handler_params: tuple[int, ...], frame: Frame | None, options: Options
) -> tuple[tuple[int, ...], list[int]]:
    """Parameters of a shared piece, and the values that go through the frame.

    A value keeps the position that it has in the handlers' signature, so that it can stay in its
    register; gaps are filled with the others.
    """
    others = [local for local in live if local not in handler_params]
    if options.uniform:
        return handler_params, others
    places = [local if local in live else -1 for local in handler_params]
    for position, local in enumerate(places):
        if local < 0 and others:
            places[position] = others.pop(0)
    while places and places[-1] < 0:
        places.pop()
    room = max(options.max_params, len(places))
    while -1 in places:
        places[places.index(-1)] = handler_params[places.index(-1)]
    if frame is None or not options.spill:
        return (*places, *others), []
    count = room - len(places)
    return (*places, *others[:count]), others[count:]


def _slots(
    graph: Graph, frame: Frame | None, shared: list[int], rest: list[int]
) -> tuple[tuple[int, int], ...]:
    """Slots for these values. All shared pieces use the same: each empties them on entry."""
    if not rest or frame is None:
        return ()
    while len(shared) < len(rest):
        shared.append(frame.allocate(0x7E))  # eight bytes: any type fits
    return tuple(zip(rest, shared, strict=False))


def _names(found: Interpreter, parts: Partition, options: Options) -> dict[int, str]:
    names: dict[int, str] = {}
    for number, point in enumerate(found.points):
        for target, name in handler_names(
            found.graph.blocks[point], options.opcode_names
        ).items():
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
        block.exit is Exit.SWITCH and len(block.targets) in least
        for block in piece.blocks.values()
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
