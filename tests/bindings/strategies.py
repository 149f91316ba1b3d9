"""Random specs, as YAML text: whatever the checker takes."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from coilbox.bindings.rules.errors import BASES

# YAML has no C1 control characters; JSON writes the others as escapes.
CHARACTERS = st.characters(
    exclude_categories=["Cs"], exclude_characters=[*map(chr, range(127, 160)), "\ufeff"]
)
SCALARS = (
    *("bool", "int", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "float", "str"),
    *("bytes", "Decimal", "datetime", "date", "time", "timedelta", "UUID"),
)
# Names that are hard on generated code: built-ins, modules, soft keywords, things it uses itself.
NAMES = (
    *("list", "dict", "str", "int", "set", "tuple", "bool", "bytes", "float", "type", "match"),
    *("case", "print", "len", "super", "object", "id", "property", "value", "key", "dataclass"),
    *("field", "enum", "host", "module", "call", "json", "open", "max", "min", "annotations"),
    *("a", "b", "c", "default", "doc", "name", "version", "KeyError", "Exception", "staticmethod"),
    *("datetime", "uuid"),
)
DEFAULTS: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "int": st.integers(),
    "u8": st.integers(0, 255),
    "i64": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "str": st.text(CHARACTERS),
    "date": st.dates().map(str),
    "datetime": st.datetimes().map(lambda value: value.isoformat()),
    "time": st.times().map(str),
    "timedelta": st.integers(-(10**12), 10**12).map(lambda value: f"{value}us"),
    "Decimal": st.decimals(allow_nan=False, allow_infinity=False).map(str),
    "UUID": st.uuids().map(str),
}
docs = st.one_of(
    st.just(""),
    st.text(CHARACTERS, max_size=30),
)


def unique_names(least: int = 0, most: int = 4) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(NAMES), min_size=least, max_size=most, unique=True)


def types(declared: list[str], enums: list[str]) -> st.SearchStrategy[str]:
    keys = st.sampled_from(["str", "int", "u16", *enums])
    hashable = st.sampled_from(["str", "int", "date", "UUID", *enums])
    leaves = st.sampled_from([*SCALARS, *declared])

    def wrap(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        plain = inner.filter(lambda text: not text.endswith("| None"))
        return st.one_of(
            inner.map(lambda item: f"list[{item}]"),
            st.tuples(keys, inner).map(lambda pair: f"dict[{pair[0]}, {pair[1]}]"),
            hashable.map(lambda item: f"set[{item}]"),
            st.lists(inner, min_size=1, max_size=3).map(lambda items: f"tuple[{', '.join(items)}]"),
            plain.map(lambda item: f"{item} | None"),
        )

    return st.recursive(leaves, wrap, max_leaves=4)


@st.composite
def specs(draw: st.DrawFn) -> str:
    """A spec as JSON, which is YAML, too."""
    declared: dict[str, Any] = {}
    enums: list[str] = []
    if draw(st.booleans()):
        declared["Tone"] = {
            "enum": draw(
                st.lists(st.sampled_from(["a", "no", "b-c", "None"]), min_size=1, unique=True)
            )
        }
        enums.append("Tone")
    # Each may use those before it, and itself through a list.
    usable = list(enums)
    for name in draw(st.lists(st.sampled_from(["One", "Two", "Three"]), unique=True)):
        kind = draw(st.sampled_from(["record", "variant"]))
        inner = types([*usable], enums)
        if kind == "record":
            declared[name] = {"record": draw(fields(inner, least=1)), "doc": draw(docs)}
            declared[name]["record"]["again"] = f"list[{name}]"
        else:
            cases = draw(
                st.lists(st.sampled_from(["hit", "miss", "other"]), min_size=1, unique=True)
            )
            declared[name] = {
                "variant": {
                    case: draw(st.one_of(st.none(), inner, fields(inner, least=1)))
                    for case in cases
                }
            }
        usable.append(name)
    errors = draw(st.lists(st.sampled_from(["Oops", "Lost"]), unique=True))
    for name in errors:
        declared[name] = {
            "error": draw(
                st.dictionaries(
                    st.sampled_from(["ceiling", "place", "moment"]), types(usable, enums)
                )
            ),
            "base": draw(st.sampled_from([base for base in BASES if "OS" not in base])),
        }
    if draw(st.booleans()):
        declared["Thing"] = {
            "resource": {
                name: draw(functions(usable, enums, errors, False)) for name in draw(unique_names())
            }
        }
    names = [name for name in draw(unique_names(1)) if name not in declared]
    resource = "Thing" in declared
    return json.dumps(
        {
            "extension": 1,
            "module": {"name": "m", "version": "1.0.0", "doc": draw(docs)},
            "capabilities": {"m.use": "Use it."},
            "types": declared,
            "functions": {name: draw(functions(usable, enums, errors, resource)) for name in names},
        },
        ensure_ascii=False,
    )


@st.composite
def fields(draw: st.DrawFn, inner: st.SearchStrategy[str], least: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in draw(unique_names(least)):
        if draw(st.booleans()):
            scalar = draw(st.sampled_from(sorted(DEFAULTS)))
            found[name] = {"type": scalar, "default": draw(DEFAULTS[scalar]), "doc": draw(docs)}
        else:
            found[name] = draw(inner)
    return found


@st.composite
def functions(
    draw: st.DrawFn, usable: list[str], enums: list[str], errors: list[str], resource: bool
) -> dict[str, Any]:
    inner = types(usable, enums)
    params = draw(fields(inner))
    ordered: dict[str, Any] = {}
    for name, field in params.items():
        ordered[name] = {**(field if isinstance(field, dict) else {"type": field}), "keyword": True}
    results = [inner, inner.map(lambda item: f"stream[{item}]"), st.just("None")]
    if resource:
        results.append(st.just("Thing"))
    extra = draw(st.sampled_from([None, "stream[int]", "Callable[[int], str | None]"]))
    return {
        "doc": draw(docs),
        "params": {**({"first": extra} if extra else {}), **ordered},
        "returns": draw(st.one_of(*results)),
        "raises": errors,
        "requires": ["m.use"],
        "async": draw(st.booleans()),
    }
