"""Errors and capabilities that functions name."""

from __future__ import annotations

from collections.abc import Iterable

from coilbox.bindings.ir import Error
from coilbox.bindings.spec import Spec
from coilbox.bindings.walk import functions
from coilbox.support.diagnostics import listed, near
from coilbox.support.yaml_reader import Document, Path


def check_references(document: Document, spec: Spec) -> None:
    """Check ``raises`` and ``requires``."""
    errors = [item.name for item in spec.types if isinstance(item, Error)]
    written = {path[-1] for path in document.children(("types",))}
    broken = written - set(spec.by_name)  # reported already; they may be errors
    capabilities = [item.name for item in spec.capabilities]
    broken_capabilities = {path[-1] for path in document.children(("capabilities",))}
    for path, _ in functions(spec):
        for place, name in _items(document, (*path, "raises")):
            if name in errors or name in broken:
                continue
            if name in spec.by_name:
                message = f"{name!r} is a {spec.by_name[name].kind}, not an error"
                document.report(document.span(place), "unknown-error", message)
                continue
            help_ = near(name, errors) or f"declare it under `types`; {listed(errors)}"
            document.report(document.span(place), "unknown-error", f"unknown error {name!r}", help_)
        for place, name in _items(document, (*path, "requires")):
            if name not in capabilities and name not in broken_capabilities:
                help_ = near(name, capabilities) or (
                    f"declare it under `capabilities`; {listed(capabilities)}"
                )
                message = f"unknown capability {name!r}"
                document.report(document.span(place), "unknown-capability", message, help_)


def _items(document: Document, path: Path) -> Iterable[tuple[Path, str]]:
    """The texts of a list, each once; one given twice is reported."""
    seen = set()
    for place, name in document.texts(path):
        if name in seen:
            document.report(document.span(place), "duplicate-key", f"{name!r} is given twice")
            continue
        seen.add(name)
        yield place, name
