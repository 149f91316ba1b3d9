"""Whether what the documentation names is there: paths, commands, modules, classes, functions.

Each check takes what stands between backticks and gives None where it finds nothing wrong or where
the text is not its business, else what is missing.
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import re
import shlex
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import click

from coilbox.cli.group import group

from .pages import ROOT

_SOURCES = ("host", "python-wasm", "extensions", "tests", "configs", "examples", "docs")
_SUFFIXES = {".py", ".pyi", ".c", ".h", ".yaml", ".toml", ".json", ".lock", ".txt", ".S"}
_PATH = re.compile(r"[\w.@*-]+(/[\w.*-]+)*/?")
_FILE = re.compile(r"[a-z_][\w-]*\.(py|c|h|yaml|md|lock|toml)")
_DOTTED = re.compile(r"([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*)+)(\(.*\))?", re.S)
_CALL = re.compile(r"([A-Za-z_]\w*)\(.*\)", re.S)
_COMPOUND = re.compile(r"_*[a-z]\w*_\w+|_+\w+|[A-Z]\w*[a-z]\w*[A-Z]\w*|COILBOX_\w+")
_OPTION = re.compile(r"--[a-z][a-z-]*(?=[=\s,)]|$)")
_PLACEHOLDER = re.compile(r"[A-Z][A-Z_.]*|\[.*|.*\]|.*\.\.\.|\|")
_OTHERS = {
    "--with-tail-call-interp": "CPython's configure",
    "--update": "tests/cpython/run.py",
    "--draw": "coilbox_guest.tailcall",
    "--before": "coilbox_guest.tailcall",
    "--no-build-isolation": "pip",
    "--follow": "git",
}
"""Options that are not coilbox's own."""


@functools.cache
def source_files() -> list[Path]:
    """The files of the repository that hold code or settings."""
    found = [path for path in ROOT.glob("*") if path.suffix in _SUFFIXES or path.name == "Makefile"]
    for name in _SOURCES:
        found += [path for path in (ROOT / name).rglob("*") if path.suffix in _SUFFIXES]
    return [path for path in found if "__pycache__" not in path.parts and path.is_file()]


@functools.cache
def words() -> frozenset[str]:
    """Every word that occurs in those files."""
    found: set[str] = set()
    for path in source_files():
        found.add(path.stem)
        found.update(re.findall(r"\w+", _text(path)))
    return frozenset(found)


@functools.cache
def _text(path: Path) -> str:
    if ROOT / "tests/docs" in path.parents:
        return ""  # it names what must not be found
    return path.read_text(encoding="utf-8", errors="replace")


@functools.cache
def classes() -> dict[str, set[str]]:
    """What each class of the repository has, by the class's name: methods, attributes, bases'."""
    members: dict[str, set[str]] = defaultdict(set)
    bases: dict[str, set[str]] = defaultdict(set)
    for path in source_files():
        if path.suffix == ".py" and "tests" not in path.relative_to(ROOT).parts:
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.ClassDef):
                    members[node.name] |= set(_members(node))
                    bases[node.name] |= {ast.unparse(base).split(".")[-1] for base in node.bases}
    for _ in range(5):  # deeper than any chain of bases here
        for name, of in bases.items():
            for base in of:
                members[name] |= members.get(base, set())
    return members


def _members(node: ast.ClassDef) -> Iterator[str]:
    for item in ast.walk(node):
        match item:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                yield name
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                yield name


def wrong_path(text: str, page: str) -> str | None:
    """Paths from the top of the repository, or from the page's own folder; names of sources."""
    if _FILE.fullmatch(text) and "/" not in text:
        if any(path.name == text for path in source_files()) or (ROOT / text).exists():
            return None
        return None if list(ROOT.glob(f"docs/{text}")) else f"no file is called {text}"
    if not _PATH.fullmatch(text) or "/" not in text:
        return None
    first = text.split("/")[0]
    if not (first in _SOURCES or (ROOT / first).is_dir()):
        return None
    for folder in (ROOT, (ROOT / page).parent):
        if list(folder.glob(text.rstrip("/"))):
            return None
    return f"there is no {text}"


def wrong_link(target: str, page: str) -> str | None:
    """Links to files and headings of the repository."""
    if "://" in target:
        return None
    name, _, anchor = target.partition("#")
    path = (ROOT / page).parent / name if name else ROOT / page
    if not path.exists():
        return f"it links {target}, which does not exist"
    if anchor:
        headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
        if anchor not in {_anchor(heading) for heading in headings}:
            return f"it links {target}, but there is no such heading"
    return None


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def wrong_command(text: str) -> str | None:
    """Commands of coilbox with their options, modules after ``python -m``, targets of make."""
    try:
        parts = shlex.split(text, comments=True)
    except ValueError:
        return None
    while parts and re.fullmatch(r"[A-Z_]+=\S*", parts[0]):
        parts.pop(0)
    match parts:
        case ["coilbox", *rest]:
            return _wrong_words(rest)
        case ["make", target, *_] if not target.isupper():
            makefile = (ROOT / "Makefile").read_text()
            return None if re.search(rf"^{target}:", makefile, re.M) else f"make has no {target}"
        case [("python" | "python3"), "-m", module, *_] if module.startswith("coilbox"):
            return None if importlib.util.find_spec(module) else f"there is no module {module}"
        case [("python" | "python3"), script, *_] if script.endswith(".py") and "/" in script:
            return None if (ROOT / script).exists() else f"there is no {script}"
    return None


def _wrong_words(parts: list[str]) -> str | None:
    command: click.Command = group
    context = click.Context(command)
    said = "coilbox"
    while parts:
        part = parts.pop(0)
        if part.startswith("-") and part != "-":
            name, _, value = part.rstrip("],").partition("=")
            option = _option(command, name)
            if option is None:
                return f"{said} has no option {name}"
            if not (value or option.is_flag or option.count):
                parts[:1] = []
        elif part.startswith("[-"):
            parts.insert(0, part[1:])
        elif isinstance(command, click.Group):
            part = part.rstrip(",")
            if _PLACEHOLDER.fullmatch(part):
                return None
            found = command.get_command(context, part)
            if found is None:
                return f"{said} has no command {part}"
            command, said = found, f"{said} {part}"
        elif command.name == "run" and not _PLACEHOLDER.fullmatch(part):
            return None  # the rest is the script's own
    return None


def _option(command: click.Command, name: str) -> click.Option | None:
    for parameter in command.get_params(click.Context(command)):
        names = (*parameter.opts, *parameter.secondary_opts)
        if isinstance(parameter, click.Option) and name in names:
            return parameter
    return None


@functools.cache
def all_options() -> frozenset[str]:
    """The options of all commands of coilbox, and of the tests."""
    found = set(re.findall(r'addoption\(\s*"(--[\w-]+)"', (ROOT / "conftest.py").read_text()))
    waiting: list[click.Command] = [group]
    while waiting:
        command = waiting.pop()
        context = click.Context(command)
        for parameter in command.get_params(context):
            found.update(parameter.opts)
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                part = command.get_command(context, name)
                assert part is not None
                waiting.append(part)
    return frozenset(found)


def wrong_option(text: str) -> str | None:
    """Options that stand by themselves: ``--mount``."""
    if not text.startswith("--"):
        return None
    for option in _OPTION.findall(text):
        if option not in all_options() and option not in _OTHERS:
            return f"no command has the option {option}"
    return None


def wrong_name(text: str) -> str | None:
    """Modules, classes, functions, attributes and identifiers."""
    dotted = _DOTTED.fullmatch(text)
    if dotted is not None and not _FILE.fullmatch(text):
        return _wrong_dotted(dotted[1], dotted[2][1:].split("."))
    call = _CALL.fullmatch(text)
    name = call[1] if call is not None else text
    if call is None and not _COMPOUND.fullmatch(name):
        return None
    if name in words() or hasattr(builtins, name) or name in sys.stdlib_module_names:
        return None
    if name.startswith(("_Py", "Py")) or "NAME" in name:
        return None  # a function of CPython's, or a pattern
    return f"nothing is called {name}"


def _wrong_dotted(first: str, rest: list[str]) -> str | None:
    text = ".".join([first, *rest])
    if first in classes():
        if rest[0] in classes()[first] or rest[0].startswith("__"):
            return None
        return f"{first} has no {rest[0]}"
    if first in ("coilbox", "coilbox_guest") or first in sys.stdlib_module_names:
        if "NAME" in rest or _resolves(first, rest) or _is_quoted(text):
            return None
        return f"{text} cannot be imported"
    return None  # a variable of an example: its words are nobody's


def _is_quoted(text: str) -> bool:
    """Whether it is the name of a capability, a logger or the like."""
    quoted = re.compile(rf"""["'\[ ]{re.escape(text)}["'\]:]""")
    places = ("host", "extensions", "configs")
    return any(
        quoted.search(_text(path))
        for path in source_files()
        if path.relative_to(ROOT).parts[0] in places
    )


def _resolves(first: str, rest: list[str]) -> bool:
    name, found = first, importlib.import_module(first)
    for part in rest:
        name += f".{part}"
        if not hasattr(found, part):
            try:
                importlib.import_module(name)
            except ImportError:
                return False
        found = getattr(found, part)
    return True
