"""The shape of a spec as it is written, for checking and for the JSON Schema.

Only shapes are here: which keys there are, and whether their values are texts, lists or mappings.
What they mean is checked by ``coilbox.bindings.rules``. Imported only where a YAML file is read.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic_core import CoreSchema

from coilbox.support.fields import Rate, Seconds, SizeOrNone

_TYPE_EXAMPLES = ["str", "list[u8]", "dict[str, int]", "datetime | None", "stream[bytes]"]
_VERSION = r"^\d+\.\d+\.\d+$"

TypeText = Annotated[str, Field(examples=_TYPE_EXAMPLES)]
Version = Annotated[str, Field(json_schema_extra={"pattern": _VERSION})]


def _exact(value: float) -> float:
    if (1 << 53) <= value < math.inf:  # what some readers of JSON do not keep exactly
        raise ValueError(f"{value} is too large; leave it out for no limit")
    return value


_Exact = AfterValidator(_exact)
ExactCount = Annotated[int, Field(gt=0), _Exact]
ExactSize = Annotated[SizeOrNone, _Exact]
ExactSeconds = Annotated[Seconds, _Exact]


class Shape(BaseModel):
    """A mapping with known keys only."""

    model_config = ConfigDict(extra="forbid", strict=True)


class _Short(Shape):
    """A mapping for which something shorter may stand."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core_schema))
        long = {key: value for key, value in schema.items() if key not in ("title", "description")}
        texts = {key: schema[key] for key in ("title", "description") if key in schema}
        return {**texts, "anyOf": [*cls._short_forms(), long]}

    @classmethod
    def _short_forms(cls) -> list[dict[str, Any]]:
        return [{"type": "null"}]


def _empty(value: object) -> object:
    return {} if value is None else value


class FieldShape(_Short):
    """A parameter or field: its type, or a mapping that says more."""

    type: TypeText = Field(description="The type, as a Python annotation.")
    doc: str = Field(default="", description="What it is for.")
    default: Any = Field(default=None, description="What is taken if it is left out.")
    keyword: bool = Field(
        default=False, description="Whether it can be given by keyword only; for parameters."
    )
    since: Version | None = Field(
        default=None, description="The version of the module that brought it."
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return {"type": value} if isinstance(value, str) else value

    @classmethod
    def _short_forms(cls) -> list[dict[str, Any]]:
        return [{"type": "string", "examples": _TYPE_EXAMPLES}]


class ReturnsShape(_Short):
    """A result: its type, null for nothing, or a mapping that says more."""

    type: TypeText = Field(description="The type, as a Python annotation.")
    doc: str = Field(default="", description="What the result is.")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        if value is None:
            return {"type": "None"}
        return {"type": value} if isinstance(value, str) else value

    @classmethod
    def _short_forms(cls) -> list[dict[str, Any]]:
        return [{"type": "string", "examples": _TYPE_EXAMPLES}, {"type": "null"}]


class LimitsShape(Shape):
    """Limits of a function, for each sandbox."""

    rate: Rate | None = Field(default=None, description="Calls in a time, such as 100/s or 10/min.")
    burst: ExactCount | None = Field(
        default=None, description="Calls at once before the rate counts."
    )
    concurrency: ExactCount | None = Field(default=None, description="Calls at the same time.")
    timeout: ExactSeconds | None = Field(
        default=None, description="How long a call may take, such as 2s; a number is in seconds."
    )
    max_bytes: ExactSize | None = Field(
        default=None,
        description="Size of a call's arguments, and of its result, such as 1MiB; a number is in "
        "bytes.",
    )
    max_bytes_in: ExactSize | None = Field(
        default=None, description="Size of a call's arguments; a number is in bytes."
    )
    max_bytes_out: ExactSize | None = Field(
        default=None, description="Size of a call's result; a number is in bytes."
    )
    calls: ExactCount | None = Field(default=None, description="Calls in a sandbox's whole life.")


class DeprecatedShape(Shape):
    """Since when a function should not be used, and what replaces it."""

    since: Version = Field(description="The version that deprecated it.")
    use: str | None = Field(default=None, description="The function to use instead.")


class FunctionShape(_Short):
    """A function of the module, or a method of a resource; null if it has nothing to say."""

    doc: str = Field(default="", description="What it does; the guest's docstring.")
    params: Annotated[dict[str, FieldShape], BeforeValidator(_empty)] = Field(
        default={}, description="Parameters by name, in order."
    )
    returns: ReturnsShape = Field(
        default=ReturnsShape(type="None"), description="The result's type; nothing if left out."
    )
    raises: list[str] = Field(default=[], description="The declared errors it may raise.")
    requires: list[str] = Field(default=[], description="The capabilities that it needs.")
    limits: LimitsShape = Field(default=LimitsShape(), description="Its limits, for each sandbox.")
    async_: bool = Field(
        default=False,
        alias="async",
        description="Whether its plain name is a coroutine function in the guest.",
    )
    since: Version | None = Field(
        default=None, description="The version of the module that brought it."
    )
    deprecated: DeprecatedShape | None = Field(
        default=None, description="If it should not be used any more."
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return _empty(value)


class CaseShape(_Short):
    """A case of a variant: null, a type, or fields by name."""

    type: TypeText | None = None
    fields: dict[str, FieldShape] = {}

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        if value is None:
            return {}
        if isinstance(value, str):
            return {"type": value}
        return {"fields": value} if isinstance(value, dict) else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core_schema))
        fields = schema["properties"]["fields"]["additionalProperties"]
        return {
            "title": schema["title"],
            "description": schema["description"],
            "anyOf": [
                {"type": "null"},
                {"type": "string", "examples": _TYPE_EXAMPLES},
                {"type": "object", "additionalProperties": fields, "minProperties": 1},
            ],
        }


Fields = Annotated[dict[str, FieldShape], BeforeValidator(_empty)]
KINDS = ("enum", "record", "variant", "error", "resource")
"""The keys of a declaration of which exactly one must be given."""


class TypeShape(Shape):
    """A declared type: exactly one of enum, record, variant, error and resource."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"oneOf": [{"required": [kind]} for kind in KINDS]},
    )

    enum: list[str] | None = Field(default=None, description="The texts to choose from.")
    record: Fields | None = Field(default=None, description="Fields by name.")
    variant: dict[str, CaseShape] | None = Field(
        default=None, description="Cases by name: null, a type, or fields by name."
    )
    error: Fields | None = Field(
        default=None, description="An exception with these fields; null if it has none."
    )
    resource: Annotated[dict[str, FunctionShape], BeforeValidator(_empty)] | None = Field(
        default=None, description="An object on the host, with these methods."
    )
    base: str = Field(
        default="Exception", description="The built-in exception that an error derives from, too."
    )
    message: str = Field(
        default="", description="An error's message, with its fields in braces: no key {key!r}."
    )
    doc: str = Field(default="", description="What it is for.")
    docs: dict[str, str] = Field(
        default={}, description="What the members of an enum or the cases of a variant mean."
    )
    since: Version | None = Field(
        default=None, description="The version of the module that brought it."
    )


class ModuleShape(Shape):
    """The module that the guest imports."""

    name: str = Field(description="Its name.")
    version: Version = Field(description="Its version: three numbers, such as 1.2.0.")
    doc: str = Field(default="", description="What it is for; the module's docstring.")


class SpecShape(Shape):
    """An extension of coilbox: host functions with types."""

    extension: Literal[1] = Field(description="The version of this format.")
    module: ModuleShape = Field(description="The module that the guest imports.")
    capabilities: dict[str, str] = Field(
        default={}, description="What can be granted to a sandbox, and what it allows."
    )
    types: dict[str, TypeShape] = Field(default={}, description="Declared types by name.")
    functions: dict[str, FunctionShape] = Field(
        default={}, description="The functions of the module by name."
    )
