"""Names for the functions of the result, after the guest's own opcodes."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from coilbox.wasm.body import Instr
from coilbox.wasm.opcodes import I32_ADD, I32_CONST, I32_SUB
from coilbox_guest.tailcall.graph import Block


def read_opcode_table(source: str) -> dict[int, str]:
    """Names by opcode from the text of CPython's `Lib/_opcode_metadata.py`, which is not run.

    Raises ValueError if it is not such a file.
    """
    names: dict[int, str] = {}
    for node in ast.parse(source).body:
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        if node.targets[0].id in ("opmap", "_specialized_opmap"):
            for name, number in ast.literal_eval(node.value).items():
                names[int(number)] = str(name)
    if not names:
        raise ValueError("no opmap: not CPython's _opcode_metadata.py")
    return names


def switch_bias(code: Sequence[Instr]) -> int:
    """The number that a dispatch subtracts from the opcode before it switches."""
    if len(code) > 1 and code[-2][0] == I32_CONST:
        if code[-1] == (I32_SUB,):
            return code[-2][1]
        if code[-1] == (I32_ADD,):
            return -code[-2][1]
    return 0


def handler_names(point: Block, opcode_names: Mapping[int, str]) -> dict[int, str]:
    """A name for each target of a dispatch point.

    Several opcodes with one handler: two names, or the first and how many more. Numbers without a
    name are `op<number>`, the target for numbers beyond the table is `default`.
    """
    bias = switch_bias(point.code)
    opcodes: dict[int, list[int]] = {}
    for index, target in enumerate(point.targets[:-1]):
        opcodes.setdefault(target, []).append(index + bias)
    names: dict[int, str] = {}
    for target, numbers in opcodes.items():
        known = [opcode_names[number] for number in numbers if number in opcode_names]
        known = known or [f"op{number}" for number in numbers]
        names[target] = known[0]
        if len(known) == 2:
            names[target] += f"/{known[1]}"
        elif len(known) > 2:
            names[target] += f"+{len(known) - 1}"
    if point.targets[-1] not in names or len(opcodes[point.targets[-1]]) > len(opcode_names) > 0:
        names[point.targets[-1]] = "default"
    return names
