"""Structured control flow as labels and gotos (spec section 4.4.8).

Every block end and loop start is a label. Branches assign the label's variables and go to it.
Before a label is placed or a branch may leave, whatever waits on the operand stack is put into
variables, as its place in the order of effects would be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from coilbox.engines.native.emit.ctype import c_type
from coilbox.engines.native.emit.profile import Counters
from coilbox.engines.native.emit.stack import Stack, condition_of, strip
from coilbox.wasm import FuncType
from coilbox.wasm.opcodes import BLOCK_OPS, BY_NAME, EMPTY_BLOCK

_ELSE: Final = BY_NAME["else"]
_END: Final = BY_NAME["end"]


@dataclass(slots=True)
class Frame:
    """One enclosing block, or the function itself.

    Attributes:
        kind: one of the constants below.
        number: what its label and variables are named after.
        height: operands below its parameters.
        params, results: its block type.
        head: index of the line reserved for what turns out to be needed.
        used: whether a branch goes to its label.
        reached: whether the end of an arm, or a branch, reaches what follows.
        parameters: the operands an ``if`` began with, for its ``else``.
        dispatch: what a branch to it does instead of going to its label (``switches``).
    """

    BLOCK: ClassVar[int] = 0
    LOOP: ClassVar[int] = 1
    IF: ClassVar[int] = 2
    ELSE: ClassVar[int] = 3
    FUNCTION: ClassVar[int] = 4

    kind: int
    number: int
    height: int
    params: tuple[int, ...]
    results: tuple[int, ...]
    head: int = 0
    used: bool = False
    reached: bool = False
    parameters: list[str] = field(default_factory=list)
    dispatch: str | None = None

    @property
    def label_types(self) -> tuple[int, ...]:
        """The values that a branch to it carries."""
        return self.params if self.kind == Frame.LOOP else self.results

    @property
    def label(self) -> str:
        """Its C label."""
        return f"{'L' if self.kind == Frame.LOOP else 'B'}{self.number}"

    @property
    def jump(self) -> str:
        """The statement that goes there."""
        return self.dispatch or f"goto {self.label};"

    def variable(self, index: int) -> str:
        """A C variable that a branch to it assigns."""
        return f"{'p' if self.kind == Frame.LOOP else 'b'}{self.number}_{index}"


class Control:
    """The control stack of one function."""

    def __init__(
        self,
        stack: Stack,
        results: tuple[int, ...],
        types: Sequence[FuncType],
        counters: Counters,
        return_values: Callable[[list[str]], None],
    ) -> None:
        """Begin a function.

        Args:
            stack: the function's operands and lines.
            results: what the function returns.
            types: the module's types, which block types are indices of.
            counters: what is known of its conditions, or counts them.
            return_values: writes the C that returns results given as C numbers.
        """
        self._stack = stack
        self._results = results
        self._types = types
        self._counters = counters
        self._return_values = return_values
        self._blocks = 0
        self._nested = 0
        self.dead = False
        self.frames = [Frame(Frame.FUNCTION, 0, 0, (), results)]

    # -- unreachable code -----------------------------------------------------------------------

    def die(self) -> None:
        """Mark the code up to the end of the block as one that cannot be reached."""
        self.dead = True
        self._nested = 0
        del self._stack.values[self.frames[-1].height :]

    def skip(self, op: int) -> None:
        """Pass over an unreachable instruction; ends being dead at the block's end."""
        if op in BLOCK_OPS:
            self._nested += 1
        elif op == _END and self._nested:
            self._nested -= 1
        elif op in (_ELSE, _END) and not self._nested:
            self.dead = False
            if op == _ELSE:
                self._start_else(self.frames[-1])
            else:
                self._finish(reached=False)

    # -- blocks ---------------------------------------------------------------------------------

    def _block_type(self, immediate: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        if immediate == EMPTY_BLOCK:
            return (), ()
        if immediate < 0:
            return (), (immediate + 0x80,)
        kind = self._types[immediate]
        return kind.params, kind.results

    def _new_frame(self, kind: int, immediate: int) -> Frame:
        params, results = self._block_type(immediate)
        self._stack.keep_all()
        self._blocks += 1
        height = len(self._stack.values) - len(params)
        frame = Frame(kind, self._blocks, height, params, results, len(self._stack.lines))
        self._stack.lines.append("")
        self.frames.append(frame)
        return frame

    def open(self, kind: int, immediate: int) -> None:
        """Enter a block or loop."""
        frame = self._new_frame(kind, immediate)
        if kind != Frame.LOOP:
            return
        values = self._stack.pop_numbers(len(frame.params))
        self._declare(frame, frame.params)
        self._assign(frame, values)
        frame.head = len(self._stack.lines)  # the label stands behind the assignments
        self._stack.lines.append("")
        for index, type_ in enumerate(frame.params):
            # Copies, as a branch assigns the variables one by one from what may name them.
            self._stack.keep_effect(frame.variable(index), type_)

    def open_if(self, immediate: int) -> None:
        """Enter an ``if``."""
        condition = self._stack.pop()
        frame = self._new_frame(Frame.IF, immediate)
        frame.parameters = [v.text for v in self._stack.values[frame.height :]]
        self._declare(frame, frame.results)
        text = self._counters.condition(condition_of(condition))
        self._stack.line(f"if ({text}) {{")
        self._stack.indent += "  "

    def turn(self) -> None:
        """The ``else`` of the innermost ``if``, reached from the end of its first arm."""
        frame = self.frames[-1]
        self._end_arm(frame)
        self._start_else(frame)

    def _end_arm(self, frame: Frame) -> None:
        self._assign(frame, self._stack.pop_numbers(len(frame.results)))
        frame.reached = True

    def _start_else(self, frame: Frame) -> None:
        frame.kind = Frame.ELSE
        self._stack.indent = self._stack.indent[2:]
        self._stack.line("} else {")
        self._stack.indent += "  "
        del self._stack.values[frame.height :]
        for name, type_ in zip(frame.parameters, frame.params, strict=True):
            self._stack.push_name(name, type_)

    def close(self) -> None:
        """The ``end`` of the innermost block, reached from above."""
        self._finish(reached=True)

    def _finish(self, *, reached: bool) -> None:
        frame = self.frames.pop()
        stack = self._stack
        if frame.kind == Frame.FUNCTION:
            if reached:
                self._return()
            return
        if frame.kind == Frame.LOOP:
            self._finish_loop(frame, reached=reached)
            return
        if frame.kind == Frame.BLOCK and not frame.used:
            if not reached:
                self.die()
            return  # nothing jumps here: what waits on the stack may go on waiting
        if reached:
            self._end_arm(frame)
        if frame.kind == Frame.IF:
            if frame.params:
                stack.indent = stack.indent[2:]
                stack.line("} else {")
                stack.indent += "  "
                self._assign(frame, frame.parameters)
            frame.reached = True
        if frame.kind != Frame.BLOCK:
            stack.indent = stack.indent[2:]
            stack.line("}")
        else:
            self._declare_late(frame)
        if not (frame.reached or frame.used):
            self.die()
            return
        if frame.used:
            stack.line(f"{frame.label}:;")
        del stack.values[frame.height :]
        for index, type_ in enumerate(frame.results):
            stack.push_name(frame.variable(index), type_)

    def _finish_loop(self, frame: Frame, *, reached: bool) -> None:
        if frame.used:
            self._stack.lines[frame.head] = f"{self._stack.indent}{frame.label}:;"
        if not reached:
            self.die()

    def _declare(self, frame: Frame, types: tuple[int, ...]) -> None:
        for index, type_ in enumerate(types):
            self._stack.line(f"{c_type(type_)} {frame.variable(index)};")

    def _declare_late(self, frame: Frame) -> None:
        """Declare a block's results where it began, now that they are known to be needed."""
        text = " ".join(
            f"{c_type(type_)} {frame.variable(index)};" for index, type_ in enumerate(frame.results)
        )
        if text:
            self._stack.lines[frame.head] = self._stack.indent + text

    def _assign(self, frame: Frame, values: list[str]) -> None:
        for index, value in enumerate(values):
            self._stack.line(f"{frame.variable(index)} = {strip(value)};")

    # -- branches -------------------------------------------------------------------------------

    def _return(self) -> None:
        self._return_values(self._stack.pop_numbers(len(self._results)))

    def go(self, frame: Frame, values: list[str]) -> None:
        """Assign what a label takes and go there."""
        if frame.kind == Frame.FUNCTION:
            self._return_values(values)
            return
        frame.used = True
        self._assign(frame, values)
        self._stack.line(frame.jump)

    def branch(self, depth: int) -> None:
        """``br``, and ``return`` as a branch to the function's frame."""
        frame = self.frames[-1 - depth]
        values = self._stack.values
        count = len(frame.label_types)
        carried = values[len(values) - count :]
        del values[len(values) - count :]
        for value in values[self.frames[-1].height :]:
            self._stack.discard(value)
        self.go(frame, [value.number for value in carried])
        self.die()

    def branch_if(self, depth: int) -> None:
        """``br_if``."""
        stack = self._stack
        frame = self.frames[-1 - depth]
        condition = stack.pop()
        stack.keep_memory()
        stack.keep_top(len(frame.label_types))
        count = len(frame.label_types)
        values = [v.number for v in stack.values[len(stack.values) - count :]]
        text = self._counters.condition(condition_of(condition))
        if not values and frame.kind != Frame.FUNCTION:
            frame.used = True
            stack.line(f"if ({text}) {frame.jump}")
            return
        stack.line(f"if ({text}) {{")
        stack.indent += "  "
        self.go(frame, values)
        stack.indent = stack.indent[2:]
        stack.line("}")
