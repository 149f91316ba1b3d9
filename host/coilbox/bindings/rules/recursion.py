"""Types that no value could ever have, as it would have to hold another of the same type."""

from __future__ import annotations

from coilbox.bindings.ir import Case, Declaration, Error, Record, Ref, TupleOf, Type, Variant
from coilbox.bindings.spec import Spec
from coilbox.support.yaml_reader import Document


def check_recursion(document: Document, spec: Spec) -> None:
    """Every record and variant has a finite value."""
    finite: set[str] = {
        item.name for item in spec.types if not isinstance(item, Record | Variant | Error)
    }
    before = -1
    while len(finite) != before:
        before = len(finite)
        finite |= {item.name for item in spec.types if _is_finite(item, finite, spec)}
    for item in spec.types:
        if item.name not in finite and not isinstance(item, Error):
            document.report(
                document.key_span(("types", item.name)),
                "recursion",
                f"no {item.name} can ever be complete: it holds {_held(item, finite, spec)}",
                "go through a list, a dict or None on the way",
            )


def _is_finite(item: Declaration, finite: set[str], spec: Spec) -> bool:
    match item:
        case Record(fields=fields) | Error(fields=fields):
            return all(_type_is_finite(field.type, finite, spec) for field in fields)
        case Variant(cases=cases):
            return not cases or any(_case_is_finite(case, finite, spec) for case in cases)
    return True


def _case_is_finite(case: Case, finite: set[str], spec: Spec) -> bool:
    types = [field.type for field in case.fields]
    if case.type is not None:
        types.append(case.type)
    return all(_type_is_finite(item, finite, spec) for item in types)


def _type_is_finite(type_: Type, finite: set[str], spec: Spec) -> bool:
    match type_:
        case Ref(name):
            return name in finite or name not in spec.by_name
        case TupleOf(items):
            return all(_type_is_finite(item, finite, spec) for item in items)
    return True  # a list or a set may be empty, an optional None


def _held(item: Declaration, finite: set[str], spec: Spec) -> str:
    """The first thing that keeps it from being complete."""
    if isinstance(item, Record):
        for field in item.fields:
            if not _type_is_finite(field.type, finite, spec):
                return f"{field.name!r}, which holds the like again"
    return "the like again in every case"
