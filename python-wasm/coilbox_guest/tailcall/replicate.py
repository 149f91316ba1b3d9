"""The cheaper variant: the interpreter stays one function, each handler gets its own dispatch.

WebAssembly has only structured control flow, so a handler can jump straight to handlers that come
later in the code, never to earlier ones: two handlers that jump to each other are a loop with two
entries. The copied dispatch therefore goes to later handlers directly, and to the loop's head,
which dispatches again, for the others. With central dispatch nothing is copied, and what remains
are the preparations.
"""

from __future__ import annotations

from collections.abc import Sequence

from coilbox.wasm.body import Instr
from coilbox.wasm.module import Module
from coilbox.wasm.types import I32
from coilbox_guest.tailcall.body import encode_graph
from coilbox_guest.tailcall.dispatch import find_interpreter
from coilbox_guest.tailcall.dominators import dominator_tree, reverse_postorder
from coilbox_guest.tailcall.effects import Effects
from coilbox_guest.tailcall.frame import enlarge
from coilbox_guest.tailcall.graph import LOCAL_GET, LOCAL_SET, LOCAL_TEE, Exit, Graph
from coilbox_guest.tailcall.options import DEFAULTS, Dispatch, Options, Variant
from coilbox_guest.tailcall.prepare import prepare
from coilbox_guest.tailcall.report import Report, TailcallResult
from coilbox_guest.tailcall.stackpointer import analyse


def replicate_dispatch(module_bytes: bytes, options: Options | None = None) -> TailcallResult:
    """Give each handler of a module's interpreter a dispatch; see `replicate_in_module`."""
    module = Module(module_bytes)
    report = replicate_in_module(module, options)
    return TailcallResult(module.to_bytes(), report)


def replicate_in_module(module: Module, options: Options | None = None) -> Report:
    """Give each handler of the module's interpreter loop a dispatch of its own, in place.

    Raises SplitRefusedError where a precondition does not hold.
    """
    options = options or DEFAULTS[Variant.REPLICATED]["wasmtime"]
    effects = Effects(module)
    found = find_interpreter(module, effects, options.function, options.min_handlers)
    graph = found.graph
    done, frame = prepare(module, effects, found, options, reducible=True)
    handlers = len(found.handlers)
    copies = _replicate(graph, found.points) if options.dispatch is Dispatch.REPLICATED else 0
    if frame is not None and frame.extra:
        enlarge(graph, effects, analyse(graph, effects, frame.pointer), frame)
    number = found.function - effects.imported_functions
    before = len(module.code[number])
    module.code[number] = encode_graph(graph, range(len(graph.type.params)))
    if module.custom("name") is not None:
        names = module.names
        names.locals.pop(found.function, None)
        names.labels.pop(found.function, None)
        module.set_names(names)
    return Report(
        variant=Variant.REPLICATED,
        function=module.names.functions.get(found.function, str(found.function)),
        blocks=len(graph.blocks),
        handlers=handlers,
        dispatch_copies=copies,
        code_before=before,
        code_after=len(module.code[number]),
        frame_bytes=frame.extra if frame is not None else 0,
        preparations=done.to_json(),
        options=options,
    )


def _replicate(graph: Graph, points: Sequence[int]) -> int:
    """Copy each dispatch point to the blocks that jump to it; how many copies were made."""
    copies = 0
    for point in points:
        index = graph.new_local(I32)
        block = graph.blocks[point]
        code: list[Instr] = [*block.code, (LOCAL_TEE, index)]
        # The switch alone, for edges that have already worked out the index.
        again = graph.new_block([(LOCAL_GET, index)], Exit.SWITCH, list(block.targets))
        block.code, block.exit, block.targets = (
            [*block.code, (LOCAL_SET, index)],
            Exit.JUMP,
            [again],
        )
        rank = _ranks(graph)
        successors = {number: item.targets for number, item in graph.blocks.items()}
        tree = dominator_tree(successors, graph.entry)
        for number in list(graph.blocks):
            source = graph.blocks[number]
            if source.exit is not Exit.JUMP or source.targets != [point] or number not in rank:
                continue
            if not tree.dominates(again, number):
                continue
            forward = [
                target if rank[target] > rank[number] else again
                for target in graph.blocks[again].targets
            ]
            if all(target == again for target in forward):
                continue
            source.code = [*source.code, *code]
            source.exit, source.targets = Exit.SWITCH, forward
            copies += 1
    return copies


def _ranks(graph: Graph) -> dict[int, int]:
    """Positions in an order of the blocks in which every forward edge goes up."""
    successors = {number: block.targets for number, block in graph.blocks.items()}
    return {
        number: position
        for position, number in enumerate(reverse_postorder(successors, graph.entry))
    }
