"""Rules that a spec keeps beyond its shape; one small function for each matter."""

from __future__ import annotations

from collections.abc import Callable

from coilbox.bindings.rules.errors import check_errors
from coilbox.bindings.rules.names import check_names
from coilbox.bindings.rules.order import check_order
from coilbox.bindings.rules.recursion import check_recursion
from coilbox.bindings.rules.references import check_references
from coilbox.bindings.rules.versions import check_versions
from coilbox.bindings.spec import Spec
from coilbox.support.yaml_reader import Document

RULES: tuple[Callable[[Document, Spec], None], ...] = (
    check_names,
    check_references,
    check_order,
    check_recursion,
    check_errors,
    check_versions,
)
"""All rules but those about defaults, which come after them and change the spec."""
