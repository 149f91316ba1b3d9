"""An extension as a whole, which the parts in ``coilbox.bindings.ir`` make up."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from coilbox.bindings import irjson
from coilbox.bindings.ir import Capability, Declaration, Function, Operation, Resource


@dataclass(frozen=True)
class Spec:
    """An extension.

    Attributes:
        name: the name of the module that the guest imports.
        version: three numbers with dots.
        doc: what the module is for.
        capabilities: what may be required.
        types: everything declared under ``types``.
        functions: the functions of the module.
    """

    name: str
    version: str
    doc: str = ""
    capabilities: tuple[Capability, ...] = ()
    types: tuple[Declaration, ...] = ()
    functions: tuple[Function, ...] = ()

    @classmethod
    def from_json(cls, text: str) -> Spec:
        """The spec of canonical JSON, which ``to_json`` made; it is not checked again.

        Raises:
            ValueError: it is of another format.
        """
        return cls(**irjson.from_json(text))

    def to_json(self) -> str:
        """The spec as canonical JSON in ASCII: equal specs give equal text."""
        return irjson.to_json(self)

    @cached_property
    def by_name(self) -> dict[str, Declaration]:
        """The declarations by name."""
        return {declaration.name: declaration for declaration in self.types}

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """Functions in their order, then the methods of each resource in theirs."""
        return tuple(self._operations())

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hex, of the spec without its documentation.

        Guest and host compare it when the extension is loaded. A corrected sentence changes
        nothing that crosses, so it does not count.
        """
        return hashlib.sha256(irjson.to_json(self, docs=False).encode()).hexdigest()

    @cached_property
    def identity(self) -> str:
        """SHA-256, in hex, of the spec with its documentation: names what is generated from it."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def _operations(self) -> Iterator[Operation]:
        index = 0
        for function in self.functions:
            yield Operation(index, function)
            index += 1
        for resource in self.types:
            if isinstance(resource, Resource):
                for method in resource.methods:
                    yield Operation(index, method, resource)
                    index += 1
