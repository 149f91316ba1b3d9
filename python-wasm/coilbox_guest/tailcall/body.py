"""From a graph to a function body: structured code and numbered locals."""

from __future__ import annotations

from collections.abc import Sequence

from coilbox.wasm.body import Body, Instr, encode_body
from coilbox_guest.tailcall.graph import LOCAL_GET, WRITES_LOCAL, Graph
from coilbox_guest.tailcall.structure import structured_code

_LOCALS = WRITES_LOCAL | {LOCAL_GET}


def encode_graph(graph: Graph, params: Sequence[int]) -> bytes:
    """The body of a function whose parameters are these locals of the graph, in this order.

    The other locals that occur are declared grouped by type: the encoding has a count for each
    run of equal types.
    """
    code = structured_code(graph)
    used = {instr[1] for instr in code if instr[0] in _LOCALS}
    rest = sorted(used.difference(params), key=lambda local: (-graph.locals[local], local))
    number = {local: index for index, local in enumerate((*params, *rest))}
    renumbered: list[Instr] = [
        (instr[0], number[instr[1]]) if instr[0] in _LOCALS else instr for instr in code
    ]
    groups: list[tuple[int, int]] = []
    for local in rest:
        kind = graph.locals[local]
        if groups and groups[-1][1] == kind:
            groups[-1] = (groups[-1][0] + 1, kind)
        else:
            groups.append((1, kind))
    return encode_body(Body(tuple(groups), renumbered))
