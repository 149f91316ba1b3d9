"""The host API of a sandbox, which its guest can call: checked once, shared by all its lives."""

from __future__ import annotations

import bisect
import difflib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from coilbox.bridge.functions import HostFunctions, PlainFunctions
from coilbox.codec import TypeRegistry
from coilbox.codec.scalars import pack
from coilbox.errors import UsageError
from coilbox.limits import DEFAULT_LIMITS

if TYPE_CHECKING:  # a sandbox without extensions does not import what they need
    from coilbox.bindings.host import Extension
    from coilbox.bridge.modules import CompileModule
    from coilbox.bridge.plans import ExtensionPlan, OperationPlan


class HostAPI:
    """Functions, types, extensions and grants of a sandbox.

    Args:
        functions: functions of ``coilbox.host``.
        types: what may cross with them.
        extensions: extensions.
        grants: capabilities that the guest has.
        image: digest of the image whose Python will import the extensions' modules.
        compile_module: compiles a module for that Python.
        value_bytes: ``Limits.value_bytes``.

    Attributes:
        plain: the functions of ``coilbox.host``.
        grants: the capabilities.
        count: how many operations the extensions have together.
        modules: names of the modules that the guest can import.
        value_bytes: ``Limits.value_bytes``.

    Raises:
        UsageError: two extensions have a module of the same name, or a grant is unknown.
        ExtensionError: an extension lacks an implementation, or its guest module is wrong.
    """

    def __init__(
        self,
        functions: HostFunctions,
        types: TypeRegistry,
        extensions: Iterable[Extension] = (),
        grants: Iterable[str] = (),
        image: str = "",
        compile_module: CompileModule | None = None,
        value_bytes: int = DEFAULT_LIMITS.value_bytes,
    ) -> None:
        self.plain = PlainFunctions(functions, types)
        self.value_bytes = value_bytes
        self.grants = frozenset(grants)
        self._bases: list[int] = []
        self._given: list[tuple[Extension, ExtensionPlan, tuple[Callable[..., Any], ...]]] = []
        self._modules: dict[str, tuple[bytes, int | None]] = {}
        self._owners: dict[str, str] = {}
        self.count = 0
        for extension in extensions:
            assert compile_module is not None
            self._give(extension, image, compile_module)
        self.modules = list(self._modules)
        self._check_grants()

    def _give(self, extension: Extension, image: str, compile_module: CompileModule) -> None:
        from coilbox.bridge.modules import generated_code, shipped_code
        from coilbox.bridge.plans import plan_of

        plan = plan_of(extension)
        name = extension.spec.name
        for module in (name, *extension.guest_modules):
            owner = self._owners.setdefault(module, name)
            if owner != name or module in self._modules:
                what = f"{owner} and {name} both have" if name != owner else "two have"
                raise UsageError(f"the extensions {what} the guest module {module!r}")
        position = len(self._given)
        self._given.append((extension, plan, extension.functions()))
        self._modules[name] = generated_code(extension.spec, image, compile_module), position
        for module, source in extension.guest_modules.items():
            self._modules[module] = shipped_code(module, source, image, compile_module), None
        self._bases.append(self.count)
        self.count += len(plan.operations)

    @property
    def has_extensions(self) -> bool:
        """Whether there are any."""
        return bool(self._given)

    def find(self, number: int) -> tuple[int, OperationPlan, Callable[..., Any] | None] | None:
        """The extension's position, the operation and its function (None for a method).

        None if there is no operation of this number.
        """
        if not 0 <= number < self.count:
            return None
        position = bisect.bisect_right(self._bases, number) - 1
        _, plan, functions = self._given[position]
        index = number - self._bases[position]
        function = functions[index] if index < len(functions) else None
        return position, plan.operations[index], function

    def extension(self, position: int) -> Extension:
        """The extension at a position."""
        return self._given[position][0]

    def module(self, name: object) -> bytes | None:
        """The reply with a module's code and plan; None if it is not offered."""
        found = self._modules.get(name) if isinstance(name, str) else None
        if found is None:
            return None
        code, position = found
        plan = pack(None)
        if position is not None:
            plan = self._given[position][1].guest.encoded(self._bases[position])
        return b"\x92\x00\x92" + pack(code) + plan

    def _check_grants(self) -> None:
        known = {item.name for _, plan, _ in self._given for item in plan.spec.capabilities}
        for grant in sorted(self.grants, key=str):
            if grant not in known:
                near = difflib.get_close_matches(str(grant), known, 1)
                help_ = f"; did you mean {near[0]!r}?" if near else ""
                known_text = ", ".join(sorted(known)) or "none"
                raise UsageError(
                    f"no extension declares the capability {grant!r} (there are: "
                    f"{known_text}){help_}"
                )
