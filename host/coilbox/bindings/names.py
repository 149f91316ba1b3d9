"""Python names of what a spec declares, on both sides."""

from __future__ import annotations

import re

from coilbox.bindings.ir import Case, Function, StreamOf, Variant


def case_class(variant: Variant | str, case: Case | str) -> str:
    """The class of a variant's case: ``ReplyHit`` of ``Reply`` and ``hit``."""
    variant_name = variant if isinstance(variant, str) else variant.name
    case_name = case if isinstance(case, str) else case.name
    return variant_name + pascal(case_name)


def python_class(name: str) -> str:
    """The class of a name of ``coilbox.bindings.literals.class_names``."""
    variant, dot, case = name.partition(".")
    return case_class(variant, case) if dot else name


def member_name(value: str) -> str:
    """The Python name of an enum's member: ``NOT_FOUND`` of ``not-found``."""
    return re.sub(r"\W+", "_", value).upper()


def twin_name(function: Function) -> str | None:
    """The second name of a function in the guest; None if it needs none.

    Every function can be called plainly and with ``await``: one of the two ways has the plain
    name (the spec's ``async`` says which), the other ``get_async`` or ``get_sync``. Streams can
    be read with ``for`` and ``async for`` alike.
    """
    if isinstance(function.returns, StreamOf):
        return None
    return f"{function.name}_{'sync' if function.is_async else 'async'}"


def pascal(name: str) -> str:
    """``AcmeKv`` of ``acme_kv``."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))
