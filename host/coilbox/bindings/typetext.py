"""Types as their authors write them."""

from __future__ import annotations

from coilbox.bindings.ir import (
    INTEGER_RANGES,
    CallbackOf,
    DictOf,
    ListOf,
    OptionalOf,
    Ref,
    Scalar,
    SetOf,
    StreamOf,
    TupleOf,
    Type,
)

SCALAR_TEXT = {"none": "None", "decimal": "Decimal", "uuid": "UUID"}
"""The scalars that are not written as they are named."""


def type_text(type_: Type, *, unsized: bool = False) -> str:
    """A type as annotation text; ``unsized`` writes all integers as ``int``."""

    def text(item: Type) -> str:
        return type_text(item, unsized=unsized)

    match type_:
        case Scalar(name):
            if unsized and name in INTEGER_RANGES:
                return "int"
            return SCALAR_TEXT.get(name, name)
        case Ref(name):
            return name
        case ListOf(item):
            return f"list[{text(item)}]"
        case SetOf(item):
            return f"set[{text(item)}]"
        case DictOf(key, value):
            return f"dict[{text(key)}, {text(value)}]"
        case TupleOf(items):
            return f"tuple[{', '.join(map(text, items)) or '()'}]"
        case OptionalOf(item):
            return f"{text(item)} | None"
        case StreamOf(item):
            return f"stream[{text(item)}]"
        case CallbackOf(params, returns):
            return f"Callable[[{', '.join(map(text, params))}], {text(returns)}]"
