"""The one reader of YAML files: the scalars of YAML 1.2, the place of everything, and bounds.

PyYAML's own constructors follow YAML 1.1: ``no`` is False there, ``12:30:00`` is 45000, and of two
equal keys the last one wins. Its composer follows aliases, however much they stand for, and
recurses as deep as a file nests. Here a file has at most 1 MiB, 50,000 values and 64 levels, and
no aliases, so that reading it takes seconds at the worst.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml
from yaml.error import Mark
from yaml.events import AliasEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from coilbox.errors import ConfigError
from coilbox.support.diagnostics import Diagnostic, Span

Path = tuple[Any, ...]
"""Keys and positions from the root of a document to a value."""

MAX_BYTES = 1 << 20
MAX_VALUES = 50_000
MAX_DEPTH = 64
_TAG = "tag:yaml.org,2002:"

REMOVED = "\0"
"""Stands for a text of a list that was wrong, so that nothing more is said about it."""
_BAD = object()


class _RefusedError(Exception):
    """A file goes beyond a bound or uses an alias."""

    def __init__(self, mark: Mark, rule: str, message: str, help_: str = "") -> None:
        super().__init__(message)
        self.span = _place(mark)
        self.rule = rule
        self.message = message
        self.help = help_


class _Loader(yaml.SafeLoader):
    """Composes nodes with YAML 1.2's core schema, and refuses what goes beyond the bounds.

    It refuses while it reads, so nothing that is refused takes memory or time.
    """

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._values = 0
        self._depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        """The next value; see PyYAML's composer."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, AliasEvent):
            raise _RefusedError(
                event.start_mark,
                "yaml-alias",
                f"the alias *{event.anchor} is not allowed",
                "write the value again",
            )
        self._values += 1
        if self._values > MAX_VALUES:
            raise _RefusedError(event.start_mark, "yaml", f"there are over {MAX_VALUES} values")
        if self._depth > MAX_DEPTH:
            raise _RefusedError(event.start_mark, "yaml", "values are nested too deeply")
        self._depth += 1
        node: Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _resolve(name: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(  # type: ignore[no-untyped-call]
        _TAG + name, re.compile(pattern), list(first)
    )


_resolve("null", r"^(?:~|null|Null|NULL|)$", "~nN\0")
_Loader.yaml_implicit_resolvers.setdefault("", []).append((_TAG + "null", re.compile("^$")))
_resolve("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF")
_resolve("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", "-+0123456789")
_resolve(
    "float",
    r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
    "-+0123456789.",
)


@dataclass
class Document:
    """A YAML file.

    Attributes:
        name: its name in messages.
        text: its text.
        data: its values; None if it could not be read.
        diagnostics: what is wrong with it.
    """

    name: str
    text: str
    data: Any = None
    diagnostics: list[Diagnostic] = field(default_factory=list)
    _values: dict[Path, Node] = field(default_factory=dict)
    _keys: dict[Path, ScalarNode] = field(default_factory=dict)
    _below: dict[Path, list[Path]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lines = self.text.split("\n")

    def report(self, span: Span, rule: str, message: str, help_: str = "") -> None:
        """Add a diagnostic."""
        source = self.lines[span.line - 1] if span.line <= len(self.lines) else ""
        self.diagnostics.append(
            Diagnostic(span, rule, message, help_, self.name, source.rstrip("\r"))
        )

    def span(self, path: Path) -> Span:
        """The place of a value, or of the nearest thing above it; that of its key if it is long."""
        path = self.nearest(path)
        node = self._values.get(path)
        if node is None:
            return Span(1, 1)
        if path in self._keys and not isinstance(node, ScalarNode):
            return _span(self._keys[path])
        span = _span(node)
        # A value that is left out has no length: show the key.
        return _span(self._keys[path]) if path in self._keys and not span.length else span

    def key_span(self, path: Path) -> Span:
        """The place of a key."""
        path = self.nearest(path)
        return _span(self._keys[path]) if path in self._keys else self.span(path)

    def text_span(self, path: Path, offset: int, length: int) -> Span:
        """The place of a part of a text: where it is written, if it is written as it is."""
        node = self._values.get(path)
        if not isinstance(node, ScalarNode):
            return self.span(path)
        start = _span(node)
        quoted = 1 if node.style in ("'", '"') else 0
        line = self.lines[start.line - 1]
        written = line[start.column - 1 + quoted :]
        if not node.value or node.style in ("|", ">") or not written.startswith(node.value):
            return start
        return Span(start.line, start.column + quoted + offset, max(length, 1))

    def children(self, path: Path) -> list[Path]:
        """The paths of what a mapping holds, as it is written."""
        return [below for below in self._below.get(path, ()) if below in self._keys]

    def texts(self, path: Path) -> list[tuple[Path, str]]:
        """The texts of a list, with their places; none if it is no list."""
        found = ((below, self._values[below]) for below in self._below.get(path, ()))
        return [
            (below, node.value)
            for below, node in found
            if isinstance(node, ScalarNode) and node.tag == _TAG + "str"
        ]

    def nearest(self, path: Path) -> Path:
        """The path without those parts that the document does not have."""
        found: Path = ()
        for part in path:
            if (*found, part) in self._values:
                found = (*found, part)
        return found


def read_file(path: str | os.PathLike[str]) -> Document:
    """Read a YAML file of UTF-8 text; see :func:`read`.

    Raises:
        ConfigError: it cannot be opened, is larger than 1 MiB, or is not UTF-8.
    """
    name = os.fspath(path)
    try:
        with FilePath(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ConfigError(f"{name} is larger than 1 MiB, too large for a YAML file")
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name} is not UTF-8 text: {error}") from None
    except ValueError:  # a NUL, or half of a character
        raise ConfigError(f"{name!r} cannot be the name of a file") from None
    return read(text, name)


def read(text: str, name: str) -> Document:
    """Read YAML text.

    Args:
        text: the text; if it is empty, the data are an empty mapping.
        name: what messages call the file.

    Returns:
        The document; ``data`` is None if ``diagnostics`` say that it could not be read.
    """
    document = Document(name, text)
    if len(text) > MAX_BYTES:
        document.report(Span(1, 1), "yaml", "the text is larger than 1 MiB")
        return document
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
        except (ValueError, OverflowError):  # an escape or a number that PyYAML cannot take
            mark = loader.get_mark()  # type: ignore[no-untyped-call]
            raise _RefusedError(mark, "yaml", "this is no YAML: a number is too large") from None
    except _RefusedError as refused:
        document.report(refused.span, refused.rule, refused.message, refused.help)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        span = _place(mark) if mark else Span(1, 1)
        document.report(span, "yaml", f"this is no YAML: {error.problem}")
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        document.report(
            Span(line, column), "yaml", f"the character {error.character!r} is not allowed"
        )
    else:
        data = {} if root is None else _Reader(document).value(root, ())
        document.data = None if data is _BAD else data
    return document


def reads_as_text(text: str) -> bool:
    """Whether a plain scalar would be read as a text."""
    tags = _Loader.yaml_implicit_resolvers.get(text[:1], [])
    return not any(pattern.match(text) for _, pattern in tags)


class _Reader:
    def __init__(self, document: Document) -> None:
        self._document = document

    def value(self, node: Node, path: Path) -> Any:
        self._document._values[path] = node
        if path:
            self._document._below.setdefault(path[:-1], []).append(path)
        if isinstance(node, MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, path)
        if isinstance(node, SequenceNode) and node.tag == _TAG + "seq":
            items = (
                self.value(item, (*path, position)) for position, item in enumerate(node.value)
            )
            return [REMOVED if item is _BAD else item for item in items]
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        return self._unknown_tag(node)

    def _mapping(self, node: MappingNode, path: Path) -> dict[Any, Any]:
        data: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self._document.report(_span(key_node), "yaml", "a key must be a name")
                continue
            key = self._scalar(key_node)
            if key is _BAD:
                continue
            if key in data:
                first = _span(self._document._keys[(*path, key)]).line
                self._document.report(
                    _span(key_node),
                    "duplicate-key",
                    f"the key {key_node.value!r} is given twice",
                    f"it stands in line {first}, too",
                )
                continue
            data[key] = None
            self._document._keys[(*path, key)] = key_node
            data[key] = self.value(value_node, (*path, key))
        return {key: item for key, item in data.items() if item is not _BAD}

    def _scalar(self, node: ScalarNode) -> Any:
        construct = _SCALARS.get(node.tag.removeprefix(_TAG))
        if construct is None:
            return self._unknown_tag(node)
        try:
            return construct(node.value)
        except ValueError as error:
            self._document.report(_span(node), "yaml", f"{node.value!r} cannot be read: {error}")
            return _BAD

    def _unknown_tag(self, node: Node) -> object:
        tag = node.tag.replace(_TAG, "!!")
        self._document.report(_span(node), "yaml", f"the tag {tag} means nothing here")
        return _BAD


def _text(text: str) -> str:
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("it has half of a character (a lone surrogate)")
    return text


def _int(text: str) -> int:
    if len(text) > 4000:
        raise ValueError("too many digits")
    return int(text, 0) if text[:2] in ("0x", "0o") else int(text)


def _float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _binary(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


_SCALARS: dict[str, Callable[[str], Any]] = {
    "null": lambda text: None,
    "bool": lambda text: text.lower() == "true",
    "int": _int,
    "float": _float,
    "str": _text,
    "binary": _binary,
}


def _place(mark: Mark) -> Span:
    return Span(mark.line + 1, mark.column + 1)


def _span(node: Node) -> Span:
    start, end = node.start_mark, node.end_mark
    length = end.column - start.column if end.line == start.line else 1
    return Span(start.line + 1, start.column + 1, length)
