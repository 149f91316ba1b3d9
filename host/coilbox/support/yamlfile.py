"""YAML files checked against a pydantic model; what is wrong is told with file:line:column.

Imported only where such a file is read: a sandbox without a profile starts without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from coilbox.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)

# For those who write YAML, in place of pydantic's words for those who write models.
_MESSAGES = {"extra_forbidden": "there is no such key", "missing": "it is missing"}


def load_yaml(path: Path, model: type[Model]) -> Model:
    """Read a YAML file into a model.

    Raises:
        ConfigError: it cannot be read, is no YAML, or does not fit the model; the message has a
            line ``file:line:column: key: what is wrong`` for each mistake.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: {error}") from None
    return parse_yaml(text, str(path), model)


def parse_yaml(text: str, name: str, model: type[Model]) -> Model:
    """Read YAML text into a model; see :func:`load_yaml`."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise ConfigError(f"{place}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: {error}") from None
    if root is None:
        root, data = MappingNode("tag:yaml.org,2002:map", []), {}
    if not isinstance(root, MappingNode):
        raise ConfigError(f"{_place(name, root)}: the file must be a mapping, like 'key: value'")
    twice = [f"{_place(name, key)}: {key.value}: given twice" for key in _duplicates(root)]
    if twice:
        raise ConfigError("\n".join(twice))
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [
            f"{_place(name, _find(root, item['loc']))}: {_dotted(item['loc'])}"
            f"{_MESSAGES.get(item['type'], item['msg']).removeprefix('Value error, ')}"
            for item in error.errors()
        ]
        raise ConfigError("\n".join(lines)) from None


def _place(name: str, node: Node) -> str:
    mark = node.start_mark
    return f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else f"{name}:1:1"


def _dotted(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) + ": " if location else ""


def _find(root: Node, location: tuple[int | str, ...]) -> Node:
    """The node that an error is about, or the nearest that is there."""
    node = root
    for part in location:
        below = _child(node, part)
        if below is None:
            break
        node = below
    return node


def _child(node: Node, part: int | str) -> Node | None:
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        child: Node = node.value[part]
        return child
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode) and key.value == str(part):
                # A key that is not allowed is best shown at the key itself, as its value may be
                # on another line; so is the key of a wrong value.
                return value if isinstance(value, MappingNode | SequenceNode) else _at(key, value)
    return None


def _at(key: ScalarNode, value: Node) -> Node:
    return ScalarNode(value.tag, "", key.start_mark, value.end_mark)


def _duplicates(node: Node) -> Iterator[ScalarNode]:
    if isinstance(node, SequenceNode):
        for item in node.value:
            yield from _duplicates(item)
    elif isinstance(node, MappingNode):
        seen = set()
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                if key.value in seen:
                    yield key
                seen.add(key.value)
            yield from _duplicates(value)
