"""YAML files checked against a pydantic model; each mistake is shown at its place.

Imported only where such a file is read: a sandbox without a profile starts without it.
"""

from __future__ import annotations

import os
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from coilbox.errors import ConfigError
from coilbox.support.diagnostics import near, render
from coilbox.support.yaml_reader import Document, read, read_file

Model = TypeVar("Model", bound=BaseModel)

_NOUNS = {
    "string_type": "a text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
# What a value must be, with what pydantic knows of the bound.
_BOUNDS = {
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "literal_error": "{expected}",
    "string_pattern_mismatch": "a text that matches {pattern}",
    "string_too_short": "a text that is not empty",
    "finite_number": "a finite number",
}


def load_yaml(path: str | os.PathLike[str], model: type[Model], context: object = None) -> Model:
    """Read a YAML file into a model.

    Args:
        path: the file.
        model: what it must fit.
        context: for the model's validators.

    Raises:
        ConfigError: it cannot be read, is no YAML, or does not fit the model; the message shows
            each mistake with file, line and column.
    """
    return _fit(read_file(path), model, context)


def parse_yaml(text: str, name: str, model: type[Model]) -> Model:
    """Read YAML text into a model; see :func:`load_yaml`.

    Args:
        text: the text.
        name: what messages call the file.
        model: what it must fit.
    """
    return _fit(read(text, name), model)


def _fit(document: Document, model: type[Model], context: object = None) -> Model:
    if document.data is not None and not isinstance(document.data, dict):
        document.report(
            document.span(()), "wrong-value", "the file must be a mapping", "write `key: value`"
        )
    if not document.diagnostics:
        try:
            return model.model_validate(document.data, context=context)
        except ValidationError as error:
            for item in error.errors():
                report_mistake(document, model, item)
    raise ConfigError(render(sorted(set(document.diagnostics))))


def report_mistake(
    document: Document,
    model: type[BaseModel],
    error: ErrorDetails,
    examples: Mapping[str, str] | None = None,
) -> None:
    """Report what pydantic found, in words for those who write YAML.

    Args:
        document: where the mistake is.
        model: what the document must fit.
        error: the mistake.
        examples: what to add for a key that is missing, by the key.
    """
    location = error["loc"]
    path = document.nearest(location)
    last = str(location[-1]) if location else ""
    match error["type"]:
        case "extra_forbidden":
            known = _keys(model, location[:-1])
            help_ = near(last, known) or f"the keys here are {', '.join(known)}"
            document.report(document.key_span(path), "unknown-key", f"unknown key {last!r}", help_)
        case "missing":
            help_ = f"add {examples[last]}" if examples and last in examples else ""
            document.report(
                document.key_span(path), "missing-key", f"the key {last!r} is missing", help_
            )
        case kind:
            span = document.key_span(path) if last == "[key]" else document.span(path)
            name = repr(path[-1]) if path and isinstance(path[-1], str) else "this"
            document.report(span, "wrong-value", *_wrong(kind, error, name))


def _wrong(kind: str, error: ErrorDetails, name: str) -> tuple[str, str]:
    """The message and the suggestion for a value that does not fit."""
    context = error.get("ctx", {})
    found = error["input"]
    if kind == "value_error":
        return str(context["error"]), ""
    if error["loc"][-1:] == ("[key]",) and kind == "string_type":
        return f"the name {found!r} is read as {_noun(found)}", "put it in quotes"
    if kind in _BOUNDS:
        return f"{name} must be {_BOUNDS[kind].format(**context)}, not {_shown(found)}", ""
    if kind == "too_short":
        return f"{name} must not be empty", ""
    wanted = _NOUNS.get(kind)
    if wanted is None:
        return f"{name}: {error['msg']}", ""
    quote = wanted == "a text" and isinstance(found, bool | int | float)
    shown = found if kind == "int_from_float" else _noun(found)
    return f"{name} must be {wanted}, not {shown}", "put it in quotes" if quote else ""


def _noun(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "a mapping"
    return f"a {type(value).__name__}"


def _shown(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return _noun(value)
    if isinstance(value, int) and value.bit_length() > 128:  # str() refuses thousands of digits
        return "so large a number"
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys that a mapping can have.

    Args:
        model: of the whole document.
        location: the place of the mapping in it.
    """
    for part in location:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if str(part) in fields:  # else it is a name or a position within the field
            model = _model_within(fields[str(part)].annotation) or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_within(annotation: Any) -> type[BaseModel] | None:
    """The first model in an annotation such as ``dict[str, Model] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_within(part) for part in typing.get_args(annotation))
    return next((model for model in found if model is not None), None)
