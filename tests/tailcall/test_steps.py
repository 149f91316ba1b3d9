"""Each step by itself: orders, dominators, liveness, structure, and each preparation."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from coilbox.wasm import BY_NAME, OPCODES, FuncType, Module
from coilbox.wasm.types import I32
from coilbox_guest.tailcall import Options, Reason, SplitRefusedError, split_interpreter
from coilbox_guest.tailcall.build import build_graph
from coilbox_guest.tailcall.discipline import global_facts, pointer_fault
from coilbox_guest.tailcall.dominators import dominator_tree, reverse_postorder
from coilbox_guest.tailcall.effects import Effects
from coilbox_guest.tailcall.frame import Frame, find_frame
from coilbox_guest.tailcall.graph import Block, Exit, Graph
from coilbox_guest.tailcall.liveness import live_in, members
from coilbox_guest.tailcall.naming import read_opcode_table
from coilbox_guest.tailcall.partition import partition
from coilbox_guest.tailcall.pieces import bounded_index
from coilbox_guest.tailcall.selectors import thread_selectors
from coilbox_guest.tailcall.simplify import remove_unread, simplify
from coilbox_guest.tailcall.stackpointer import analyse, find_pointer
from coilbox_guest.tailcall.structure import structured_code

Assemble = Callable[[str], bytes]
FRAME = "(global.set $sp (local.tee $fp (i32.sub (global.get $sp) (i32.const 32))))"
BACK = "(global.set $sp (i32.add (local.get $fp) (i32.const 32)))"


def graph_of(edges: dict[int, list[int]]) -> Graph:
    """A graph of empty blocks; two targets are a branch, none a return."""
    kinds = {0: Exit.RETURN, 1: Exit.JUMP, 2: Exit.BRANCH}
    condition = [(BY_NAME["i32.const"], 0)]
    blocks = {
        number: Block(list(condition) if len(to) > 1 else [], kinds.get(len(to), Exit.SWITCH), to)
        for number, to in edges.items()
    }
    return Graph(FuncType((), ()), [], blocks, 0)


def function(wat: Assemble, body: str, extra: str = "") -> tuple[Module, Graph, Effects]:
    """A module with one function of interest (index 0) and its graph."""
    module = Module(
        wat(f"""(module (memory 1) (global $sp (mut i32) (i32.const 4096))
        (global $other (mut i32) (i32.const 1))
        (func $f (param $p i32) (result i32) (local $fp i32) (local $x i32) {body}) {extra})""")
    )
    effects = Effects(module)
    return module, build_graph(module, 0, effects), effects


def test_dominators_agree_with_their_definition() -> None:
    draw = random.Random(4)
    for _ in range(200):
        size = draw.randrange(2, 12)
        edges = {n: [draw.randrange(size) for _ in range(draw.randrange(3))] for n in range(size)}
        tree = dominator_tree(edges, 0)
        reached = set(reverse_postorder(edges, 0))
        for above in reached:
            without = {n: [] if n == above else to for n, to in edges.items()}
            rest = set() if above == 0 else set(reverse_postorder(without, 0))
            for below in reached:
                assert tree.dominates(above, below) == (below not in rest or above == below)


def test_structure_refuses_a_loop_with_two_entries() -> None:
    graph = graph_of({0: [1, 2], 1: [2, 3], 2: [1, 3], 3: []})
    with pytest.raises(SplitRefusedError, match=r"irreducible control flow: edges .* sideways"):
        structured_code(graph)


def test_structure_is_not_recursive() -> None:
    size = 5000
    edges = {n: [n + 1] for n in range(size)} | {size: []}
    assert [OPCODES[instr[0]].name for instr in structured_code(graph_of(edges))] == [
        "return", "end",
    ]  # fmt: skip


def test_partition_cuts_a_loop_with_two_entries() -> None:
    graph = graph_of({0: [1], 1: [2, 3], 2: [3, 4], 3: [2, 4], 4: []})
    parts = partition(graph, (0,))
    assert len(parts.cut) == 1 and set(parts.cut) <= {2, 3}
    assert parts.joins[0] in (2, 3)


def test_partition_makes_shared_blocks_entries() -> None:
    #   0 -> 1, 2 (roots); both reach 3, which leads to 4; 5 belongs to 2 alone
    graph = graph_of({0: [1, 2], 1: [3], 2: [3, 5], 3: [4], 4: [], 5: []})
    parts = partition(graph, (0, 1, 2))
    assert parts.joins == (3,)
    assert parts.regions == {0: (0,), 1: (1,), 2: (2, 5), 3: (3, 4)}


def test_liveness(wat: Assemble) -> None:
    _, graph, _ = function(
        wat,
        """(local.set $x (i32.const 5))
        (block $b (br_if $b (local.get $p)) (local.set $x (i32.const 6)))
        (local.get $x)""",
    )
    live = live_in(graph)
    assert list(members(live[graph.entry])) == [0]
    ends = [n for n, block in graph.blocks.items() if block.exit is Exit.RETURN]
    assert [list(members(live[n])) for n in ends] == [[2]]


def test_selectors_are_followed(wat: Assemble) -> None:
    _, graph, _ = function(
        wat,
        """(if (local.get $p) (then (local.set $x (i32.const 0))) (else (local.set $x (i32.const 7))))
        (block $two (block $one (block $zero (br_table $zero $one $two (local.get $x)))
          (return (i32.const 10))) (return (i32.const 11)))
        (i32.const 12)""",
    )
    simplify(graph)
    assert thread_selectors(graph) == 2
    remove_unread(graph)
    simplify(graph)
    yes, no = graph.blocks[graph.entry].targets
    assert graph.blocks[yes].code == [(BY_NAME["i32.const"], 10)]
    assert graph.blocks[no].code == [(BY_NAME["i32.const"], 12)]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (f"{FRAME} {BACK} (local.get $p)", None),
        (f"{FRAME} (if (local.get $p) (then {BACK} (return (i32.const 1)))) {BACK} (local.get 0)", None),
        # saved and put back from a local, as for aligned frames
        ("(local.set $x (global.get $sp)) (global.set $sp (i32.and (i32.sub (local.get $x) "
         "(i32.const 99)) (i32.const -16))) (global.set $sp (local.get $x)) (i32.const 0)", None),
        (f"{FRAME} (local.get $p)", "may return with another value"),
        (f"{FRAME} (if (local.get $p) (then (return (i32.const 1)))) {BACK} (local.get 0)",
         "may return with another value"),
        (f"{FRAME} (local.set $fp (i32.const 5)) {BACK} (local.get 0)",
         "may return with another value"),
        (f"{FRAME} (loop $l {BACK} (br_if $l (local.get $p))) (local.get 0)", None),
        (f"(loop $l {FRAME} (br_if $l (local.get $p))) {BACK} (local.get 0)",
         "may return with another value"),
        ("(global.set $sp (local.get $p)) (local.get $p)", "may return with another value"),
    ],
)  # fmt: skip
def test_stack_pointer_discipline(wat: Assemble, body: str, fault: str | None) -> None:
    module, _, effects = function(wat, body)
    found = pointer_fault(module, effects, global_facts(module, effects), 0)
    assert found is None if fault is None else found is not None and fault in found


def test_a_pointer_in_the_hosts_hands_is_not_relied_on(wat: Assemble) -> None:
    module, _, effects = function(wat, f"{FRAME} {BACK} (i32.const 0)", '(export "g" (global 0))')
    found = pointer_fault(module, effects, global_facts(module, effects), 0)
    assert found == "global 0 is imported or exported, the host may change it"


@pytest.mark.parametrize(
    ("inside", "fault"),
    [
        ("(i32.store offset=28 (local.get $fp) (local.get $p))", None),
        ("(i32.store offset=32 (local.get $fp) (local.get $p))", "address above the frame"),
        ("(local.set $x (i32.add (local.get $fp) (i32.const 40)))", "address above the frame"),
        ("(global.set $sp (i32.sub (local.get $fp) (i32.const 16)))", "lowered in more than one"),
    ],
)
def test_frame_preconditions(wat: Assemble, inside: str, fault: str | None) -> None:
    module, graph, effects = function(wat, f"{FRAME} {inside} {BACK} (local.get $p)")
    pointer = find_pointer(graph)
    assert pointer == (0, 32)
    assert module.globals[0].type.value == I32
    found = find_frame(graph, analyse(graph, effects, 0), 32)
    assert isinstance(found, Frame) if fault is None else fault in str(found)


@pytest.mark.parametrize(
    ("text", "count", "bounded"),
    [
        ([("local.get", 1), ("i32.const", 255), ("i32.and",)], 256, True),
        ([("local.get", 1), ("i32.const", 255), ("i32.and",)], 255, False),
        ([("local.get", 1), ("i32.load8_u", 0, 0)], 256, True),
        ([("local.get", 1), ("i32.load8_u", 0, 0), ("local.tee", 2)], 256, True),
        ([("local.get", 1), ("i32.const", -1), ("i32.and",)], 256, False),
        ([("local.get", 1)], 1000, False),
    ],
)
def test_bounds(text: list[tuple[object, ...]], count: int, bounded: bool) -> None:
    code = [(BY_NAME[str(name)], *map(int, map(str, rest))) for name, *rest in text]
    assert bounded_index(code, count) is bounded


LOOP = """(local $pc i32)
  (loop $next (block $d (block $c (block $b (block $a
    (br_table $a $b $c $d (i32.load8_u (local.get $pc)))) {a} (br $next)) {b} (br $next))
    {c} (br $next)) {d} (br $next)) unreachable"""


def interpreter(**handlers: str) -> str:
    """A loop with four handlers that step on, but for those given."""
    step = "(local.set $pc (i32.add (local.get $pc) (i32.const 1)))"
    return LOOP.format(
        **{name: handlers.get(name, step + " (nop)" * n) for n, name in enumerate("abcd")}
    )


@pytest.mark.parametrize(
    ("text", "reason", "message"),
    [
        ("(func)", Reason.NO_LOOP, "no br_table in a loop has 3 targets that lead back to it"),
        (f"(func $one {interpreter()}) (func $two {interpreter()})", Reason.AMBIGUOUS,
         "one, two have 4 handlers each; name one"),
        ("(func (param i32) (block (block (block (block (br_table 0 1 2 3 (local.get 0)))))))",
         Reason.NO_LOOP, "no br_table in a loop"),
    ],
)  # fmt: skip
def test_refusals(wat: Assemble, text: str, reason: Reason, message: str) -> None:
    module = wat(f"(module (memory 1) {text})")
    with pytest.raises(SplitRefusedError) as caught:
        split_interpreter(module, Options(min_handlers=3))
    assert caught.value.reason is reason
    assert message in str(caught.value) and str(caught.value).startswith(str(reason))


def test_a_named_function_that_is_not_there(wat: Assemble) -> None:
    with pytest.raises(SplitRefusedError, match="function nowhere is not defined here"):
        split_interpreter(wat("(module (func $f))"), Options(function="nowhere"))


def test_exceptions_are_refused(wat: Assemble) -> None:
    module = wat(
        f"""(module (memory 1) (tag $t) (func $f
        (block $h (try_table (catch_all $h) (nop))) {interpreter().replace("(local $pc i32)", "")}
        ))""".replace("(func $f", "(func $f (local $pc i32)")
    )
    with pytest.raises(SplitRefusedError) as caught:
        split_interpreter(module, Options(function="f", min_handlers=3))
    assert caught.value.reason is Reason.EXCEPTIONS


def test_too_many_values_are_refused(wat: Assemble) -> None:
    names = [f"$v{n}" for n in range(12)]
    rotate = " ".join(
        f"(local.set {a} (local.get {b}))" for a, b in zip(names, names[1:], strict=False)
    )
    body = interpreter(
        a=f"{rotate} (local.set $v11 (local.get $pc))", d="(local.set $pc (local.get $v0))"
    )
    body = body.replace(
        "(local $pc i32)", "(local $pc i32) " + " ".join(f"(local {n} i32)" for n in names)
    )
    module = wat(f"(module (memory 1) (func {body}))")
    with pytest.raises(SplitRefusedError, match="13 values at once, more than 8, and no place"):
        split_interpreter(module, Options(min_handlers=3, most_params=8))


def test_a_global_that_is_assigned_is_not_computed_again(wat: Assemble) -> None:
    body = interpreter(
        a="(local.set $pc (i32.add (local.get $k) (local.get $c)))",
        b="(global.set $g (local.get $pc))",
    ).replace(
        "(local $pc i32)",
        """(local $pc i32) (local $k i32) (local $c i32)
        (local.set $k (i32.add (global.get $g) (i32.const 1)))
        (local.set $c (i32.add (global.get $h) (i32.const 1)))""",
    )
    module = wat(
        f"""(module (memory 1) (global $g (mut i32) (i32.const 0))
        (global $h (mut i32) (i32.const 0)) (func {body}))"""
    )
    report = split_interpreter(module, Options(min_handlers=3)).report
    assert report.preparations["rematerialised"] == 1, "of $h, which nothing assigns, alone"
    assert report.handler_parameters == 2


def test_opcode_table() -> None:
    text = "opmap = {'NOP': 27}\n_specialized_opmap = {'FAST': 200}\nother = open\n"
    assert read_opcode_table(text) == {27: "NOP", 200: "FAST"}
    with pytest.raises(ValueError, match="not CPython's"):
        read_opcode_table("x = 1")
