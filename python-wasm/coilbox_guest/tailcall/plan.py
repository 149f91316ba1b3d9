"""The parameters of each function of the result."""

from __future__ import annotations

from collections.abc import Sequence

from coilbox.wasm.module import Module
from coilbox.wasm.types import I64, TABLE, FuncType
from coilbox_guest.tailcall.dispatch import Interpreter
from coilbox_guest.tailcall.effects import Effects
from coilbox_guest.tailcall.errors import Reason, SplitRefusedError
from coilbox_guest.tailcall.frame import Frame
from coilbox_guest.tailcall.graph import Graph
from coilbox_guest.tailcall.liveness import live_in, members
from coilbox_guest.tailcall.options import Dispatch, Options, Transfer
from coilbox_guest.tailcall.partition import Partition
from coilbox_guest.tailcall.pieces import Interface, Plan, Table
from coilbox_guest.tailcall.prepare import Preparations


def make_plan(
    module: Module,
    effects: Effects,
    found: Interpreter,
    done: Preparations,
    frame: Frame | None,
    parts: Partition,
    options: Options,
) -> Plan:
    """Choose parameters, frame slots and function indices.

    Allocates slots in the frame; adds the handlers' type to the module if a table needs it. Raises
    SplitRefusedError (PARAMETERS) when there are too many values and no frame to put them in.
    """
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
        slots = _slots(graph, frame, shared_slots, rest)
        interfaces[entry] = Interface(params, slots, index)
        if rest and not slots:
            raise _too_many(len(rest), "beyond the handlers' signature", done)
    most = max(len(item.params) for item in interfaces.values())
    if most > options.most_params:
        raise _too_many(most, f"at once, more than {options.most_params},", done)
    table = None
    if options.transfer is Transfer.INDIRECT:
        table = _table(module, graph, found.points, handler_params)
    copied = found.points if options.dispatch is Dispatch.REPLICATED else []
    return Plan(
        graph, parts.regions, interfaces, handler_params, found.points, copied, frame, table
    )


def _too_many(count: int, what: str, done: Preparations) -> SplitRefusedError:
    why = "; ".join(done.refused) or "it has no shadow stack frame, or none is to be used"
    return SplitRefusedError(Reason.PARAMETERS, f"{count} values {what} and no place: {why}")


def _table(
    module: Module, graph: Graph, points: Sequence[int], handler_params: Sequence[int]
) -> Table:
    bases: dict[int, int] = {}
    size = 0
    for point in points:
        bases[point] = size
        size += len(graph.blocks[point].targets)
    kind = FuncType(tuple(graph.locals[i] for i in handler_params), graph.type.results)
    index = len(module.tables) + len(module.imported(TABLE))
    return Table(index, module.type_index(kind), bases)


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
        shared.append(frame.allocate(I64))  # eight bytes: any type fits
    return tuple(zip(rest, shared, strict=False))
