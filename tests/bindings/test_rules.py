"""Every rule of the checker: its place, marked with « and » in the spec, message and suggestion."""
# ruff: noqa: E501  (a spec is easier to compare with what is said of it in one line)

from __future__ import annotations

from pathlib import Path

import pytest

from coilbox.bindings.checker import check, check_file, parse
from coilbox.errors import SpecError

HEAD = 'extension: 1\nmodule: {name: m, version: "1.2.0"}\n'

# What is written behind the head, or a whole spec if it begins with "extension"; rule; message;
# suggestion. Where one mistake leads to a single diagnostic, all of them are asserted.
# fmt: off
CASES: dict[str, tuple[str, str, str, str]] = {
    # reading
    "tab": ("functions:\n«\t»f: null\n", "yaml", "this is no YAML: found character '\\t' that cannot start any token", ""),
    "tag": ("functions: «!!python/none x»", "yaml", "the tag !!python/none means nothing here", ""),
    "alias": ("functions:\n  f: &a {doc: x}\n  g: «*»a\n", "yaml-alias", "the alias *a is not allowed", "write the value again"),
    "duplicate": ("functions:\n  f: null\n  «f»: null\n", "duplicate-key", "the key 'f' is given twice", "it stands in line 4, too"),
    "binary": ('types:\n  R: {record: {a: {type: bytes, default: «!!binary "?"»}}}\n', "yaml", "'?' cannot be read: Only base64 data is allowed", ""),
    "surrogate": ('functions:\n  f: {doc: «"\\uD800"»}\n', "yaml", "'\\ud800' cannot be read: it has half of a character (a lone surrogate)", ""),
    # shape
    "no mapping": ("extension", "wrong-value", "the file must be a mapping", "start with `extension: 1`"),
    "format": ('extension: «2»\nmodule: {name: m, version: "1.2.0"}\n', "wrong-value", "'extension' must be 1, not 2", ""),
    "no module": ("extension: 1\n", "missing-key", "the key 'module' is missing", 'add module: {name: my_module, version: "1.0.0"}'),
    "no version": ("extension: 1\n«module»: {name: m}\n", "missing-key", "the key 'version' is missing", 'add version: "1.0.0"'),
    "float version": ("extension: 1\nmodule: {name: m, version: «1.0»}\n", "wrong-value", "'version' must be a text, not a number", "put it in quotes"),
    "unknown key": ("«functons»: {}\n", "unknown-key", "unknown key 'functons'", "did you mean 'functions'?"),
    "unknown key below": ("functions:\n  f:\n    «retrns»: int\n", "unknown-key", "unknown key 'retrns'", "did you mean 'returns'?"),
    "unknown key, none near": ("functions:\n  f: {returns: {type: int, «zzz»: 1}}\n", "unknown-key", "unknown key 'zzz'", "the keys here are type, doc"),
    "wrong value": ("functions:\n  f: {raises: «X»}\n", "wrong-value", "'raises' must be a list, not a text", ""),
    "wrong param": ("functions:\n  f: {params: {a: «5»}}\n", "wrong-value", "'a' must be a mapping, not a number", ""),
    "no type": ("functions:\n  f: {params: {«a»: {doc: x}}}\n", "missing-key", "the key 'type' is missing", "add type: str"),
    "not bool": ("functions:\n  f: {async: «'yes'»}\n", "wrong-value", "'async' must be true or false, not a text", ""),
    "enum of bool": ("types:\n  E: {enum: [a, «true»]}\n", "wrong-value", "this must be a text, not true", "put it in quotes"),
    "name of number": ("functions:\n  «5»: null\n", "wrong-value", "the name 5 is read as a number", "put it in quotes"),
    "no kind": ("types:\n  «T»: {doc: x}\n", "type-kind", "'T' has no kind", "give exactly one of enum, record, variant, error, resource"),
    "two kinds": ("types:\n  «T»: {enum: [a], record: {a: int}}\n", "type-kind", "'T' is enum and record at once", "give exactly one of enum, record, variant, error, resource"),
    "base of a record": ("types:\n  T: {record: {a: int}, «base»: KeyError}\n", "unknown-key", "'base' is for errors only", ""),
    "docs of a record": ("types:\n  T: {record: {a: int}, «docs»: {a: x}}\n", "unknown-key", "'docs' is for enums and variants only", "give each field its own `doc`"),
    "docs of nobody": ("types:\n  T: {enum: [apple], docs: {«aple»: x}}\n", "unknown-key", "there is no member 'aple'", "did you mean 'apple'?"),
    "keyword field": ("types:\n  T: {record: {a: {type: int, «keyword»: true}}}\n", "unknown-key", "'keyword' is for parameters only: fields are always given by keyword", ""),
    # names
    "keyword": ("functions:\n  «class»: null\n", "name", "the function 'class' is a keyword of Python", "write class_"),
    "underscore": ("functions:\n  f: {params: {«_a»: int}}\n", "name", "the parameter '_a' begins with an underscore", "write a"),
    "no identifier": ("types:\n  «my-type»: {enum: [a]}\n", "name", "the type 'my-type' is no Python name", "write my_type"),
    "not ASCII": ("functions:\n  «größe»: null\n", "name", "the function 'größe' is no Python name", "write gr_e"),
    "self": ("functions:\n  f: {params: {«self»: int}}\n", "name", "the parameter 'self' has another meaning", "write self_"),
    "type name": ("types:\n  «str»: {enum: [a]}\n", "name", "the type 'str' has another meaning", "write str_"),
    "close": ("types:\n  R: {resource: {«close»: null}}\n", "name", "the method 'close' has another meaning", "write close_"),
    "error field": ("types:\n  E: {error: {«errno»: int}, base: OSError}\n", "name", "the field 'errno' has another meaning", "write errno_"),
    "member": ("types:\n  E: {enum: [«'1st'»]}\n", "name", "the member '1st' gives no Python name", ""),
    "module keyword": ('extension: 1\nmodule: {name: «import», version: "1.0.0"}\n', "name", "the module 'import' is a keyword of Python", "write import_"),
    "stdlib": ('extension: 1\nmodule: {name: «json», version: "1.0.0"}\n', "module-name", "the module 'json' would hide one that the guest has", "write my_json"),
    "capability": ("capabilities:\n  «Read it»: x\n", "name", "the capability 'Read it' is not lower-case names with dots", "write read_it"),
    "members collide": ("types:\n  E: {enum: [a-b, «a_b»]}\n", "collision", "the members 'a-b' and 'a_b' are both named A_B", ""),
    "member twice": ("types:\n  E: {enum: [a, «a»]}\n", "collision", "the member 'a' is given twice", ""),
    "function and type": ("types:\n  T: {enum: [a]}\nfunctions:\n  «T»: null\n", "collision", "the function 'T' and the enum 'T' (line 4) are both named 'T' in the guest", "rename one of them"),
    "case class": ("types:\n  V: {variant: {hit: null}}\n  «VHit»: {enum: [a]}\n", "collision", "the enum 'VHit' and the case 'hit' of 'V' (line 4) are both named 'VHit' in the guest", "rename one of them"),
    "twin": ("functions:\n  «f»: null\n  f_async: null\n", "collision", "the second name of the function 'f' and the function 'f_async' (line 5) are both named 'f_async' in the guest", "rename one of them"),
    "field and type": ("types:\n  T: {enum: [a]}\n  R: {record: {«T»: int}}\n", "collision", "the field 'T' has the name of a type", ""),
    "empty enum": ("types:\n  E: {«enum»: []}\n", "empty", "the enum 'E' needs at least one member", ""),
    "empty record": ("types:\n  E: {«record»: {}}\n", "empty", "the record 'E' needs at least one field", ""),
    "empty variant": ("types:\n  E: {«variant»: {}}\n", "empty", "the variant 'E' needs at least one case", ""),
    # types
    "type syntax": ("functions:\n  f: {returns: 'list«[»'}\n", "type-syntax", "'list[' is no type", "types are written as Python annotations: list[str], int | None"),
    "type expression": ("functions:\n  f: {returns: «1 + 2»}\n", "type-syntax", "1 + 2 is no type", "types are written as Python annotations: list[str], int | None"),
    "empty type": ("functions:\n  f: {returns: «''»}\n", "type-syntax", "the type is empty", ""),
    "quoted type": ('types: {R: {record: {a: int}}}\nfunctions:\n  f: {returns: \'list[«"R"»]\'}\n', "type-syntax", "a type is written without quotes", "write R"),
    "unknown type": ("types: {Entry: {record: {a: int}}}\nfunctions:\n  f:\n    returns: list[«Entri»]\n", "unknown-type", "unknown type 'Entri'", "did you mean 'Entry'?"),
    "type elsewhere": ("functions:\n  f:\n    returns: dict[str, «string»]\n", "unknown-type", "unknown type 'string'", "did you mean 'str'?"),
    "type of nobody": ("functions:\n  f:\n    returns: «Zebra»\n", "unknown-type", "unknown type 'Zebra'", "declare it under `types`; there is none"),
    "dotted type": ("functions:\n  f:\n    returns: «datetime.date»\n", "unknown-type", "types have no dots", "write date"),
    "Any": ("functions:\n  f:\n    returns: «Any»\n", "unknown-type", "Any says nothing about what may cross", "declare a variant with the types that may"),
    "Optional": ("functions:\n  f:\n    returns: «Optional[int]»\n", "unknown-type", "Optional is not known", "write int | None"),
    "Literal": ("functions:\n  f:\n    returns: «Literal[1]»\n", "unknown-type", "unknown type 'Literal'", "declare an enum"),
    "bare list": ("functions:\n  f:\n    returns: «list»\n", "type-arguments", "list does not say of what", "write list[str]"),
    "str[int]": ("functions:\n  f:\n    returns: «str[int]»\n", "type-arguments", "str takes nothing in brackets", ""),
    "dict[str]": ("functions:\n  f:\n    returns: «dict[str]»\n", "type-arguments", "dict takes a key and a value", "write dict[str, int]"),
    "tuple of any length": ("functions:\n  f:\n    returns: tuple[int, «...»]\n", "type-arguments", "a tuple has a fixed number of items", "write list[int]"),
    "bare Callable": ("functions:\n  f:\n    params:\n      a: «Callable[int]»\n", "type-arguments", "Callable takes its parameters and its result", "write Callable[[int, str], bool]"),
    "None inside": ("functions:\n  f:\n    returns: list[«None»]\n", "none-type", "None stands for nothing: only a result can be None", ""),
    "union": ("functions:\n  f:\n    returns: list[«int | str»]\n", "union", "the union int | str cannot cross: only T | None can", "declare a variant under `types`"),
    "None twice": ("functions:\n  f:\n    returns: «None | int | None»\n", "union", "None is given twice", "write int | None"),
    "map key": ("functions:\n  f:\n    returns: dict[«float», int]\n", "map-key", "float cannot be the key of a dict", "keys are str, integers or enums"),
    "set item": ("types: {R: {record: {a: int}}}\nfunctions:\n  f:\n    returns: set[«R»]\n", "set-item", "R cannot be the item of a set", "write list[R]"),
    "stream inside": ("functions:\n  f:\n    returns: list[«stream[int]»]\n", "stream-place", "a stream can only be a whole result or a whole parameter", "write list[int], or make it one"),
    "stream field": ("types:\n  R:\n    record:\n      a: «stream[int]»\n", "stream-place", "a stream can only be a whole result or a whole parameter", "write list[int], or make it one"),
    "resource param": ("types: {R: {resource: {}}}\nfunctions:\n  f:\n    params:\n      a: «R»\n", "resource-place", "the resource R can only be a whole result", "return it from a function"),
    "resource inside": ("types: {R: {resource: {}}}\nfunctions:\n  f:\n    returns: «R» | None\n", "resource-place", "the resource R can only be a whole result", "return it from a function"),
    "callback result": ("functions:\n  f:\n    returns: «Callable[[int], str]»\n", "callback-place", "a callback can only be a whole parameter", ""),
    "error as type": ("types: {E: {error: {}}}\nfunctions:\n  f:\n    returns: «E»\n", "error-as-type", "E is an error, not the type of a value", "list it under `raises` of the functions that raise it"),
    "recursion": ("types:\n  «Tree»: {record: {left: Tree}}\n", "recursion", "no Tree can ever be complete: it holds 'left', which holds the like again", "go through a list, a dict or None on the way"),
    "recursive variant": ("types:\n  «V»: {variant: {a: V, b: {v: V}}}\n", "recursion", "no V can ever be complete: it holds the like again in every case", "go through a list, a dict or None on the way"),
    # references
    "unknown error": ("types: {NotFound: {error: {}}}\nfunctions:\n  f: {raises: [«NotFond»]}\n", "unknown-error", "unknown error 'NotFond'", "did you mean 'NotFound'?"),
    "raises a record": ("types: {R: {record: {a: int}}}\nfunctions:\n  f: {raises: [«R»]}\n", "unknown-error", "'R' is a record, not an error", ""),
    "raises twice": ("types: {E: {error: {}}}\nfunctions:\n  f: {raises: [E, «E»]}\n", "duplicate-key", "'E' is given twice", ""),
    "unknown capability": ("capabilities: {kv.read: x}\nfunctions:\n  f: {requires: [«kv.raed»]}\n", "unknown-capability", "unknown capability 'kv.raed'", "did you mean 'kv.read'?"),
    # order
    "required last": ("functions:\n  f: {params: {a: {type: int, default: 1}, «b»: int}}\n", "parameter-order", "'b' is required, but 'a' before it has a default", "move it up, or add `keyword: true`"),
    "position last": ("functions:\n  f: {params: {a: {type: int, keyword: true}, «b»: int}}\n", "parameter-order", "'b' can be given by position, but 'a' before it cannot", "move it up, or add `keyword: true`"),
    # errors
    "no exception": ("types:\n  E: {error: {}, base: «KeyEror»}\n", "error-base", "'KeyEror' is no built-in exception", "did you mean 'KeyError'?"),
    "bad base": ("types:\n  E: {error: {}, base: «SystemExit»}\n", "error-base", "an error cannot derive from SystemExit", "write Exception, or leave it out"),
    "message field": ("types:\n  E: {error: {key: str}, message: 'no «{kye}» here'}\n", "error-message", "the message uses 'kye', which is no field", "did you mean 'key'?"),
    "message attribute": ("types:\n  E: {error: {key: str}, message: 'no «{key.x}» here'}\n", "error-message", "the message uses 'key.x', which is no field", "did you mean 'key'?"),
    "message format": ("types:\n  E: {error: {key: str}, message: 'no «{key:»d}'}\n", "error-message", "the message formats 'key' with 'd', which does not fit its type", "leave it out, or write !r"),
    "message width": ("types:\n  E: {error: {n: int}, message: '«{n:»999999999}'}\n", "error-message", "the message formats 'n' with '999999999', which does not fit its type", "leave it out, or write !r"),
    "message brace": ("types:\n  E: {error: {}, message: «'a { b'»}\n", "error-message", "the message cannot be read: expected '}' before end of string", "write {{ and }} for braces"),
    # versions
    "version": ('extension: 1\nmodule: {name: m, version: «"1.2"»}\n', "version", "'1.2' is no version: three numbers with dots", 'write "1.0.0"'),
    "since": ("functions:\n  f: {since: «1.10.0»}\n", "since", "version 1.10.0 is above the module's, 1.2.0", "raise module.version, or write the version that will bring it"),
    "since of a field": ("types:\n  R: {record: {a: {type: int, since: «'2.0.0'»}}}\n", "since", "version 2.0.0 is above the module's, 1.2.0", "raise module.version, or write the version that will bring it"),
    "deprecated since": ("functions:\n  f: {deprecated: {since: «1.3.0»}}\n", "since", "version 1.3.0 is above the module's, 1.2.0", "raise module.version, or write the version that will bring it"),
    "deprecated use": ("functions:\n  get: null\n  f: {deprecated: {since: 1.1.0, use: «gte»}}\n", "deprecated-use", "there is no function 'gte' to use instead", "did you mean 'get'?"),
    "deprecated itself": ("functions:\n  f: {deprecated: {since: 1.1.0, use: «f»}}\n", "deprecated-use", "'f' cannot replace itself", ""),
    "deprecated method": ("functions: {g: null}\ntypes:\n  R: {resource: {f: {deprecated: {since: 1.1.0, use: «g»}}}}\n", "deprecated-use", "there is no method 'g' to use instead", ""),
    # limits
    "unknown unit": ("functions:\n  f: {limits: {timeout: «2x»}}\n", "wrong-value", "'2x' has no known unit; there are ms, s, min, m and h", ""),
    "ambiguous": ("functions:\n  f: {limits: {max_bytes: «2K»}}\n", "wrong-value", "'2K' is ambiguous: write 2KiB or 2KB", ""),
    "not whole": ("functions:\n  f: {limits: {max_bytes: «1.5»}}\n", "wrong-value", "1.5 is not a size like 256MiB, or none for no limit", ""),
    "rate without time": ("functions:\n  f: {limits: {rate: «100»}}\n", "wrong-value", "100 is not a rate like 100/s or 10/min", ""),
    "bad rate": ("functions:\n  f: {limits: {rate: «fast»}}\n", "wrong-value", "'fast' is not a rate like 100/s or 10/min", ""),
    "rate of nothing": ("functions:\n  f: {limits: {rate: «0/s»}}\n", "wrong-value", "'0/s' must be above 0, like 100/s", ""),
    "zero": ("functions:\n  f: {limits: {timeout: «0s»}}\n", "wrong-value", "'timeout' must be above 0, not '0s'", ""),
    "bad count": ("functions:\n  f: {limits: {concurrency: «-1»}}\n", "wrong-value", "'concurrency' must be above 0, not -1", ""),
    "too large": ("functions:\n  f: {limits: {max_bytes: «9007199254740992»}}\n", "wrong-value", "9007199254740992 is too large; leave it out for no limit", ""),
    "burst alone": ("functions:\n  f: {limits: {burst: «3»}}\n", "limit", "burst says nothing without a rate", "add rate: 100/s"),
    # defaults
    "default type": ("functions:\n  f: {params: {a: {type: int, default: «x»}}}\n", "default", "'x' is no int", ""),
    "default bool": ("functions:\n  f: {params: {a: {type: int, default: «true»}}}\n", "default", "true is no int", ""),
    "default null": ("functions:\n  f: {params: {a: {type: int, default: «null»}}}\n", "default", "null is no int", ""),
    "default range": ("functions:\n  f: {params: {a: {type: u8, default: «300»}}}\n", "default", "300 is outside u8: 0 to 255", ""),
    "default text": ("functions:\n  f: {params: {a: {type: str, default: «5»}}}\n", "default", "5 is no str", "put it in quotes"),
    "default date": ("functions:\n  f: {params: {a: {type: date, default: «2026-02-30»}}}\n", "default", "'2026-02-30' is no date", "write 2026-01-31"),
    "default member": ("types: {E: {enum: [red, green]}}\nfunctions:\n  f: {params: {a: {type: E, default: «gren»}}}\n", "default", "'gren' is no member of E", "did you mean 'green'?"),
    "default inside": ("functions:\n  f: {params: {a: {type: 'list[int]', default: [1, «x»]}}}\n", "default", "'x' is no int", ""),
    "default record": ("types: {R: {record: {a: int}}}\nfunctions:\n  f: {params: {a: {type: R, «default»: {}}}}\n", "default", "the field 'a' of R is missing", ""),
    "default field": ("types: {R: {record: {abc: int}}}\nfunctions:\n  f: {params: {a: {type: R, default: {abd: «1»}}}}\n", "default", "R has no field 'abd'", "did you mean 'abc'?"),
    "default case": ("types: {V: {variant: {hit: int, miss: null}}}\nfunctions:\n  f: {params: {a: {type: V, default: «mis»}}}\n", "default", "'mis' is no case of V", "did you mean 'miss'?"),
    "default payload": ("types: {V: {variant: {hit: int, miss: null}}}\nfunctions:\n  f: {params: {a: {type: V, default: {hit: «x»}}}}\n", "default", "'x' is no int", ""),
    "default set": ("functions:\n  f: {params: {a: {type: 'set[int]', default: [1, «1»]}}}\n", "default", "1 is in the set twice", ""),
    "default stream": ("functions:\n  f: {params: {a: {type: 'stream[int]', «default»: []}}}\n", "default", "a stream has no default", "leave the default out"),
    "default callback": ("functions:\n  f: {params: {a: {type: 'Callable[[], None]', default: «x»}}}\n", "default", "a callback has no default", "write | None and default: null"),
    "default of an error": ("types:\n  E: {error: {a: {type: 'list[int]', «default»: []}}}\n", "default", "a field of an error can default to a simple value only, not to list[int]", "leave the default out"),
    "endless default": ("types:\n  R: {record: {r: {type: R | None, «default»: {}}}}\n", "default", "this default would hold itself without end", ""),
}
# fmt: on


@pytest.mark.parametrize("name", CASES)
def test_rule(name: str) -> None:
    marked, rule, message, help_ = CASES[name]
    text = marked if marked.startswith("extension") else HEAD + marked
    before, mark, after = text.partition("«")
    place: tuple[int, int, int | None] = (1, 1, None)
    if mark:
        inner, _, rest = after.partition("»")
        place = (before.count("\n") + 1, len(before) - before.rfind("\n"), len(inner))
        text = before + inner + rest
    found = check(text, "dir/x.yaml").diagnostics
    assert [(item.rule, item.message, item.help) for item in found] == [(rule, message, help_)]
    span = found[0].span
    assert (span.line, span.column) == place[:2]
    if place[2] is not None and rule != "yaml":
        assert span.length == place[2]
    assert str(found[0]).startswith(f"dir/x.yaml:{place[0]}:{place[1]}: {message} [{rule}]\n")


def test_every_rule_has_a_case() -> None:
    folder = Path(__file__).parents[2] / "host/coilbox/bindings"
    tested = {case[1] for case in CASES.values()}
    names = {
        "yaml",
        "yaml-alias",
        "duplicate-key",
        "unknown-key",
        "missing-key",
        "wrong-value",
        "type-kind",
        "name",
        "module-name",
        "collision",
        "empty",
        "type-syntax",
        "unknown-type",
        "type-arguments",
        "none-type",
        "union",
        "map-key",
        "set-item",
        "stream-place",
        "resource-place",
        "callback-place",
        "error-as-type",
        "recursion",
        "unknown-error",
        "unknown-capability",
        "parameter-order",
        "error-base",
        "error-message",
        "version",
        "since",
        "deprecated-use",
        "limit",
        "default",
    }
    assert names == tested
    page = (folder.parents[2] / "docs/bindings.md").read_text()
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


def test_a_diagnostic_in_full() -> None:
    text = (
        HEAD + "functions:\n  get:\n    returns: list[Entri]\ntypes: {Entry: {record: {a: int}}}\n"
    )
    with pytest.raises(SpecError) as caught:
        parse(text, "kv.yaml")
    assert str(caught.value) == (
        "kv.yaml:5:19: unknown type 'Entri' [unknown-type]\n"
        "5 |     returns: list[Entri]\n"
        "  |                   ^^^^^\n"
        "  = did you mean 'Entry'?\n"
        "\n"
        "1 error"
    )


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = (
        "extension: 1\n"
        "module: {name: json, version: 1.0}\n"
        "functons: {}\n"
        "types:\n"
        "  Entry: {record: {key: strr, n: {type: u8, default: 300}, n: int, class: int}}\n"
        "functions:\n"
        "  get: {returns: Entri, raises: [Entry], limits: {burst: 2}}\n"
    )
    found = check(text).diagnostics
    assert [(item.span.line, item.rule) for item in found] == [
        (2, "module-name"),
        (2, "wrong-value"),
        (3, "unknown-key"),
        (5, "unknown-type"),
        (5, "default"),
        (5, "duplicate-key"),
        (5, "name"),
        (7, "unknown-type"),
        (7, "unknown-error"),
        (7, "limit"),
    ]


def test_a_wrong_declaration_makes_no_further_mistakes() -> None:
    text = HEAD + "types:\n  T: {recrod: {a: int}}\nfunctions:\n  f: {returns: 'dict[T, set[T]]'}\n"
    assert [item.rule for item in check(text).diagnostics] == ["unknown-key"]


def test_scalars_are_those_of_yaml_1_2() -> None:
    spec = parse(HEAD + "types:\n  E: {enum: [no, yes, on, off, y]}\n")
    members = spec.types[0].members  # type: ignore[union-attr]
    assert [member.value for member in members] == ["no", "yes", "on", "off", "y"]
    text = (
        "functions:\n  f: {params: {a: {type: int, default: 0o17}, b: {type: int, default: 010}}}\n"
    )
    params = parse(HEAD + text).functions[0].params
    assert [param.default and param.default.literal for param in params] == [15, 10]


@pytest.mark.parametrize("text", ["", "   \n", "# only a comment\n"])
def test_an_empty_file(text: str) -> None:
    found = check(text, "x.yaml").diagnostics
    assert [item.message for item in found] == [
        "the key 'extension' is missing",
        "the key 'module' is missing",
    ]
    assert str(found[0]).startswith("x.yaml:1:1: ")


@pytest.mark.parametrize(
    "text", ["[" * 5000, "a: " * 50, "{a: " * 3000, "\0", "a: \ud800", "- x\n", "5", "a: &a [*a]"]
)
def test_hostile_files_are_refused_without_a_crash(text: str) -> None:
    assert check(text).spec is None


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read: No such file"):
        check_file(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"doc: \xe4")
    with pytest.raises(SpecError, match="is not UTF-8 text"):
        check_file(tmp_path / "latin.yaml")


def test_a_byte_order_mark_and_windows_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(
        b"\xef\xbb\xbf"
        + (HEAD + "functions:\n  f: {returns: strr}\n").replace("\n", "\r\n").encode()
    )
    (found,) = check_file(path).diagnostics
    assert (found.span.line, found.span.column, found.source) == (4, 16, "  f: {returns: strr}")
