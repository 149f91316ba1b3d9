"""Whether Python functions fit a spec: what a type checker would say, said when they are loaded."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any

from coilbox.bindings.hints import NameOf, Untypable, names_of, text_of, type_of
from coilbox.bindings.ir import (
    INTEGER_RANGES,
    NONE,
    Field,
    Function,
    OptionalOf,
    Ref,
    Resource,
    Scalar,
    Type,
)
from coilbox.bindings.spec import Spec
from coilbox.bindings.typetext import type_text

Problem = str
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def check_object(
    spec: Spec, classes: Mapping[str, type], functions: Iterable[Function], value: object
) -> list[Problem]:
    """The problems that keep an object from having all of these functions as methods."""
    problems = []
    for function in functions:
        method = getattr(value, function.name, None)
        if method is None:
            problems.append(f"{function.name}: missing; expected {signature_text(function)}")
        elif not callable(method):
            problems.append(f"{function.name}: is a {type(method).__name__}, not a method")
        else:
            problems += check_function(spec, classes, function, method)
    return problems


def check_function(
    spec: Spec,
    classes: Mapping[str, type],
    function: Function,
    implementation: Callable[..., Any],
    checked: frozenset[type] = frozenset(),
) -> list[Problem]:
    """The problems that keep a function from implementing one of the spec.

    Args:
        spec: the spec.
        classes: the classes of its types.
        function: the function of the spec.
        implementation: the function that shall implement it.
        checked: classes of resources whose methods are being checked: such a method may return
            its own class.
    """
    try:
        signature = inspect.signature(implementation)
    except (ValueError, TypeError):
        return []  # written in C without a signature: nothing is known of it
    differences = list(_parameters(function, signature))
    if not differences:
        differences = list(_annotations(spec, classes, function, implementation, checked))
    return [
        f"{function.name}: {difference}; expected {signature_text(function)}"
        for difference in differences
    ]


def signature_text(function: Function) -> str:
    """The signature that an implementation has."""
    parts = ["context", "/"]
    keyword = False
    for param in function.params:
        if param.keyword and not keyword:
            parts.append("*")
            keyword = True
        parts.append(f"{param.name}: {type_text(param.type)}")
    return f"{function.name}({', '.join(parts)}) -> {type_text(function.returns)}"


def _parameters(function: Function, signature: inspect.Signature) -> Iterable[str]:
    found = list(signature.parameters.values())
    kinds = [param.kind for param in found]
    rest = inspect.Parameter.VAR_POSITIONAL in kinds
    any_keyword = inspect.Parameter.VAR_KEYWORD in kinds
    positional = [param for param in found if param.kind in _POSITIONAL]
    if not positional and not rest:
        yield "takes no context as its first argument"
        return
    wanted = [param for param in function.params if not param.keyword]
    names = [param.name for param in positional[1:]]
    for position, param in enumerate(wanted):
        if position >= len(names):
            if not rest:
                yield _lacking(param, found)
        elif names[position] != param.name:
            yield f"has {names[position]!r} where {param.name!r} belongs"
            return
    keywords = {param.name for param in found if param.kind is inspect.Parameter.KEYWORD_ONLY}
    extra = positional[1 + len(wanted) :]
    by_name = keywords | {param.name for param in extra}
    for param in function.params:
        if param.keyword and param.name not in by_name and not any_keyword:
            yield _lacking(param, found)
    known = {param.name for param in function.params}
    required = [param for param in found if param.kind is inspect.Parameter.KEYWORD_ONLY] + extra
    for item in required:
        if item.name not in known and item.default is inspect.Parameter.empty:
            yield f"wants {item.name!r}, which the spec does not have"


def _lacking(param: Field, found: list[inspect.Parameter]) -> str:
    for other in found:
        if other.name == param.name:
            way = "by keyword" if param.keyword else "by position"
            return f"does not take {param.name!r} {way}"
    return f"lacks the parameter {param.name!r}"


def _annotations(
    spec: Spec,
    classes: Mapping[str, type],
    function: Function,
    implementation: Callable[..., Any],
    checked: frozenset[type],
) -> Iterable[str]:
    try:
        hints = typing.get_type_hints(inspect.unwrap(implementation), include_extras=True)
    except Exception:
        return  # names for type checkers only: they have checked it
    name_of = names_of(classes)
    for param in function.params:
        if param.name in hints:
            found = _known(hints[param.name], name_of)
            if found is not None and not _accepts(found, param.type):
                hint = text_of(hints[param.name])
                yield f"takes {param.name!r} as {hint}, not {type_text(param.type)}"
    if "return" in hints:
        hint = _awaited(hints["return"])
        if _is_resource(spec, function.returns):
            yield from _resource(spec, classes, function.returns, hint, checked)
            return
        found = _known(hint, name_of)
        if found is not None and not _accepts(function.returns, found):
            yield f"returns {text_of(hint)}, not {type_text(function.returns)}"


def _known(hint: Any, name_of: NameOf) -> Type | None:
    try:
        return type_of(hint, name_of)
    except Untypable:
        return None  # may well be a wider type, such as Sequence


def _accepts(wide: Type, narrow: Type) -> bool:
    """Whether every value of ``narrow`` is one of ``wide``, integers of all sizes taken as one."""
    wide, narrow = _unsized(wide), _unsized(narrow)
    if wide == narrow:
        return True
    if isinstance(wide, OptionalOf):
        inner = narrow.item if isinstance(narrow, OptionalOf) else narrow
        return narrow == NONE or _accepts(wide.item, inner)
    if isinstance(wide, Scalar) or isinstance(narrow, Scalar | OptionalOf | Ref):
        return wide == Scalar("float") and narrow == Scalar("int")
    return type_text(wide, unsized=True) == type_text(narrow, unsized=True)


def _unsized(type_: Type) -> Type:
    if isinstance(type_, Scalar) and type_.name in INTEGER_RANGES:
        return Scalar("int")
    return type_


def _awaited(hint: Any) -> Any:
    if typing.get_origin(hint) in (Awaitable, Coroutine) and typing.get_args(hint):
        return typing.get_args(hint)[-1]
    return hint


def _is_resource(spec: Spec, type_: Type) -> bool:
    return isinstance(type_, Ref) and isinstance(spec.by_name.get(type_.name), Resource)


def _resource(
    spec: Spec, classes: Mapping[str, type], type_: Type, hint: Any, checked: frozenset[type]
) -> Iterable[str]:
    assert isinstance(type_, Ref)
    resource = spec.by_name[type_.name]
    assert isinstance(resource, Resource)
    if not isinstance(hint, type) or hint in (object, Any, type(None)):
        if hint in (None, type(None)):
            yield f"returns None, not {resource.name}"
        return
    if getattr(hint, "_is_protocol", False) or hint in checked:
        return
    for method in resource.methods:
        found = inspect.getattr_static(hint, method.name, None)
        if found is None:
            yield f"returns {hint.__qualname__}, which lacks the method {signature_text(method)}"
        elif inspect.isfunction(found):
            for problem in check_function(spec, classes, method, _bound(found), checked | {hint}):
                yield f"returns {hint.__qualname__}, where {problem}"


def _bound(function: Callable[..., Any]) -> Callable[..., Any]:
    """A method of a class as it looks on an instance."""
    return function.__get__(object())  # type: ignore[no-any-return]
