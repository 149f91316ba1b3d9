"""The C of one function while it is written: its operands, blocks and lines."""

from __future__ import annotations

from coilbox.engines.native.emit.control import Control
from coilbox.engines.native.emit.ctype import result_type
from coilbox.engines.native.emit.pieces import piece_return
from coilbox.engines.native.emit.plan import Plan
from coilbox.engines.native.emit.profile import Counters
from coilbox.engines.native.emit.stack import Stack, strip
from coilbox.wasm import Body, FuncType


class FunctionEmitter:
    """One function that is being written: what the handlers of instructions read and change.

    Attributes:
        plan: what is known of the module.
        counters: what a profile knows of the function, or what counts for one.
        index: the function's, imports first.
        signature: its type.
        body: its decoded code.
        lines: its C so far.
        stack: the operand stack, which writes lines.
        local_types: value types of its parameters and locals.
        is_piece: whether it makes or receives tail calls.
        control: its open blocks.
    """

    def __init__(self, plan: Plan, index: int, counters: Counters) -> None:
        self.plan = plan
        self.counters = counters
        self.index = index
        self.signature: FuncType = plan.signature(index)
        self.body: Body = plan.body(index)
        self.lines: list[str] = []
        self.stack = Stack(self.lines)
        self.local_types = [*self.signature.params, *self.body.local_types()]
        self.is_piece = index in plan.tail.functions
        self.control = Control(
            self.stack, self.signature.results, plan.types, counters, self.return_values
        )

    def return_values(self, values: list[str]) -> None:
        """Return, with the results given as C numbers."""
        if self.is_piece and self.plan.trampoline:
            for line in piece_return(self.plan, self.signature.results, values):
                self.stack.line(line)
        elif not values:
            self.stack.line("return;")
        elif len(values) == 1:
            self.stack.line(f"return {strip(values[0])};")
        else:
            kind = result_type(self.signature.results)
            self.stack.line(f"return ({kind}){{{', '.join(values)}}};")
