"""The operand stack as C expressions: what is pushed waits as text until it is used once.

A waiting expression is pure but for what it reads: locals, mutable globals, memory. Before an
instruction changes one of these, the expressions that read it are put into temporaries. So the C
comes out as nested expressions, in an order that no one can tell from the instructions' own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from coilbox.engines.native.emit.ctype import c_type
from coilbox.wasm.types import I32

_NONE: frozenset[int] = frozenset()
_LONGEST = 160
"""Characters of an expression before it goes to a temporary, so that lines stay readable."""


@dataclass(frozen=True, slots=True)
class Value:
    """One operand.

    Attributes:
        text: a C expression, an atom or in parentheses.
        kind: its value type.
        locals: locals it reads.
        globals: mutable globals it reads.
        memory: the loads in it; each may trap, and each as (address text, offset, bytes).
        condition: the text is a condition, 0 or 1 of type int.
        stable: a constant or a temporary: no instruction changes it.
        sum: for a sum of type i32 with a small constant, what is added and that constant.
    """

    text: str
    kind: int
    locals: frozenset[int] = _NONE
    globals: frozenset[int] = _NONE
    memory: tuple[tuple[str, int, int], ...] = ()
    condition: bool = False
    stable: bool = False
    sum: tuple[str, int] | None = None

    @property
    def number(self) -> str:
        """The expression as a number of its type."""
        return f"((u32){self.text})" if self.condition else self.text


@dataclass(slots=True)
class Stack:
    """Waiting operands of one function, and the lines they are put out to."""

    lines: list[str]
    values: list[Value] = field(default_factory=list)
    indent: str = "  "
    temporaries: int = 0

    def line(self, text: str) -> None:
        """Put out one line of C."""
        self.lines.append(self.indent + text)

    def push(self, value: Value) -> None:
        """Push an operand; a long one goes to a temporary."""
        if len(value.text) > _LONGEST and not value.stable:
            value = self._kept(value)
        self.values.append(value)

    def push_name(self, name: str, kind: int) -> None:
        """Push a variable that is assigned before and never after."""
        self.values.append(Value(name, kind, stable=True))

    def pop(self) -> Value:
        """Pop an operand."""
        return self.values.pop()

    def pop_numbers(self, count: int) -> list[str]:
        """Pop operands as C numbers, in the order they were pushed."""
        if not count:
            return []
        taken = self.values[-count:]
        del self.values[-count:]
        return [value.number for value in taken]

    def temporary(self) -> str:
        """A new variable's name, declared by whoever assigns it."""
        self.temporaries += 1
        return f"t{self.temporaries}"

    def keep_effect(self, text: str, kind: int) -> None:
        """Evaluate an expression with effects now and push its value."""
        name = self.temporary()
        self.line(f"{c_type(kind)} {name} = {strip(text)};")
        self.push_name(name, kind)

    def _kept(self, value: Value) -> Value:
        name = self.temporary()
        self.line(f"{c_type(value.kind)} {name} = {strip(value.text)};")
        return Value(name, value.kind, stable=True)

    def keep_all(self) -> None:
        """Put everything that waits into temporaries."""
        for index, value in enumerate(self.values):
            if not value.stable:
                self.values[index] = self._kept(value)

    def keep_local(self, local: int) -> None:
        """The local is about to change."""
        for index, value in enumerate(self.values):
            if local in value.locals:
                self.values[index] = self._kept(value)

    def keep_global(self, number: int) -> None:
        """The global is about to change."""
        for index, value in enumerate(self.values):
            if number in value.globals:
                self.values[index] = self._kept(value)

    def keep_memory(self) -> None:
        """Memory is about to change, or control may leave: loads happen before that."""
        for index, value in enumerate(self.values):
            if value.memory:
                self.values[index] = self._kept(value)

    def keep_effects(self) -> None:
        """A call is about to change memory and globals."""
        for index, value in enumerate(self.values):
            if value.memory or value.globals:
                self.values[index] = self._kept(value)

    def keep_top(self, count: int) -> None:
        """Make the topmost operands variables or constants, to be used more than once."""
        for index in range(len(self.values) - count, len(self.values)):
            if not self.values[index].stable:
                self.values[index] = self._kept(self.values[index])

    def discard(self, value: Value) -> None:
        """Drop an operand; its loads must happen all the same, as they may trap."""
        for address, offset, size in value.memory:
            # Aligned, it lies within one page, and one byte of it stands for all: the poll of
            # every loop head (docs/architecture.md) is one load.
            literal = address.removesuffix("u")
            aligned = literal[0].isdigit() and (int(literal, 0) + offset) % size == 0
            self.line(f"touch(self_ {strip(address)}, {offset}u, {1 if aligned else size}u);")


def combine(text: str, kind: int, operands: list[Value], *, condition: bool = False) -> Value:
    """An expression over operands."""
    if len(operands) == 1:
        one = operands[0]
        return Value(text, kind, one.locals, one.globals, one.memory, condition)
    locals_: frozenset[int] = frozenset().union(*(v.locals for v in operands))
    globals_: frozenset[int] = frozenset().union(*(v.globals for v in operands))
    memory = tuple(load for v in operands for load in v.memory)
    return Value(text, kind, locals_, globals_, memory, condition)


def condition_of(value: Value) -> str:
    """The condition between the parentheses of an ``if``."""
    assert value.kind == I32
    return strip(value.text)


def strip(text: str) -> str:
    """The text without parentheses around the whole of it."""
    if not text.startswith("("):
        return text
    depth = 0
    for position, char in enumerate(text):
        if char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                # A cast is in parentheses too, so only the last one counts.
                return text[1:-1] if position == len(text) - 1 else text
    return text
