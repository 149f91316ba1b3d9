"""The intermediate representation of an extension: what checker, generators and bridge share.

It knows nothing of YAML and nothing of Python's syntax, and imports neither pydantic nor PyYAML.
These are its parts; ``coilbox.bindings.spec.Spec`` is the whole, and goes to and from JSON, so that
a host that runs sandboxes reads no YAML. Everything is frozen and in the order of the spec, and
every default is filled in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

JsonValue: TypeAlias = "None | bool | int | float | str | list[JsonValue] | dict[str, JsonValue]"

INTEGER_RANGES: Final[dict[str, tuple[int, int]]] = {
    **{f"i{bits}": (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) for bits in (8, 16, 32, 64)},
    **{f"u{bits}": (0, (1 << bits) - 1) for bits in (8, 16, 32, 64)},
}
"""The sized integers: least and greatest value of each."""

SCALARS: Final = (
    *("none", "bool", "int", *INTEGER_RANGES, "float", "str", "bytes"),
    *("decimal", "datetime", "date", "time", "timedelta", "uuid"),
)
"""The names that :class:`Scalar` may have."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A type without parts; ``name`` is one of :data:`SCALARS`."""

    name: str


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of any length."""

    item: Type


@dataclass(frozen=True, slots=True)
class SetOf:
    """A set; its items are scalars, enums, or tuples of them."""

    item: Type


@dataclass(frozen=True, slots=True)
class DictOf:
    """A mapping that keeps its order; keys are str, integers or enums."""

    key: Type
    value: Type


@dataclass(frozen=True, slots=True)
class TupleOf:
    """A tuple of exactly these items; none is the empty tuple."""

    items: tuple[Type, ...]


@dataclass(frozen=True, slots=True)
class OptionalOf:
    """A value or None; never nested, never around ``none``."""

    item: Type


@dataclass(frozen=True, slots=True)
class StreamOf:
    """Values one after the other, pulled by whoever reads. A whole result or parameter only."""

    item: Type


@dataclass(frozen=True, slots=True)
class CallbackOf:
    """A function of the guest that the host may call until the call ends. A parameter only.

    It may stand inside :class:`OptionalOf`.
    """

    params: tuple[Type, ...]
    returns: Type


@dataclass(frozen=True, slots=True)
class Ref:
    """A declared enum, record, variant or, as a whole result only, resource."""

    name: str


Type: TypeAlias = (
    Scalar | ListOf | SetOf | DictOf | TupleOf | OptionalOf | StreamOf | CallbackOf | Ref
)

NONE: Final = Scalar("none")


@dataclass(frozen=True, slots=True)
class Default:
    """A default, as a literal of its type in JSON; ``coilbox.bindings.literals`` has the forms."""

    literal: JsonValue


@dataclass(frozen=True, slots=True)
class Deprecated:
    """Since which version something should not be used, and which name replaces it, if any."""

    since: str
    use: str | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record, an error or a variant's case; or a parameter.

    Attributes:
        name: its name.
        type: its type.
        default: its default; None if it must be given.
        keyword: whether it can be given by keyword only. Fields always are; of parameters those
            with it come last.
        doc: what it is for.
        since: the version of the module that brought it; None if the first.
    """

    name: str
    type: Type
    default: Default | None = None
    keyword: bool = False
    doc: str = ""
    since: str | None = None


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls in so many seconds."""

    calls: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one function, for each sandbox; None means no limit.

    Attributes:
        rate: calls per time, as a token bucket.
        burst: the size of that bucket, in calls; ``rate.calls`` if None.
        concurrency: calls at the same time.
        timeout: seconds that a call may take.
        max_bytes_in: bytes of a call's encoded arguments, of each item for a stream.
        max_bytes_out: bytes of a call's encoded result, of each item for a stream.
        calls: calls in a sandbox's whole life.
    """

    rate: Rate | None = None
    burst: int | None = None
    concurrency: int | None = None
    timeout: float | None = None
    max_bytes_in: int | None = None
    max_bytes_out: int | None = None
    calls: int | None = None


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the module, or a method of a resource.

    Attributes:
        name: its name.
        params: its parameters, in the order in which they cross.
        returns: its result's type; :data:`NONE` if nothing.
        returns_doc: what the result is.
        raises: names of declared errors.
        requires: names of capabilities.
        limits: its limits.
        is_async: whether its plain name in the guest is a coroutine function. The host's
            implementation may be plain or async all the same.
        doc: what it does.
        since: the version that brought it; None if the first.
        deprecated: if it should no longer be used.
    """

    name: str
    params: tuple[Field, ...] = ()
    returns: Type = NONE
    returns_doc: str = ""
    raises: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    limits: Limits = Limits()
    is_async: bool = False
    doc: str = ""
    since: str | None = None
    deprecated: Deprecated | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an enum; ``value`` is its text, its position in the enum its number."""

    value: str
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Enum:
    """A choice of texts."""

    name: str
    members: tuple[Member, ...]
    doc: str = ""
    since: str | None = None
    kind: Literal["enum"] = "enum"


@dataclass(frozen=True, slots=True)
class Record:
    """Named fields."""

    name: str
    fields: tuple[Field, ...]
    doc: str = ""
    since: str | None = None
    kind: Literal["record"] = "record"


@dataclass(frozen=True, slots=True)
class Case:
    """A case of a variant: without a value, with one (``type``), or with ``fields``."""

    name: str
    type: Type | None = None
    fields: tuple[Field, ...] = ()
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Variant:
    """One of several cases; a case's position is its tag."""

    name: str
    cases: tuple[Case, ...]
    doc: str = ""
    since: str | None = None
    kind: Literal["variant"] = "variant"


@dataclass(frozen=True, slots=True)
class Error:
    """An exception that functions may raise.

    Attributes:
        name: its name.
        fields: what it carries.
        base: name of the built-in exception that it derives from, too.
        message: a format string over the fields; empty if the fields are to be listed.
        doc: what it means.
        since: the version that brought it; None if the first.
        kind: tells it from the other declarations.
    """

    name: str
    fields: tuple[Field, ...]
    base: str = "Exception"
    message: str = ""
    doc: str = ""
    since: str | None = None
    kind: Literal["error"] = "error"


@dataclass(frozen=True, slots=True)
class Resource:
    """An object that stays on the host; the guest has a handle. ``close`` is always there."""

    name: str
    methods: tuple[Function, ...]
    doc: str = ""
    since: str | None = None
    kind: Literal["resource"] = "resource"


Declaration: TypeAlias = Enum | Record | Variant | Error | Resource


@dataclass(frozen=True, slots=True)
class Capability:
    """A permission that can be granted to a sandbox, such as ``kv.read``."""

    name: str
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation that the guest calls by its number: a function, or a method of ``resource``.

    Attributes:
        index: its number; those of a spec are 0, 1, ...
        function: what is called.
        resource: the resource whose method it is; None for functions of the module.
    """

    index: int
    function: Function
    resource: Resource | None = None

    @property
    def name(self) -> str:
        """``get``, or ``Cursor.next``."""
        name = self.function.name
        return name if self.resource is None else f"{self.resource.name}.{name}"
