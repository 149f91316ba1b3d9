"""Random values of the types of random specs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from coilbox.bindings.ir import (
    INTEGER_RANGES,
    Case,
    DictOf,
    Enum,
    Field,
    ListOf,
    OptionalOf,
    Record,
    Ref,
    Scalar,
    SetOf,
    TupleOf,
    Type,
    Variant,
)
from coilbox.bindings.spec import Spec
from tests.codec.values import TEXT, ZONES

_SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "none": st.none(),
    "bool": st.booleans(),
    "int": st.one_of(st.integers(), st.integers(-(2**70), 2**70)),
    **{name: st.integers(low, high) for name, (low, high) in INTEGER_RANGES.items()},
    "float": st.floats(),
    "str": TEXT,
    "bytes": st.binary(),
    "decimal": st.decimals(allow_nan=False),
    "datetime": st.datetimes(timezones=ZONES),
    "date": st.dates(),
    "time": st.times(timezones=ZONES),
    "timedelta": st.timedeltas(),
    "uuid": st.uuids(),
}


@st.composite
def values(
    draw: st.DrawFn, spec: Spec, type_: Type, classes: Mapping[str, type], depth: int = 3
) -> Any:
    """A value of a type; lists are empty and options None below so many levels."""

    def inner(part: Type) -> Any:
        return draw(values(spec, part, classes, depth - 1))

    count = draw(st.integers(0, 3 if depth > 0 else 0))
    match type_:
        case Scalar(name):
            return draw(_SCALARS[name])
        case ListOf(item):
            return [inner(item) for _ in range(count)]
        case SetOf(item):
            return {inner(item) for _ in range(count)}
        case DictOf(key, value):
            return {inner(key): inner(value) for _ in range(count)}
        case TupleOf(items):
            return tuple(map(inner, items))
        case OptionalOf(item):
            return inner(item) if count else None
        case Ref(name):
            return _declared(draw, spec, name, classes, inner)
    raise TypeError(type_)


def _declared(draw: Any, spec: Spec, name: str, classes: Any, inner: Any) -> Any:
    declaration = spec.by_name[name]
    if isinstance(declaration, Enum):
        return draw(st.sampled_from(list(classes[name])))
    if isinstance(declaration, Record):
        return classes[name](**arguments(declaration.fields, inner))
    assert isinstance(declaration, Variant)
    case: Case = draw(st.sampled_from(declaration.cases))
    cls = classes[f"{name}.{case.name}"]
    return cls(**arguments(case.fields, inner)) if case.type is None else cls(inner(case.type))


def arguments(fields: tuple[Field, ...], inner: Any) -> dict[str, Any]:
    """Values for fields, by name."""
    return {field.name: inner(field.type) for field in fields}


def has_set(spec: Spec, type_: Type, above: frozenset[str] = frozenset()) -> bool:
    """Whether values may hold sets, whose order is not the same on both sides."""
    match type_:
        case SetOf():
            return True
        case ListOf(item) | OptionalOf(item):
            return has_set(spec, item, above)
        case DictOf(_, value):
            return has_set(spec, value, above)
        case TupleOf(items):
            return any(has_set(spec, item, above) for item in items)
        case Ref(name) if name not in above:
            return any(has_set(spec, part, above | {name}) for part in _parts(spec, name))
    return False


def _parts(spec: Spec, name: str) -> list[Type]:
    declaration = spec.by_name[name]
    if isinstance(declaration, Record):
        return [field.type for field in declaration.fields]
    if isinstance(declaration, Variant):
        cases = declaration.cases
        fields = [field.type for case in cases for field in case.fields]
        return fields + [case.type for case in cases if case.type is not None]
    return []
