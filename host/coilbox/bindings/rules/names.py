"""Names: Python identifiers that can be used, and no two things of one name."""

from __future__ import annotations

import builtins
import keyword
import re
import sys
from collections.abc import Iterable

from coilbox.bindings.ir import (
    Enum,
    Error,
    Function,
    Record,
    Resource,
    Variant,
)
from coilbox.bindings.names import case_class, member_name, twin_name
from coilbox.bindings.spec import Spec
from coilbox.bindings.typeparse import GENERICS, SCALAR_NAMES
from coilbox.bindings.walk import field_groups, functions
from coilbox.support.diagnostics import near
from coilbox.support.yaml_reader import REMOVED, Document, Path

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_CAPABILITY = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_TYPE_NAMES = {*SCALAR_NAMES, *GENERICS, "SPEC", "DIGEST", "CLASSES"}
_RESOURCE_NAMES = {"close"}
_MAX_NAME = 100


def check_names(document: Document, spec: Spec) -> None:
    """Check every name."""
    names = _Names(document)
    names.module(spec)
    names.capabilities(spec)
    names.declarations(spec)
    names.all_fields(spec)
    names.module_names(spec)


class _Names:
    def __init__(self, document: Document) -> None:
        self._document = document

    def report(self, path: Path, rule: str, message: str, help_: str = "") -> None:
        self._document.report(self._document.key_span(path), rule, message, help_)

    def name(self, path: Path, name: str, what: str, reserved: Iterable[str] = ()) -> None:
        """Check that a name can be used in Python, and is not reserved."""
        if name.startswith("_"):
            help_ = f"write {name.strip('_')}" if _NAME.fullmatch(name.strip("_")) else ""
            self.report(path, "name", f"the {what} {name!r} begins with an underscore", help_)
        elif not _NAME.fullmatch(name) or len(name) > _MAX_NAME:
            better = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")
            help_ = f"write {better}" if _NAME.fullmatch(better) and better != name else ""
            self.report(path, "name", f"the {what} {name!r} is no Python name", help_)
        elif keyword.iskeyword(name):
            self.report(
                path, "name", f"the {what} {name!r} is a keyword of Python", f"write {name}_"
            )
        elif name in reserved:
            self.report(path, "name", f"the {what} {name!r} has another meaning", f"write {name}_")

    def module(self, spec: Spec) -> None:
        path, name = ("module", "name"), spec.name
        if name == REMOVED:
            return
        span = self._document.span(path)
        before = len(self._document.diagnostics)
        self.name(path, name, "module")
        if len(self._document.diagnostics) > before:
            # The name is a value here: point at it, not at its key.
            found = self._document.diagnostics.pop()
            self._document.report(span, found.rule, found.message, found.help)
        elif name in sys.stdlib_module_names or name in ("coilbox", "site"):
            self._document.report(
                span,
                "module-name",
                f"the module {name!r} would hide one that the guest has",
                f"write my_{name}",
            )

    def capabilities(self, spec: Spec) -> None:
        for capability in spec.capabilities:
            if not _CAPABILITY.fullmatch(capability.name):
                better = re.sub(r"[^a-z0-9_.]+", "_", capability.name.lower())
                self.report(
                    ("capabilities", capability.name),
                    "name",
                    f"the capability {capability.name!r} is not lower-case names with dots",
                    f"write {better}"
                    if _CAPABILITY.fullmatch(better)
                    else "write kv.read, for example",
                )

    def declarations(self, spec: Spec) -> None:
        for declaration in spec.types:
            path: Path = ("types", declaration.name)
            self.name(path, declaration.name, "type", _TYPE_NAMES)
            match declaration:
                case Enum():
                    self.enum(declaration, (*path, "enum"))
                case Variant(cases=cases):
                    for case in cases:
                        self.name((*path, "variant", case.name), case.name, "case")
                    self.docs(path, [case.name for case in cases], "case")
                    self.filled(path, cases, "variant", "case")
                case Record(fields=fields):
                    self.filled(path, fields, "record", "field")
        for path, function in functions(spec):
            is_method = path[0] == "types"
            self.name(
                path,
                function.name,
                "method" if is_method else "function",
                _RESOURCE_NAMES if is_method else (),
            )

    def enum(self, enum: Enum, path: Path) -> None:
        seen: dict[str, str] = {}
        for position, member in enumerate(enum.members):
            if member.value == REMOVED:
                continue
            place = (*path, position)
            name = member_name(member.value)
            if not _NAME.fullmatch(name):
                self.report(place, "name", f"the member {member.value!r} gives no Python name")
            elif name in seen:
                other = seen[name]
                message = (
                    f"the member {member.value!r} is given twice"
                    if other == member.value
                    else f"the members {other!r} and {member.value!r} are both named {name}"
                )
                self.report(place, "collision", message)
            seen.setdefault(name, member.value)
        self.docs(path[:-1], [member.value for member in enum.members], "member")
        self.filled(path[:-1], enum.members, "enum", "member")

    def docs(self, path: Path, names: list[str], what: str) -> None:
        for place in self._document.children((*path, "docs")):
            if place[-1] not in names:
                self.report(
                    place,
                    "unknown-key",
                    f"there is no {what} {place[-1]!r}",
                    near(place[-1], names),
                )

    def filled(self, path: Path, parts: tuple[object, ...], kind: str, what: str) -> None:
        if not parts and not self._document.children((*path, kind)):
            self.report((*path, kind), "empty", f"the {kind} {path[1]!r} needs at least one {what}")

    def all_fields(self, spec: Spec) -> None:
        types = spec.by_name
        for path, fields, kind in field_groups(spec):
            what = {"param": "parameter"}.get(kind, "field")
            reserved: set[str] = {"self"}
            if kind == "error":
                declared = spec.by_name[path[1]]
                assert isinstance(declared, Error)
                reserved |= _exception_names(declared.base)
            for field in fields:
                place = (*path, field.name)
                self.name(place, field.name, what, reserved)
                if field.name in types and kind != "param":
                    self.report(
                        place,
                        "collision",
                        f"the {what} {field.name!r} has the name of a type",
                    )

    def module_names(self, spec: Spec) -> None:
        """No two things in the guest's module, or in a resource's class, of one name."""
        owners: dict[str, tuple[Path, str]] = {}
        for declaration in spec.types:
            path = ("types", declaration.name)
            self.own(owners, declaration.name, path, f"the {declaration.kind} {path[1]!r}")
            if isinstance(declaration, Variant):
                for case in declaration.cases:
                    what = f"the case {case.name!r} of {declaration.name!r}"
                    self.own(
                        owners,
                        case_class(declaration, case),
                        (*path, "variant", case.name),
                        what,
                    )
        self.own_functions(owners, spec.functions, ("functions",), "function")
        for resource in spec.types:
            if isinstance(resource, Resource):
                inner: dict[str, tuple[Path, str]] = {
                    name: owner for name, owner in owners.items() if owner[0][0] == "types"
                }
                inner["close"] = ((), "")
                place = ("types", resource.name, "resource")
                self.own_functions(inner, resource.methods, place, "method")

    def own_functions(
        self,
        owners: dict[str, tuple[Path, str]],
        items: tuple[Function, ...],
        path: Path,
        what: str,
    ) -> None:
        for function in items:
            if function.name != "close" or what == "function":
                self.own(
                    owners, function.name, (*path, function.name), f"the {what} {function.name!r}"
                )
        for function in items:
            twin = twin_name(function)
            if twin is not None:
                text = f"the second name of the {what} {function.name!r}"
                self.own(owners, twin, (*path, function.name), text)

    def own(self, owners: dict[str, tuple[Path, str]], name: str, path: Path, what: str) -> None:
        if name in owners:
            other_path, other = owners[name]
            line = self._document.key_span(other_path).line
            message = f"{what} and {other} (line {line}) are both named {name!r} in the guest"
            self.report(path, "collision", message, "rename one of them")
        owners.setdefault(name, (path, what))


def _exception_names(base: str) -> set[str]:
    cls = getattr(builtins, base, Exception)
    names = {name for name in dir(cls) if not name.startswith("_")}
    return {*names, "message", "type"}
