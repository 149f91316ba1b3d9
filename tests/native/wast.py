"""Runs the specification's test scripts (.wast) on the native engine.

The engine compiles whole programs, so of the scripts' modules those run whose imports are
functions, or what the scripts' own host module `spectest` provides, which is put into the module
as definitions. The others, whose point is sharing tables, memories or globals between modules,
are counted as `unlinked`, and so are modules with types of WebAssembly 3.0.
"""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coilbox.engines.native.build import LIBRARY
from coilbox.engines.native.build import MEMORY as MEMORY_FILE
from coilbox.engines.native.emit import EmitOptions, emit_program
from coilbox.engines.native.emit.ctype import LETTERS
from coilbox.engines.native.program import NativeProgram
from coilbox.engines.native.toolchain import RUNTIME, Toolchain
from coilbox.engines.protocol import HostImport
from coilbox.errors import GuestTrap
from coilbox.wasm import (
    FuncType,
    Global,
    GlobalType,
    Limits,
    MemoryType,
    Module,
    TableType,
    WasmFormatError,
)
from coilbox.wasm.types import F32, F64, FUNC, FUNCREF, GLOBAL, I32, I64, MEMORY, TABLE
from tests.tools import tool

MEMORY_LIMIT = 1 << 32
_SPECTEST_GLOBALS = {
    "global_i32": (I32, b"\x41\x9a\x05\x0b"),
    "global_i64": (I64, b"\x42\x9a\x05\x0b"),
    "global_f32": (F32, b"\x43" + struct.pack("<f", 666.6) + b"\x0b"),
    "global_f64": (F64, b"\x44" + struct.pack("<d", 666.6) + b"\x0b"),
}
_TRAP_TEXTS = {
    "integer divide by zero": "integer division by zero",
    "integer overflow": "integer overflow",
    "invalid conversion to integer": "conversion of a number out of range",
    "out of bounds memory access": "memory access out of bounds",
    "out of bounds table access": "table access out of bounds",
    "undefined element": "table access out of bounds",
    "uninitialized element": "call of an empty table entry",
    "indirect call type mismatch": "call with a wrong signature",
    "unreachable": "unreachable code was reached",
    "call stack exhausted": "the native stack was used up",
}


class UnlinkedError(Exception):
    """A module that needs another module's table, memory or global; its text names that one."""


def script(path: Path, folder: Path) -> list[dict[str, Any]]:
    """The commands of a script; its modules are written to `folder`."""
    out = folder / "script.json"
    command = [
        tool("wasm-tools"),
        "json-from-wast",
        str(path),
        "-o",
        str(out),
        "--wasm-dir",
        str(folder),
    ]
    subprocess.run(command, check=True)
    commands: list[dict[str, Any]] = json.loads(out.read_text())["commands"]
    return commands


def link_spectest(module: Module) -> Module:
    """Put what `spectest` provides into the module, except its functions."""
    rest = []
    defined: dict[int, list[Any]] = {GLOBAL: [], MEMORY: [], TABLE: []}
    for item in module.imports:
        if item.kind == FUNC:
            rest.append(item)
            continue
        if item.module != "spectest":
            raise UnlinkedError(item.module)
        if item.kind == GLOBAL:
            kind, code = _SPECTEST_GLOBALS[item.name]
            defined[GLOBAL].append(Global(GlobalType(kind, False), code))
        elif item.kind == MEMORY:
            defined[MEMORY].append(MemoryType(Limits(1, 2)))
        elif item.kind == TABLE:
            defined[TABLE].append(TableType(FUNCREF, Limits(10, 20)))
    module.imports[:] = rest
    module.globals[:0] = defined[GLOBAL]
    module.memories[:0] = defined[MEMORY]
    module.tables[:0] = defined[TABLE]
    return Module(module.to_bytes())


def host_imports(module: Module) -> list[HostImport]:
    """Stand-ins for imported functions: they do nothing and return nothing."""
    out = []
    for item in module.imported(FUNC):
        assert isinstance(item.desc, int)
        kind: FuncType = module.types[item.desc]
        if item.module != "spectest" or kind.results:
            raise UnlinkedError(item.module)
        params = "".join(LETTERS[t] for t in kind.params)
        out.append(HostImport(item.module, item.name, params, "", _nothing))
    return out


def _nothing(*args: object) -> None:
    return None


def build_unit(wasm: bytes, folder: Path, toolchain: Toolchain, options: EmitOptions) -> Path:
    """Compile a small module as one translation unit; the folder of the result, by content."""
    program = emit_program(Module(wasm), options)
    digest = hashlib.sha256(repr((program, toolchain.flags, toolchain.command)).encode())
    target = folder / digest.hexdigest()[:24]
    if not (target / LIBRARY).exists():
        target.mkdir(parents=True, exist_ok=True)
        for name, text in program.files.items():
            (target / name).write_text(text)
        names = [name for name in program.files if name.endswith(".c")]
        unit = target / "unit.c"
        unit.write_text("".join(f'#include "{name}"\n' for name in names))
        memory = program.memory + bytes(-len(program.memory) % 4096)
        (target / MEMORY_FILE).write_bytes(memory)
        command = [*toolchain.command, *toolchain.flags, f"-I{RUNTIME}", "-shared", str(unit)]
        part = target / f"{threading.get_ident()}.part"
        done = subprocess.run(
            [*command, "-o", str(part), "-lm"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[:4000]
        part.rename(target / LIBRARY)
    return target


@dataclass
class Runner:
    """One script on one toolchain.

    Attributes:
        counts: how many assertions passed, and what was not run and why.
        failures: one text for each assertion that failed.
    """

    runtime: Any
    toolchain: Toolchain
    options: EmitOptions
    folder: Path
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _instance: Any = None
    _instances: list[Any] = field(default_factory=list)
    _programs: list[NativeProgram] = field(default_factory=list)
    _named: dict[str, Any] = field(default_factory=dict)
    _registered: dict[str, str] = field(default_factory=dict)
    _changed_by: dict[int, str] = field(default_factory=dict)

    def run(self, path: Path, scripts: Path) -> None:
        """Run a script."""
        commands = script(path, scripts)
        wanted = [c for c in commands if c["type"] in ("module", "assert_uninstantiable")]
        with ThreadPoolExecutor(2) as pool:
            built = dict(pool.map(lambda c: (c["line"], self._build(scripts, c)), wanted))
        for command in commands:
            self._command(command, built)
        for instance in self._instances:
            instance.close()
        for program in self._programs:
            program.close()

    def _build(self, scripts: Path, command: dict[str, Any]) -> tuple[Module, Path] | None:
        try:
            module = link_spectest(Module((scripts / command["filename"]).read_bytes()))
            host_imports(module)
            built = build_unit(module.to_bytes(), self.folder, self.toolchain, self.options)
        except UnlinkedError as error:
            self._changed_by[command["line"]] = str(error)
            return None
        except WasmFormatError as error:
            # Typed function references (3.0), in scripts of 2.0 instructions.
            assert "unsupported" in str(error), error
            return None
        return module, built

    def _instantiate(self, found: tuple[Module, Path]) -> Any:
        module, folder = found
        program = NativeProgram(self.runtime, folder, host_imports(module))
        self._programs.append(program)
        instance = program.instantiate(memory_limit=MEMORY_LIMIT)
        self._instances.append(instance)
        return instance

    def _command(self, command: dict[str, Any], built: dict[int, Any]) -> None:
        kind, line = command["type"], command["line"]
        if kind == "module":
            found = built[line]
            self._instance = self._instantiate(found) if found else None
            self.counts["modules" if found else "unlinked modules"] += 1
            # It would have changed that module's table: what follows of it cannot be checked.
            changed = self._registered.get(self._changed_by.get(line, ""))
            self._named.update({name: None for name in self._named if name == changed})
            if command.get("name"):
                self._named[command["name"]] = self._instance
        elif kind == "assert_uninstantiable":
            found = built[line]
            if found is None:
                self.counts["unlinked"] += 1
            else:
                self._check_trap(command, lambda: self._instantiate(found))
        elif kind == "register":
            self._registered[command["as"]] = command.get("name", "")
        elif kind in ("assert_return", "action"):
            self._on_instance(command, lambda: self._check_return(command))
        elif kind in ("assert_trap", "assert_exhaustion"):
            self._on_instance(
                command, lambda: self._check_trap(command, lambda: self._invoke(command["action"]))
            )
        elif kind in (
            "assert_invalid",
            "assert_malformed",
            "assert_unlinkable",
            "module_definition",
        ):
            self.counts["not for an engine"] += 1
        else:
            self.failures.append(f"{line}: unknown command {kind}")

    def _on_instance(self, command: dict[str, Any], check: Any) -> None:
        action = command["action"]
        instance = self._named[action["module"]] if "module" in action else self._instance
        if instance is None or action["type"] != "invoke":
            self.counts["unlinked"] += 1
            return
        check()

    def _invoke(self, action: dict[str, Any]) -> list[int]:
        instance = self._named[action["module"]] if "module" in action else self._instance
        args = tuple(_bits(value) for value in action["args"])
        result: list[int] = instance.call_bits(action["field"], args)
        return result

    def _check_return(self, command: dict[str, Any]) -> None:
        try:
            found = self._invoke(command["action"])
        except GuestTrap as trap:
            self.failures.append(f"{command['line']}: {trap}")
            return
        expected = command.get("expected", [])
        if len(found) == len(expected) and all(map(_matches, found, expected)):
            self.counts["passed"] += 1
        else:
            self.failures.append(f"{command['line']}: {[hex(f) for f in found]} != {expected}")

    def _check_trap(self, command: dict[str, Any], action: Any) -> None:
        try:
            found = f"no trap, {action()}"
        except GuestTrap as trap:
            found = str(trap)
        texts = [t for known, t in _TRAP_TEXTS.items() if command["text"].startswith(known)]
        if texts and texts[0] in found:
            self.counts["passed"] += 1
        else:
            self.failures.append(f"{command['line']}: {found} instead of {command['text']!r}")


_WIDTHS = {"i32": 32, "f32": 32, "i64": 64, "f64": 64}


def _bits(value: dict[str, Any]) -> int:
    kind, text = value["type"], value["value"]
    if kind in _WIDTHS:
        return int(text) & ((1 << _WIDTHS[kind]) - 1)
    return 0 if text == "null" else int(text) + 1


def _matches(found: int, expected: dict[str, Any]) -> bool:
    kind: str
    text: str | None
    kind, text = expected["type"], expected.get("value")
    if isinstance(text, str) and text.startswith("nan:"):
        quiet = 0x7FC00000 if kind == "f32" else 0x7FF8000000000000
        mask = 0x7FFFFFFF if kind == "f32" else 0x7FFFFFFFFFFFFFFF
        if text == "nan:canonical":
            return found & mask == quiet
        return found & quiet == quiet
    if text is None:
        return (found == 0) == (kind == "refnull")
    return found & ((1 << _WIDTHS.get(kind, 64)) - 1) == _bits(expected)


def scripts_in(folder: Path) -> Iterator[Path]:
    """The scripts of the specification's folder, if it is there."""
    return iter(sorted(folder.glob("*.wast")))
