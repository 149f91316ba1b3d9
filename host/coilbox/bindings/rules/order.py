"""The order of parameters."""

from __future__ import annotations

from coilbox.bindings.spec import Spec
from coilbox.bindings.walk import field_groups
from coilbox.support.yaml_reader import Document


def check_order(document: Document, spec: Spec) -> None:
    """Required parameters before those with a default, positional ones before keywords."""
    for path, fields, kind in field_groups(spec):
        if kind != "param":
            continue
        optional = keyword = None
        for field in fields:
            span = document.key_span((*path, field.name))
            if field.keyword:
                keyword = keyword or field.name
            elif keyword:
                document.report(
                    span,
                    "parameter-order",
                    f"{field.name!r} can be given by position, but {keyword!r} before it cannot",
                    "move it up, or add `keyword: true`",
                )
            elif field.default is None and optional:
                document.report(
                    span,
                    "parameter-order",
                    f"{field.name!r} is required, but {optional!r} before it has a default",
                    "move it up, or add `keyword: true`",
                )
            elif field.default is not None:
                optional = optional or field.name
