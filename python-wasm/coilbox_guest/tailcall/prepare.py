"""The preparations in order: from an interpreter as compiled to one with few values in flight."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from coilbox.wasm.module import Module
from coilbox_guest.tailcall.discipline import GlobalFacts, global_facts, pointer_fault
from coilbox_guest.tailcall.dispatch import Interpreter
from coilbox_guest.tailcall.effects import Effects
from coilbox_guest.tailcall.frame import Frame, find_frame, move_to_frame
from coilbox_guest.tailcall.framepointer import read_stack_pointer
from coilbox_guest.tailcall.graph import Graph
from coilbox_guest.tailcall.invariants import rematerialise
from coilbox_guest.tailcall.liveness import live_in, members
from coilbox_guest.tailcall.options import Options
from coilbox_guest.tailcall.selectors import thread_selectors
from coilbox_guest.tailcall.simplify import remove_unread, simplify
from coilbox_guest.tailcall.stackpointer import analyse, find_pointer


@dataclass
class Preparations:
    """The changes that were made, and those that could not be and why."""

    carried_before: int = 0
    """Values in flight at the dispatch as compiled."""
    carried: list[int] = field(default_factory=list)
    """Locals in flight at the dispatch afterwards."""
    threaded: int = 0
    """Edges led past constant selectors."""
    frame_pointers: list[int] = field(default_factory=list)
    rematerialised: list[int] = field(default_factory=list)
    spilled: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Preconditions that did not hold, so that a value stays in flight."""

    def to_json(self) -> dict[str, Any]:
        """For the report. Locals are counted, not named: their numbers mean nothing outside."""
        return {
            "values_in_flight_before": self.carried_before,
            "values_in_flight": len(self.carried),
            "edges_threaded": self.threaded,
            "frame_pointers": len(self.frame_pointers),
            "rematerialised": len(self.rematerialised),
            "spilled": len(self.spilled),
            "refused": self.refused,
        }


def carried_locals(graph: Graph, handlers: list[int]) -> list[int]:
    """The locals that live on entry to any of the handlers."""
    live = live_in(graph)
    union = 0
    for handler in handlers:
        union |= live[handler]
    return list(members(union))


def prepare(
    module: Module,
    effects: Effects,
    found: Interpreter,
    options: Options,
    *,
    reducible: bool = False,
) -> tuple[Preparations, Frame | None]:
    """Change the interpreter's graph in place; the frame if values may be put there.

    A precondition that does not hold keeps that preparation from being done and is reported.
    With `reducible`, only what leaves the graph one that can be written as a single function.
    """
    graph, done = found.graph, Preparations()
    keep = {*found.points, *found.handlers}
    done.carried_before = len(carried_locals(graph, found.handlers))
    done.threaded = thread_selectors(graph, reducible=reducible)
    simplify(graph, keep)
    globals_ = global_facts(module, effects)
    pointer = _reliable_pointer(module, effects, graph, globals_, done)
    wanted = set(carried_locals(graph, found.handlers))
    facts = None
    if pointer is not None:
        facts = analyse(graph, effects, pointer[0])
        done.frame_pointers = read_stack_pointer(graph, effects, facts, wanted)
        facts = analyse(graph, effects, pointer[0])
    gone, kept = rematerialise(graph, effects, globals_, facts, wanted)
    done.rematerialised = gone
    remove_unread(graph)
    frame = None
    if pointer is not None and options.spill:
        frame = _spill(graph, effects, found, pointer, options, done)
    done.carried = carried_locals(graph, found.handlers)
    done.refused += [
        f"local {local} is not computed again: {kept[local]}"
        for local in done.carried
        if local in kept
    ]
    return done, frame


def _reliable_pointer(
    module: Module, effects: Effects, graph: Graph, globals_: GlobalFacts, done: Preparations
) -> tuple[int, int] | None:
    pointer = find_pointer(graph)
    if pointer is None:
        return None
    fault = pointer_fault(module, effects, globals_, pointer[0])
    if fault is not None:
        done.refused.append(f"the stack pointer cannot be relied on: {fault}")
        return None
    return pointer


def _spill(
    graph: Graph,
    effects: Effects,
    found: Interpreter,
    pointer: tuple[int, int],
    options: Options,
    done: Preparations,
) -> Frame | None:
    facts = analyse(graph, effects, pointer[0])
    frame = find_frame(graph, facts, pointer[1])
    if isinstance(frame, str):
        done.refused.append(f"the shadow stack frame is not used: {frame}")
        return None
    carried = carried_locals(graph, found.handlers)
    definitions = graph.definitions()
    # The fewer assignments, the fewer stores; among equals the order of locals decides.
    carried.sort(key=lambda local: definitions.get(local, 0))
    while len(carried) > options.max_params:
        excess = carried[: len(carried) - options.max_params]
        moved, refused = move_to_frame(graph, effects, facts, frame, excess)
        done.spilled += moved
        done.refused += [f"local {local} is not spilled: {why}" for local, why in refused.items()]
        carried = [local for local in carried if local not in moved and local not in refused]
        if not refused:
            break
        facts = analyse(graph, effects, pointer[0])
    done.spilled.sort()
    return frame
