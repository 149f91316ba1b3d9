"""Finding the interpreter loop by its shape: a large `br_table` in a loop."""

from __future__ import annotations

from dataclasses import dataclass

from coilbox.wasm.errors import WasmFormatError
from coilbox.wasm.module import Module
from coilbox.wasm.opcodes import BY_NAME
from coilbox.wasm.scan import Scanner
from coilbox_guest.tailcall.build import build_graph
from coilbox_guest.tailcall.effects import Effects
from coilbox_guest.tailcall.errors import Reason, SplitRefusedError
from coilbox_guest.tailcall.graph import Exit, Graph, reachable
from coilbox_guest.tailcall.simplify import simplify


@dataclass
class Interpreter:
    """A function with an interpreter loop."""

    function: int
    """Index in the function index space."""
    graph: Graph
    """Simplified; dispatch points and handlers are blocks of their own."""
    points: list[int]
    """Blocks that switch to the handlers, the one with the most handlers first."""
    returning: int
    """How many different handlers of the first point lead back to it."""

    @property
    def handlers(self) -> list[int]:
        """The targets of all dispatch points, by lowest index in the first, then the others."""
        blocks = self.graph.blocks
        return list(dict.fromkeys(t for point in self.points for t in blocks[point].targets))


def find_interpreter(
    module: Module, effects: Effects, function: str | int | None, min_handlers: int
) -> Interpreter:
    """The interpreter loop of the module, or of one function given by name or index.

    It is the loop whose dispatch has the most different targets that lead back to it, at least
    `min_handlers`. Raises SplitRefusedError: NO_LOOP, AMBIGUOUS, EXCEPTIONS, UNSUPPORTED.
    """
    if function is not None:
        number = _named(module, effects, function)
        found = _inspect(module, effects, number, min_handlers)
        if found is None:
            raise SplitRefusedError(
                Reason.NO_LOOP, f"function {function} has no loop with {min_handlers} handlers"
            )
        return found
    candidates = _candidates(module, effects, min_handlers)
    best: list[Interpreter] = []
    for count, number in candidates:
        if best and count < best[0].returning:
            break
        found = _inspect(module, effects, number, min_handlers)
        if found is not None and (not best or found.returning >= best[0].returning):
            if best and found.returning > best[0].returning:
                best = []
            best.append(found)
    if not best:
        raise SplitRefusedError(
            Reason.NO_LOOP,
            f"no br_table in a loop has {min_handlers} targets that lead back to it",
        )
    if len(best) > 1:
        names = module.names.functions
        listed = ", ".join(names.get(item.function, str(item.function)) for item in best)
        raise SplitRefusedError(
            Reason.AMBIGUOUS, f"{listed} have {best[0].returning} handlers each; name one"
        )
    return best[0]


def _named(module: Module, effects: Effects, function: str | int) -> int:
    if isinstance(function, str):
        numbers = [n for n, name in module.names.functions.items() if name == function]
        numbers += [item.index for item in module.exports if item.name == function][:1]
    else:
        numbers = [function]
    total = effects.imported_functions + len(module.code)
    numbers = [n for n in dict.fromkeys(numbers) if effects.imported_functions <= n < total]
    if len(numbers) != 1:
        problem = "is not defined here" if not numbers else f"names {len(numbers)} functions"
        raise SplitRefusedError(Reason.NO_LOOP, f"function {function} {problem}")
    return numbers[0]


def _candidates(module: Module, effects: Effects, least: int) -> list[tuple[int, int]]:
    """Functions with a br_table of `least` different targets: (targets, function), most first."""
    scanner = Scanner((BY_NAME["br_table"],))
    found: list[tuple[int, int]] = []
    for number, body in enumerate(module.code, effects.imported_functions):
        try:
            tables = scanner.find_in_body(body)
        except WasmFormatError:
            continue  # instructions that the library cannot read: not ours to split
        most = max((len(set(table[1:])) for table in tables), default=0)
        if most >= least:
            found.append((most, number))
    return sorted(found, key=lambda item: (-item[0], item[1]))


def _inspect(module: Module, effects: Effects, number: int, least: int) -> Interpreter | None:
    try:
        graph = build_graph(module, number, effects)
    except WasmFormatError as error:
        handling = any(f"opcode {op}" in error.message for op in _EXCEPTION_OPS)
        reason = Reason.EXCEPTIONS if handling else Reason.UNSUPPORTED
        name = module.names.functions.get(number, str(number))
        raise SplitRefusedError(reason, f"function {name}: {error}") from error
    simplify(graph)
    points = _points(graph, least)
    if not points:
        return None
    count, first = points[0]
    main = set(graph.blocks[first].targets)
    # Copies of the dispatch, as compilers make them for threaded code, go to the same handlers.
    chosen = [
        point for _, point in points if 2 * len(main & set(graph.blocks[point].targets)) > len(main)
    ]
    return Interpreter(number, graph, chosen, count)


def _points(graph: Graph, least: int) -> list[tuple[int, int]]:
    """Switches in a loop: (targets that lead back to the switch, block), most first."""
    predecessors = graph.predecessors()
    found: list[tuple[int, int]] = []
    for number, block in graph.blocks.items():
        targets = set(block.targets)
        if block.exit is not Exit.SWITCH or len(targets) < least:
            continue
        before: set[int] = set()
        pending = [number]
        while pending:
            for source in predecessors[pending.pop()]:
                if source not in before:
                    before.add(source)
                    pending.append(source)
        returning = len(targets & before)
        if returning >= least and number in reachable(graph, targets):
            found.append((returning, number))
    return sorted(found, key=lambda item: (-item[0], item[1]))


_EXCEPTION_OPS = ("06", "07", "08", "09", "0a", "18", "19", "1f")
"""try, catch, throw, rethrow, throw_ref, delegate, catch_all, try_table."""
