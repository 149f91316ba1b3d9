"""Changes from one version of a spec to the next, and whom they break.

A change is *breaking* if guest code, or a sandbox's configuration, that worked may no longer work
or type-check; else it is *compatible*. The host's implementation changes together with the spec,
so it does not count, and neither do words in documentation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from coilbox.bindings.ir import (
    INTEGER_RANGES,
    Case,
    Declaration,
    Enum,
    Error,
    Field,
    Function,
    Limits,
    OptionalOf,
    Record,
    Resource,
    Scalar,
    Type,
    Variant,
)
from coilbox.bindings.spec import Spec
from coilbox.bindings.typetext import type_text

Named = TypeVar("Named", Field, Function, Case, Declaration)


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Attributes:
        kind: whether it breaks.
        where: what changed, such as ``get.key`` or ``Entry.tags``.
        text: how.
    """

    kind: Literal["breaking", "compatible"]
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind:10}  {self.where}: {self.text}"


def diff(old: Spec, new: Spec) -> list[Change]:
    """All changes; the breaking ones first, else in the order of the spec."""
    found = list(_spec(old, new))
    return sorted(found, key=lambda change: change.kind)


def is_breaking(changes: Sequence[Change]) -> bool:
    """Whether any of them breaks."""
    return any(change.kind == "breaking" for change in changes)


def version_problem(old: Spec, new: Spec, changes: Sequence[Change]) -> str | None:
    """Why the new version's number does not suit the changes; None if it does.

    As in semantic versioning: a breaking change raises the first number (the second while the
    first is 0), any other the first or second.
    """
    if not changes:
        return None
    before = tuple(map(int, old.version.split(".")))
    after = tuple(map(int, new.version.split(".")))
    places = 1 if is_breaking(changes) and before[0] > 0 else 2
    if after[:places] > before[:places]:
        return None
    needed = [*before[: places - 1], before[places - 1] + 1, *([0] * (3 - places))]
    kind = "breaking" if is_breaking(changes) else "new"
    return (
        f"{new.version} does not say that there are {kind} things since {old.version}: "
        f"it should be {'.'.join(map(str, needed))} or above"
    )


def _breaking(where: str, text: str) -> Change:
    return Change("breaking", where, text)


def _compatible(where: str, text: str) -> Change:
    return Change("compatible", where, text)


def _spec(old: Spec, new: Spec) -> Iterator[Change]:
    if old.name != new.name:
        yield _breaking("module", f"renamed from {old.name} to {new.name}")
    before, after = ({item.name for item in spec.capabilities} for spec in (old, new))
    for name in sorted(before - after):
        yield _breaking(name, "the capability was removed: configurations that grant it fail")
    for name in sorted(after - before):
        yield _compatible(name, "the capability is new")
    for name, first, second in _pairs(old.types, new.types):
        yield from _declaration(name, first, second)
    for name, one, other in _pairs(old.functions, new.functions):
        yield from _function(name, one, other, "function")


def _pairs(
    old: Sequence[Named], new: Sequence[Named]
) -> Iterator[tuple[str, Named | None, Named | None]]:
    before: Mapping[str, Named] = {item.name: item for item in old}
    after: Mapping[str, Named] = {item.name: item for item in new}
    for name in dict.fromkeys([*before, *after]):
        yield name, before.get(name), after.get(name)


def _declaration(name: str, old: Declaration | None, new: Declaration | None) -> Iterator[Change]:
    if old is None:
        assert new is not None
        yield _compatible(name, f"the {new.kind} is new")
    elif new is None:
        yield _breaking(name, f"the {old.kind} was removed")
    elif old.kind != new.kind:
        yield _breaking(name, f"was {_a(old.kind)}, is {_a(new.kind)}")
    elif isinstance(old, Enum) and isinstance(new, Enum):
        yield from _enum(name, old, new)
    elif isinstance(old, Record) and isinstance(new, Record):
        yield from _fields(name, old.fields, new.fields)
    elif isinstance(old, Variant) and isinstance(new, Variant):
        for case, first, second in _pairs(old.cases, new.cases):
            yield from _case(f"{name}.{case}", first, second)
    elif isinstance(old, Error) and isinstance(new, Error):
        if old.base != new.base:
            yield _breaking(name, f"derived from {old.base}, derives from {new.base}")
        if old.message != new.message:
            yield _compatible(name, "the message was reworded")
        yield from _fields(name, old.fields, new.fields)
    elif isinstance(old, Resource) and isinstance(new, Resource):
        for method, one, other in _pairs(old.methods, new.methods):
            yield from _function(f"{name}.{method}", one, other, "method")


def _enum(name: str, old: Enum, new: Enum) -> Iterator[Change]:
    before = [member.value for member in old.members]
    after = [member.value for member in new.members]
    for value in before:
        if value not in after:
            yield _breaking(name, f"the member {value!r} was removed")
    for value in after:
        if value not in before:
            yield _breaking(name, f"the member {value!r} is new: a match over all is incomplete")


def _case(where: str, old: Case | None, new: Case | None) -> Iterator[Change]:
    if old is None:
        yield _breaking(where, "the case is new: a match over all is incomplete")
    elif new is None:
        yield _breaking(where, "the case was removed")
    elif old.type != new.type or bool(old.fields) != bool(new.fields):
        yield _breaking(where, f"held {_held(old)}, holds {_held(new)}")
    else:
        yield from _fields(where, old.fields, new.fields)


def _fields(owner: str, old: Sequence[Field], new: Sequence[Field]) -> Iterator[Change]:
    for name, first, second in _pairs(old, new):
        where = f"{owner}.{name}"
        if first is None:
            assert second is not None
            if second.default is None:
                yield _breaking(where, "the field is new and has no default")
            else:
                yield _compatible(where, "the field is new, with a default")
        elif second is None:
            yield _breaking(where, "the field was removed")
        else:
            if first.type != second.type:
                yield _breaking(where, _types(first.type, second.type))
            yield from _defaults(where, first, second)


def _defaults(where: str, old: Field, new: Field) -> Iterator[Change]:
    if old.default == new.default:
        return
    if new.default is None:
        yield _breaking(where, "the default was removed")
    elif old.default is None:
        yield _compatible(where, "has a default now")
    else:
        yield _breaking(where, "the default is another")


def _function(
    where: str, old: Function | None, new: Function | None, what: str
) -> Iterator[Change]:
    if old is None:
        yield _compatible(where, f"the {what} is new")
        return
    if new is None:
        yield _breaking(where, f"the {what} was removed")
        return
    if old.is_async != new.is_async:
        now = "a coroutine function" if new.is_async else "a plain function"
        yield _breaking(where, f"is {now} now")
    if old.returns != new.returns:
        yield _breaking(where, f"the result was {_types(old.returns, new.returns, verb=False)}")
    yield from _params(where, old.params, new.params)
    for name in sorted(set(new.raises) - set(old.raises)):
        yield _breaking(where, f"may raise {name} now")
    for name in sorted(set(old.raises) - set(new.raises)):
        yield _compatible(where, f"does not raise {name} any more")
    for name in sorted(set(new.requires) - set(old.requires)):
        yield _breaking(where, f"needs the capability {name} now")
    for name in sorted(set(old.requires) - set(new.requires)):
        yield _compatible(where, f"does not need the capability {name} any more")
    yield from _limits(where, old.limits, new.limits)
    if old.deprecated is None and new.deprecated is not None:
        yield _compatible(where, "is deprecated now")


def _params(owner: str, old: Sequence[Field], new: Sequence[Field]) -> Iterator[Change]:
    for name, first, second in _pairs(old, new):
        where = f"{owner}.{name}"
        if first is None:
            assert second is not None
            if second.default is None:
                yield _breaking(where, "the parameter is new and has no default")
            else:
                yield _compatible(where, "the parameter is new, with a default")
        elif second is None:
            yield _breaking(where, "the parameter was removed")
        else:
            if first.type != second.type:
                wider = _is_wider(second.type, first.type)
                make = _compatible if wider else _breaking
                yield make(where, _types(first.type, second.type))
            if first.keyword != second.keyword:
                make = _breaking if second.keyword else _compatible
                how = "by keyword only" if second.keyword else "by position, too"
                yield make(where, f"is given {how} now")
            yield from _defaults(where, first, second)
    before = [field.name for field in old if not field.keyword]
    after = [field.name for field in new if not field.keyword]
    common = [name for name in before if name in after]
    if after[: len(common)] != common:
        yield _breaking(owner, "the order of the parameters is another")


def _limits(where: str, old: Limits, new: Limits) -> Iterator[Change]:
    for name in Limits.__dataclass_fields__:
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            tighter = after is not None and (before is None or _number(after) < _number(before))
            make = _breaking if tighter else _compatible
            yield make(where, f"the limit {name} is {'tighter' if tighter else 'looser'}")


def _number(limit: Any) -> float:
    return float(limit.calls / limit.seconds) if hasattr(limit, "seconds") else float(limit)


def _is_wider(wide: Type, narrow: Type) -> bool:
    """Whether every argument that was right is still right."""
    if isinstance(wide, OptionalOf):
        return wide.item == narrow or (
            isinstance(narrow, OptionalOf) and _is_wider(wide.item, narrow.item)
        )
    if isinstance(wide, Scalar) and isinstance(narrow, Scalar) and narrow.name in INTEGER_RANGES:
        if wide.name == "int":
            return True
        low, high = INTEGER_RANGES.get(wide.name, (0, -1))
        first, last = INTEGER_RANGES[narrow.name]
        return low <= first and last <= high
    return False


def _types(old: Type, new: Type, *, verb: bool = True) -> str:
    was, now = type_text(old), type_text(new)
    return f"was {was}, is {now}" if verb else f"{was}, is {now}"


def _held(case: Case) -> str:
    if case.type is not None:
        return type_text(case.type)
    return "fields" if case.fields else "nothing"


def _a(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"
