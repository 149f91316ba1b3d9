"""``br_table``: a C ``switch``, or computed gotos where it is an interpreter's dispatch."""

from __future__ import annotations

import re
from typing import Final

from coilbox.engines.native.emit.control import Frame
from coilbox.engines.native.emit.stack import Value, strip
from coilbox.engines.native.emit.state import FunctionEmitter

DISPATCH_LABELS: Final = 64
"""From so many labels a ``br_table`` that a loop begins with counts as a dispatch."""

_POLL: Final = re.compile(r"touch\(self_ (?:0x[0-9a-f]+|\d+)u, \d+u, \d+u\);")
"""A load from a constant address whose value is dropped."""


def branch_table(emitter: FunctionEmitter, labels: tuple[int, ...]) -> None:
    """Write a ``br_table``; labels that come more than once share their code."""
    stack, frames = emitter.stack, emitter.control.frames
    index = stack.pop()
    stack.keep_memory()
    if not _dispatch(emitter, labels, index):
        count = len(frames[-1 - labels[-1]].label_types)
        stack.keep_top(count)
        values = [v.number for v in stack.values[len(stack.values) - count :]]
        cases: dict[int, list[int]] = {}
        for case, depth in enumerate(labels[:-1]):
            cases.setdefault(depth, []).append(case)
        default = labels[-1]
        cases.pop(default, None)
        stack.line(f"switch ({strip(index.number)}) {{")
        for depth, numbers in cases.items():
            for start in range(0, len(numbers), 12):
                stack.line("  " + " ".join(f"case {n}u:" for n in numbers[start : start + 12]))
            _case(emitter, depth, values)
        stack.line("  default:")
        _case(emitter, default, values)
        stack.line("}")
    emitter.control.die()


def _case(emitter: FunctionEmitter, depth: int, values: list[str]) -> None:
    emitter.stack.indent += "    "
    emitter.control.go(emitter.control.frames[-1 - depth], values)
    emitter.stack.indent = emitter.stack.indent[4:]


def _dispatch(emitter: FunctionEmitter, labels: tuple[int, ...], index: Value) -> bool:
    """Write a ``br_table`` before which its loop does nothing but poll as a computed goto.

    Every branch to the loop then becomes a poll and such a goto too, as in an interpreter written
    in C: the processor predicts what follows each handler by itself.
    """
    stack, frames = emitter.stack, emitter.control.frames
    loop = next((frame for frame in reversed(frames) if frame.kind != Frame.BLOCK), frames[0])
    targets = [frames[-1 - depth] for depth in labels]
    polls = [line.strip() for line in stack.lines[loop.head + 1 :] if line.strip()]
    if (
        len(labels) < DISPATCH_LABELS
        or loop.kind != Frame.LOOP
        or stack.values
        or not all(map(_POLL.fullmatch, polls))
        or any(frame.kind != Frame.BLOCK or frame.results for frame in targets)
    ):
        return False
    for frame in targets:
        frame.used = True
    text = ", ".join(f"&&{frame.label}" for frame in targets)
    stack.line(f"static const void *const to{loop.number}[] = {{{text}}};")
    number = f"dispatch({strip(index.number)}, {len(labels) - 1}u)"
    go = f"goto *to{loop.number}[{number}];"
    loop.dispatch = f"{{ {' '.join(polls)} {go} }}" if polls else go
    stack.line(go)
    return True
