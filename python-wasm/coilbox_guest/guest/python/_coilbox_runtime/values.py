"""Values that C leaves to Python: rare types and declared types."""

import dataclasses
import datetime
import decimal
import enum
import reprlib
import uuid
import zoneinfo

import _coilbox

_DECIMAL, _UUID, _ENUM, _DATACLASS, _OPAQUE = 10, 11, 12, 13, 16
_MICROSECOND = datetime.timedelta(microseconds=1)
_REPR_LENGTH = 10_000
_NAME_LENGTH = 1000
_MOST_LENGTH = 2**63 - 1

names = {}  # declared class: name
classes = {}  # name: declared class
specs = {}  # name: how the host described a class that the guest has not declared itself


class Opaque:
    """A value that cannot cross: only what it is goes to the host."""

    __slots__ = ("length", "repr", "type_name")

    def __init__(self, value):
        self.type_name = type_name(type(value))[: min(_NAME_LENGTH, _most // 8)]
        try:
            self.repr = str.__str__(_short_repr(value))[: min(_REPR_LENGTH, _most // 8)]
        except BaseException as error:  # SystemExit, too: it is no exit of the program
            self.repr = f"<repr() raised {type_name(type(error))}>"
        try:
            length = len(value)
            self.length = length if length <= _MOST_LENGTH else None
        except BaseException:
            self.length = None


_most = 1 << 26  # bytes of a value that the host takes


def limit(most):
    """Set how many bytes a value may have for the host."""
    global _most
    _most = most
    _coilbox.limit_value(most)


_shortener = reprlib.Repr(
    maxlevel=20,
    maxtuple=500,
    maxlist=500,
    maxarray=500,
    maxdict=500,
    maxset=500,
    maxfrozenset=500,
    maxdeque=500,
    maxstring=_REPR_LENGTH,
    maxlong=_REPR_LENGTH,
    maxother=_REPR_LENGTH,
)


def _short_repr(value):
    """Return the repr; of a large built-in value its beginning and end, made without the rest."""
    cls = type(value)
    if cls is bytes or cls is bytearray:
        return repr(value[:_REPR_LENGTH])
    if cls in (str, int, list, tuple, dict, set, frozenset):
        return _shortener.repr(value)
    return repr(value)


def type_name(cls):
    """Qualified name of a class; built-in classes without their module."""
    try:
        module = str.__str__(cls.__module__)
        name = str.__str__(cls.__qualname__)
    except BaseException:  # the guest's classes may have anything there
        return type.__dict__["__name__"].__get__(cls)
    return name if module == "builtins" else f"{module}.{name}"


def declare(cls, name=None):
    """Let values of `cls`, an enum or a dataclass, cross; the host declares the same name."""
    if not isinstance(cls, type) or not (
        issubclass(cls, enum.Enum) or dataclasses.is_dataclass(cls)
    ):
        raise TypeError(f"{cls!r} is neither an enum nor a dataclass")
    name = name or cls.__name__
    names.pop(classes.get(name), None)
    classes[name] = cls
    names[cls] = name
    return cls


def reduce(value):
    """Return the extension type and payload of a value, or None if it may go as its base type."""
    cls = type(value)
    if cls is decimal.Decimal:
        return _DECIMAL, str(value)
    if cls is uuid.UUID:
        return _UUID, value.bytes
    if cls is Opaque:
        return _OPAQUE, [value.type_name, value.repr, value.length]
    name = names.get(cls)
    if name is not None:
        if isinstance(value, enum.Flag):
            return _ENUM, [name, value.value]  # combinations have no name of their own
        if isinstance(value, enum.Enum):
            return _ENUM, [name, value.name]
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(cls)}
        return _DATACLASS, [name, fields]
    if isinstance(value, enum.Enum) or dataclasses.is_dataclass(cls):
        kind = "enum" if isinstance(value, enum.Enum) else "dataclass"
        raise TypeError(f"cannot send the {kind} {cls.__qualname__}: declare it first")
    if isinstance(value, decimal.Decimal):
        return _DECIMAL, decimal.Decimal.__str__(value)
    if isinstance(value, uuid.UUID):
        return _UUID, value.bytes
    return None


def restore(code, payload):
    """Make the value of an extension type again."""
    if code == _DECIMAL:
        return decimal.Decimal(payload)
    if code == _UUID:
        return uuid.UUID(bytes=payload)
    name, content = payload
    cls = find_class(name)
    if code == _ENUM:
        return cls(content) if issubclass(cls, enum.Flag) else cls[content]
    late = {field.name for field in dataclasses.fields(cls) if not field.init}
    value = cls(**{key: item for key, item in content.items() if key not in late})
    for key in late:
        object.__setattr__(value, key, content[key])
    return value


def find_class(name):
    """Return the declared class of a name; one that only the host declared is made now."""
    cls = classes.get(name)
    if cls is None:
        if name not in specs:
            raise ValueError(f"the type {name!r} is not declared")
        cls = declare(_make_class(name.rpartition(".")[2], *specs[name]), name)
    return cls


def _make_class(name, kind, *spec):
    if kind == "enum":
        base, members = spec
        return getattr(enum, base)(name, members, module="coilbox.types")
    fields, frozen = spec
    return dataclasses.make_dataclass(name, fields, frozen=frozen, module="coilbox.types")


def zone_out(zone):
    """Return what stands for a time zone in the codec."""
    if isinstance(zone, datetime.timezone):
        offset, *name = zone.__getinitargs__()
        return [offset // _MICROSECOND, name[0] if name else None]
    if isinstance(zone, zoneinfo.ZoneInfo) and zone.key is not None:
        return zone.key
    raise TypeError(
        f"cannot send a time zone of type {type_name(type(zone))}: "
        "use datetime.timezone or zoneinfo.ZoneInfo"
    )


def zone_in(zone):
    """Return the time zone that stands in the codec."""
    if isinstance(zone, str):
        return zoneinfo.ZoneInfo(zone)
    offset, name = zone
    offset = datetime.timedelta(microseconds=offset)
    return datetime.timezone(offset) if name is None else datetime.timezone(offset, name)
