"""The call graph, and which functions can be on the stack more than once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from coilbox.wasm import Instr, Module, Scanner
from coilbox.wasm.opcodes import (
    CALL,
    CALL_INDIRECT,
    REF_FUNC,
    RETURN_CALL,
    RETURN_CALL_INDIRECT,
)
from coilbox.wasm.types import FUNC

_CALLS = Scanner([CALL, CALL_INDIRECT, RETURN_CALL, RETURN_CALL_INDIRECT, REF_FUNC])


def direct_calls(body: bytes) -> set[int]:
    """Indices of the functions that a body calls directly."""
    return {i[1] for i in _CALLS.find_in_body(body) if i[0] in (CALL, RETURN_CALL)}


def call_graph(module: Module) -> list[list[int]]:
    """Successors of each function, imports included.

    An indirect call may reach every function of its type that stands in a table or whose
    reference is taken. Such sets are nodes of their own, behind the functions, so that the graph
    stays small.
    """
    types = module.function_types()
    imported = len(module.imported(FUNC))
    nodes = _type_nodes(module)
    graph: list[list[int]] = [[] for _ in range(len(types) + len(module.types))]
    taken = {f for segment in module.elements for f in segment.functions or ()}
    for index, body in enumerate(module.code, imported):
        edges: set[int] = set()
        for instr in _CALLS.find_in_body(body):
            callee = _callee(instr, nodes)
            if callee is None:
                taken.add(instr[1])
            else:
                edges.add(callee)
        graph[index] = sorted(edges)
    for function in sorted(taken):
        graph[nodes[types[function]]].append(function)
    return graph


def recursive_functions(module: Module) -> set[int]:
    """Functions that lie on a cycle of the call graph."""
    count = len(module.function_types())
    return {node for cycle in _cycles(call_graph(module)) for node in cycle if node < count}


def endless_functions(module: Module) -> set[int]:
    """Functions of which one is entered again and again by any calls that go on without a loop.

    Nested calls are as deep as the stack at most, but where each makes two, 100 levels are 2**100
    calls. Such calls keep passing functions on a cycle that call through a table, or, on a cycle
    without one, functions that call into it at two places or more.
    """
    graph = call_graph(module)
    nodes = _type_nodes(module)
    imported = len(module.imported(FUNC))
    callees = {
        function: [_callee(instr, nodes) for instr in _CALLS.find_in_body(body)]
        for function, body in enumerate(module.code, imported)
    }
    first_type = len(graph) - len(module.types)
    through_tables = {
        function
        for cycle in _cycles(graph)
        for function in cycle & callees.keys()
        if any(callee in cycle and callee >= first_type for callee in callees[function] if callee)
    }
    direct = [[] if node in through_tables else edges for node, edges in enumerate(graph)]
    return through_tables | {
        function
        for cycle in _cycles(direct)
        for function in cycle & callees.keys()
        if sum(callee in cycle for callee in callees[function]) > 1
    }


def _cycles(graph: Sequence[Sequence[int]]) -> list[set[int]]:
    """The nodes of each strongly connected component that has a cycle."""
    return [
        set(component)
        for component in _components(graph)
        if len(component) > 1 or component[0] in graph[component[0]]
    ]


def _type_nodes(module: Module) -> list[int]:
    """The node that stands for the indirect calls of each type.

    Equal types may stand in the type section twice; a call matches by structure.
    """
    first = len(module.function_types())
    by_structure = {kind: number for number, kind in enumerate(module.types)}
    return [first + by_structure[kind] for kind in module.types]


def _callee(instr: Instr, nodes: Sequence[int]) -> int | None:
    """The node that an instruction calls."""
    if instr[0] in (CALL, RETURN_CALL):
        return instr[1]
    return None if instr[0] == REF_FUNC else nodes[instr[1]]


def _components(graph: Sequence[Iterable[int]]) -> list[list[int]]:
    """Strongly connected components (Tarjan 1972), without recursion."""
    order = [0] * len(graph)
    low = [0] * len(graph)
    on_stack = [False] * len(graph)
    stack: list[int] = []
    found: list[list[int]] = []
    counter = 0
    for root in range(len(graph)):
        if order[root]:
            continue
        counter += 1
        order[root] = low[root] = counter
        stack.append(root)
        on_stack[root] = True
        work = [(root, iter(graph[root]))]
        while work:
            node, edges = work[-1]
            for target in edges:
                if not order[target]:
                    counter += 1
                    order[target] = low[target] = counter
                    stack.append(target)
                    on_stack[target] = True
                    work.append((target, iter(graph[target])))
                    break
                if on_stack[target]:
                    low[node] = min(low[node], order[target])
            else:
                work.pop()
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[node])
                if low[node] == order[node]:
                    component: list[int] = []
                    while not component or component[-1] != node:
                        component.append(stack.pop())
                        on_stack[component[-1]] = False
                    found.append(component)
    return found
