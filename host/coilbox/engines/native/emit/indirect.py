"""Targets of indirect calls: entries of tables that never change, checked; or tables that do."""

from __future__ import annotations

from coilbox.engines.native.emit.ctype import arguments, parameters, result_type
from coilbox.engines.native.emit.plan import Plan
from coilbox.engines.native.emit.stack import strip
from coilbox.wasm.types import I32


def indirect_code(plan: Plan, table: int, index: str, type_: int) -> str:
    """A C expression for the code of a table's entry, checked."""
    entries = plan.tables[table].entries
    if entries is None:
        return f"table_function(self_ {table}u, {strip(index)}, {type_}u)->code"
    if plan.tables[table].uniform == type_:
        return f"uniform_code(self_ table{table}, {len(entries)}u, {strip(index)})"
    return f"entry_code(self_ table{table}, {len(entries)}u, {strip(index)}, {type_}u)"


def seldom_name(table: int, type_: int) -> str:
    """The C name of the function that makes indirect calls for those who seldom do."""
    return f"seldom{table}_{type_}"


def seldom_calls(plan: Plan) -> list[str]:
    """Those functions, for each type and each table that never changes.

    They leave all registers as they are, so that a caller need not save any on the way to what it
    does most of the time; and the checks stand in one place instead of in each caller.
    """
    out = []
    for table, planned in enumerate(plan.tables):
        if planned.entries is None:
            continue
        for type_, kind in enumerate(plan.types):
            if plan.canonical[type_] != type_:
                continue
            name, result = seldom_name(table, type_), result_type(kind.results)
            given = arguments([f"l{number}" for number in range(1, len(kind.params) + 1)])
            call = f"((type{type_}){indirect_code(plan, table, 'l0', type_)})({given});"
            back = "return " if kind.results else ""
            out.append(
                f"SELDOM {result} {name}({parameters((I32, *kind.params))}) {{ {back}{call} }}"
            )
    return out
