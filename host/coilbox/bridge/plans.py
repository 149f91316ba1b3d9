"""Plans of extensions: what is known before any sandbox has one, shared by all that do."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from typing import Any

from coilbox.bindings.host import Extension
from coilbox.bindings.ir import (
    CallbackOf,
    Error,
    Operation,
    OptionalOf,
    Ref,
    Resource,
    StreamOf,
    Type,
)
from coilbox.bridge.converters import Converters
from coilbox.bridge.encoding import Reply
from coilbox.bridge.guest_plan import GuestPlan
from coilbox.codec import Allowance
from coilbox.codec.frames import Buffer
from coilbox.support.locks import ForkSafeLock

_KEPT = 256


class ExtensionPlan:
    """A spec with the classes of its types.

    Attributes:
        converters: what checks and converts its values.
        operations: by ``Operation.index``.
        guest: what the guest gets to know of the spec.
    """

    def __init__(self, extension: Extension) -> None:
        self.spec = extension.spec
        self.classes = extension.classes
        self.converters = Converters(self.spec, self.classes)
        self.guest = GuestPlan(self.spec)
        self.operations = tuple(OperationPlan(self, item) for item in self.spec.operations)


class OperationPlan:
    """A function of an extension, or a method of a resource.

    Attributes:
        name: for messages, such as ``acme_kv.get`` or ``acme_kv.Cursor.next``.
        function: what the spec says.
        operation: its place in the spec.
        resource: the resource that it returns, or None.
        stream: the type of the items of the stream that it returns, or None.
        borrows: whether callbacks or streams of the guest are among its arguments.
        is_limited: whether it has limits.
        checked_types: classes of objects that are known to have the resource's methods.
    """

    def __init__(self, extension: ExtensionPlan, operation: Operation) -> None:
        spec = extension.spec
        function = operation.function
        self.name = f"{spec.name}.{operation.name}"
        self.function = function
        self.operation = operation
        self.resource: Resource | None = None
        self.stream: Type | None = None
        match function.returns:
            case StreamOf(item):
                self.stream = item
            case Ref(name) if isinstance(found := spec.by_name[name], Resource):
                self.resource = found
        limits = function.limits
        self.is_limited = any(getattr(limits, name) is not None for name in limits.__slots__)
        self.checked_types: set[type] = set()
        self.borrows = any(_is_borrowed(param.type) for param in function.params)
        self._extension = extension

    @cached_property
    def arguments(self) -> Callable[[Buffer, Any, Allowance], Any]:
        """Makes handle, positional and keyword arguments of bytes."""
        return self._extension.converters.arguments(self.operation)

    @cached_property
    def encode(self) -> Callable[[Any, Allowance], Reply]:
        """Makes a reply of a result that is neither resource nor stream."""
        return self._extension.converters.result(self.function.returns)

    @cached_property
    def encode_item(self) -> Callable[[Any, Allowance], bytes]:
        """Makes bytes of an item of the stream."""
        assert self.stream is not None
        return self._extension.converters.item(self.stream)

    @cached_property
    def errors(self) -> dict[type, Callable[[Any, Allowance], bytes]]:
        """Makes replies of the declared errors, by their classes."""
        found = {}
        for name in self.function.raises:
            declared = self._extension.spec.by_name[name]
            assert isinstance(declared, Error)
            encode = self._extension.converters.error(declared)
            found[self._extension.classes[name]] = encode
        return found


def _is_borrowed(type_: Type) -> bool:
    if isinstance(type_, OptionalOf):
        type_ = type_.item
    return isinstance(type_, StreamOf | CallbackOf)


_plans: OrderedDict[tuple[object, ...], ExtensionPlan] = OrderedDict()
_lock = ForkSafeLock()


def plan_of(extension: Extension) -> ExtensionPlan:
    """The plan of an extension; extensions of the same spec and classes share it."""
    # A plan keeps its classes alive, so that no other ones get their ids.
    key = (extension.spec.digest, *map(id, extension.classes.values()))
    with _lock:
        plan = _plans.get(key)
        if plan is None:
            plan = _plans[key] = ExtensionPlan(extension)
            if len(_plans) > _KEPT:
                _plans.popitem(last=False)
        else:
            _plans.move_to_end(key)
        return plan
