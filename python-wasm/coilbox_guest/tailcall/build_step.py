"""The pass as a step of a guest build: options from YAML, opcode names from the guest's library."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from coilbox.images.guest_build import TailCalls
from coilbox.wasm.module import Module
from coilbox_guest.tailcall.naming import read_opcode_table
from coilbox_guest.tailcall.options import DEFAULTS, Dispatch, Options, Transfer, Variant
from coilbox_guest.tailcall.replicate import replicate_in_module
from coilbox_guest.tailcall.split import split_module

_OPCODES = "_opcode_metadata.py"


def opcode_table(stdlib: Path) -> dict[int, str]:
    """Opcode names from the tar archive of the guest's standard library; empty if not there."""
    with tarfile.open(stdlib) as archive:
        for member in archive:
            if Path(member.name).name == _OPCODES:
                file = archive.extractfile(member)
                if file is not None:
                    return read_opcode_table(file.read().decode())
    return {}


def make_options(settings: TailCalls, opcode_names: dict[int, str]) -> Options:
    """The options of a guest build: what it says, else what is best for its engine."""
    options = DEFAULTS[Variant(settings.variant)][settings.engine]
    return replace(
        options,
        dispatch=Dispatch(settings.dispatch or options.dispatch),
        transfer=Transfer(settings.transfer or options.transfer),
        max_params=options.max_params if settings.max_params is None else settings.max_params,
        spill=options.spill if settings.spill is None else settings.spill,
        uniform=options.uniform if settings.uniform is None else settings.uniform,
        opcode_names=opcode_names,
    )


def compile_tail_calls(
    module: Module, settings: TailCalls, opcode_names: dict[int, str]
) -> dict[str, Any]:
    """Change the linked module in place; the report for the image's manifest.

    Raises SplitRefusedError, a BuildError, where a precondition does not hold.
    """
    options = make_options(settings, opcode_names)
    apply = split_module if settings.variant == "tailcall" else replicate_in_module
    return apply(module, options).to_json()
