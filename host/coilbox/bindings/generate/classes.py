"""Enums, records, variants and errors as classes: the same in guest, stub and host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from coilbox.bindings.generate.python import Python, error_message, fields_doc
from coilbox.bindings.generate.writer import Writer, string
from coilbox.bindings.ir import Case, Declaration, Enum, Error, Field, Record, Resource, Variant
from coilbox.bindings.names import case_class, member_name


@dataclass(frozen=True, slots=True)
class Style:
    """The differences between the modules.

    Attributes:
        record: the decorator of classes whose fields are given by keyword, or their base class.
        case: the same of a case with one value, which is given by position.
        error: the base class of errors.
        stub: whether only types matter.
    """

    record: str
    case: str
    error: str
    stub: bool = False


class Classes:
    """Writes the classes of a spec's declarations, resources excepted."""

    def __init__(self, python: Python, writer: Writer, style: Style) -> None:
        self._python = python
        self._writer = writer
        self._style = style

    def write(
        self, declarations: tuple[Declaration, ...], resource: Callable[[Resource], None]
    ) -> None:
        """Write all declarations; ``resource`` writes those that differ on the two sides."""
        # Enums first, as defaults of the others may use their members.
        for declaration in sorted(declarations, key=lambda item: not isinstance(item, Enum)):
            self._writer.blank(2)
            match declaration:
                case Enum():
                    self._enum(declaration)
                case Record():
                    self._record(declaration)
                case Variant():
                    self._variant(declaration)
                case Error():
                    self._error(declaration)
                case Resource():
                    resource(declaration)

    def _enum(self, enum: Enum) -> None:
        """Write an enum."""
        writer = self._writer
        self._python.imported.add("_enum")
        self._begin(f"class {enum.name}(_enum.StrEnum):", _doc(enum))
        with writer.indented():
            for member in enum.members:
                writer.line(f"{member_name(member.value)} = {string(member.value)}")
                if member.doc:
                    writer.docstring(member.doc)

    def _record(self, record: Record) -> None:
        """Write a record."""
        self._dataclass(record.name, record.fields, _doc(record, record.fields))

    def _variant(self, variant: Variant) -> None:
        """Write the classes of a variant's cases, and their union."""
        writer, python = self._writer, self._python
        names = []
        for case in variant.cases:
            names.append(case_class(variant, case))
            self._case(variant, case)
            writer.blank(2)
        writer.line(f"# {variant.name}: one of its cases.")
        alias = variant.name
        if self._style.stub:
            python.imported.add("_typing")
            alias += ": _typing.TypeAlias"
        union = " | ".join(names)
        if len(f"{alias} = {union}") <= writer.room:
            writer.line(f"{alias} = {union}")
            return
        writer.line(f"{alias} = (")
        with writer.indented():
            for position, name in enumerate(names):
                writer.line(f"| {name}" if position else name)
        writer.line(")")

    def _error(self, error: Error) -> None:
        """Write an error."""
        writer, python = self._writer, self._python
        bases = [self._style.error]
        if error.base != "Exception":
            bases.append(python.builtin(error.base))
        self._begin(f"class {error.name}({', '.join(bases)}):", _doc(error, error.fields))
        with writer.indented():
            for field in error.fields:
                writer.line(f"{field.name}: {python.annotation(field.type)}")
            if error.fields:
                writer.blank()
            params = [self._parameter(field) for field in error.fields]
            start = ["self", "*"] if params else ["self"]
            end = ") -> None: ..." if self._style.stub else ") -> None:"
            writer.call("def __init__(", [*start, *params], end)
            if self._style.stub:
                return
            with writer.indented():
                given = [f"{field.name}={field.name}" for field in error.fields]
                template = string(error_message(error))
                message = f"{template}.format({', '.join(given)})" if given else template
                writer.call(f"{self._style.error}.__init__(", ["self", message], ")")
                for field in error.fields:
                    writer.line(f"self.{field.name} = {field.name}")

    def _case(self, variant: Variant, case: Case) -> None:
        title = case.doc or f"Case ``{case.name}`` of {variant.name}."
        name = case_class(variant, case)
        if case.type is None:
            doc = [title, fields_doc("Attributes", case.fields)]
            self._dataclass(name, case.fields, "\n\n".join(filter(None, doc)))
            return
        self._value(name, (Field("value", case.type),), title, self._style.case)

    def _dataclass(self, name: str, fields: tuple[Field, ...], doc: str) -> None:
        self._value(name, fields, doc, self._style.record)

    def _value(self, name: str, fields: tuple[Field, ...], doc: str, how: str) -> None:
        """A class of values: a dataclass, or derived from a base that is like one."""
        if not how.startswith("@"):
            self._derived(name, fields, doc, how)
            return
        self._python.imported.add("_dataclasses")
        self._writer.line(how)
        self._begin(f"class {name}:", doc)
        with self._writer.indented():
            for field in fields:
                annotation = self._python.annotation(field.type)
                default = self._python.field_default(field)
                if self._style.stub and default:
                    default = " = ..."
                self._writer.line(f"{field.name}: {annotation}{default}")

    def _derived(self, name: str, fields: tuple[Field, ...], doc: str, base: str) -> None:
        python, writer = self._python, self._writer
        self._begin(f"class {name}({base}):", doc)
        defaults, factories = [], []
        for field in fields:
            if field.default is None:
                continue
            literal = field.default.literal
            if python.is_mutable(field.type, literal):
                factories.append(f"{string(field.name)}: {python.factory(field)}")
            else:
                defaults.append(f"{string(field.name)}: {python.value(field.type, literal)}")
        with writer.indented():
            names = [string(field.name) for field in fields]
            if len(names) == 1:
                writer.line(f"__slots__ = __fields__ = ({names[0]},)")
            else:
                writer.call("__slots__ = __fields__ = (", names, ")")
            if defaults:
                writer.call("__defaults__ = {", defaults, "}")
            if factories:
                writer.call("__factories__ = {", factories, "}")
            for field in fields:
                writer.line(f"{field.name}: {python.annotation(field.type)}")

    def _begin(self, head: str, doc: str) -> None:
        self._writer.line(head)
        if doc:
            with self._writer.indented():
                self._writer.docstring(doc)
                self._writer.blank()

    def _parameter(self, field: Field) -> str:
        text = f"{field.name}: {self._python.annotation(field.type)}"
        if field.default is None:
            return text
        value = self._python.value(field.type, field.default.literal)
        return f"{text} = {'...' if self._style.stub else value}"


def _doc(declaration: Declaration, fields: tuple[Field, ...] = ()) -> str:
    """A docstring; empty if there is nothing to say but the name."""
    attributes = fields_doc("Attributes", fields)
    since = f"Since {declaration.since}." if declaration.since else ""
    title = declaration.doc
    if attributes and not title:
        title = f"The {declaration.kind} ``{declaration.name}``."
    return "\n\n".join(filter(None, [title, attributes, since]))
