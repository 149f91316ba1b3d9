"""From sources and libraries to the linked module, with its passes applied."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coilbox.errors import BuildError
from coilbox.images.guest_build import PAGE, GuestBuild
from coilbox.support.cache import sha256_file
from coilbox.support.progress import Progress
from coilbox_guest.link import LinkResult, LinkSpec, SharedLibrary, link
from coilbox_guest.packages.emscripten import ADAPTERS
from coilbox_guest.packages.prepare import ExtensionModule
from coilbox_guest.passes.safepoints import add_safepoints
from coilbox_guest.passes.stack_safety import StackBudget, make_stack_safe
from coilbox_guest.tailcall.build_step import compile_tail_calls, opcode_table

GUEST_C = Path(__file__).with_name("guest") / "c"
EXPORTS = ("coilbox_info", "coilbox_boot", "coilbox_reserve", "coilbox_request")
POLL_PAGE = "coilbox_poll_page"

_INITTAB = """\
/* Generated: adds the static modules of the guest build to Python's table of built-in modules. */
#include <Python.h>

{declarations}

__attribute__((constructor)) static void add_static_modules(void) {{
{calls}
}}
"""


@dataclass(frozen=True)
class LinkedModule:
    """A module that still has to be booted.

    Attributes:
        wasm: its binary form.
        poll_page: address of its poll page.
        tail_calls: the report of the pass tail-calls; None if it was not applied.
    """

    wasm: bytes
    poll_page: int
    tail_calls: dict[str, Any] | None = None


def make_module(
    build: GuestBuild,
    parts: Mapping[str, Path],
    modules: Sequence[ExtensionModule],
    work: Path,
    progress: Progress,
) -> LinkedModule:
    """Compile, link and transform the guest.

    Args:
        build: the guest build.
        parts: unpacked parts by member name.
        modules: extension modules of packages.
        work: a folder for the linker, used by one build at a time.
        progress: shows the steps.

    Raises:
        BuildError: it does not compile, link or transform; the message says why.
    """
    work.mkdir(parents=True, exist_ok=True)
    sources = [*sorted(GUEST_C.glob("*.c")), *_static_modules(build, modules, work)]
    libraries = [*_libraries(build, parts), *(module.library for module in modules)]
    spec = LinkSpec(
        sources=tuple(sources),
        libraries=tuple(libraries),
        exports=EXPORTS,
        include=(parts["include"],),
        symbols=(POLL_PAGE,),
        stack_size=build.stack_bytes,
        memory_maximum=build.memory_maximum_bytes // PAGE,
    )
    linked = link(spec, work, progress)
    tail_calls = None
    for name in build.passes:
        with progress.task(f"Applying the pass {name}"):
            if name == "tail-calls":
                table = opcode_table(parts["python-stdlib.tar"])
                tail_calls = compile_tail_calls(linked.module, build.tail_calls, table)
            else:
                _apply(name, linked, build)
    return LinkedModule(linked.module_bytes, linked.addresses[POLL_PAGE], tail_calls)


def _apply(name: str, linked: LinkResult, build: GuestBuild) -> None:
    if name == "stack-safety":
        make_stack_safe(linked.module, StackBudget(shadow=build.stack_bytes))
    elif name == "safepoints":
        add_safepoints(linked.module, linked.addresses[POLL_PAGE])
    else:
        raise BuildError(f"this version of coilbox has no pass {name!r}")


def _libraries(build: GuestBuild, parts: Mapping[str, Path]) -> list[SharedLibrary]:
    name = "libpython3.14.so"
    found = [SharedLibrary(name, parts[name].read_bytes())]
    for library in build.shared_libraries:
        path = build.file(library.file)
        if not path.is_file():
            raise BuildError(f"shared library {library.name}: there is no file {path}")
        digest = sha256_file(path)
        if digest != library.sha256:
            raise BuildError(
                f"shared library {library.name}: {path} has SHA-256 {digest}, the guest build "
                f"says {library.sha256}"
            )
        found.append(SharedLibrary(library.name, path.read_bytes()))
    return found


def _static_modules(
    build: GuestBuild, modules: Sequence[ExtensionModule], work: Path
) -> list[Path]:
    """The C files of the static modules, and a generated one that registers all modules."""
    if not build.static_modules and not modules:
        return []
    sources = [ADAPTERS] if modules else []
    for module in build.static_modules:
        for name in module.sources:
            path = build.file(name)
            if not path.is_file():
                raise BuildError(f"static module {module.name}: there is no file {path}")
            sources.append(path)
    starts = [(m.name, f"PyInit_{m.name.rpartition('.')[2]}") for m in build.static_modules]
    starts += [(module.name, module.init) for module in modules]
    inittab = work / "inittab.c"
    inittab.write_text(
        _INITTAB.format(
            declarations="\n".join(f"PyMODINIT_FUNC {start}(void);" for _, start in starts),
            calls="\n".join(
                f"  PyImport_AppendInittab({json.dumps(name)}, {start});" for name, start in starts
            ),
        ),
        encoding="utf-8",
    )
    return [*sources, inittab]
