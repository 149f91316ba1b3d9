"""Extension modules of PyPI's WebAssembly wheels, made libraries that the linker takes.

They are built against emscripten's libc, the guest has wasi-libc. Of the functions that they
import some are the same in both, some get an adapter (``emscripten.c``), and all others are
refused: what takes a structure or a constant that the two define differently would go wrong
without a word.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from coilbox.errors import PackageError
from coilbox.wasm import Export, Module, WasmFormatError, read_dylink
from coilbox.wasm.leb import encode_u
from coilbox.wasm.types import FUNC
from coilbox_guest.link import LinkError, SharedLibrary
from coilbox_guest.link.exceptions import has_exceptions, lower_exceptions

ADAPTERS: Final = Path(__file__).with_name("emscripten.c")
"""C source of the adapters."""
_ADAPTED: Final = frozenset(
    re.findall(r"(?m)^\w.*\bADAPTER\((\w+)\)", ADAPTERS.read_text(encoding="utf-8"))
)

# Plain memory, text, numbers and descriptors: no structure, no constant that differs.
_SAME_NAMES: Final = """
    malloc free calloc realloc posix_memalign aligned_alloc
    memchr memcmp memcpy memmove memset memrchr
    strlen strnlen strcmp strncmp strcasecmp strncasecmp strchr strrchr strstr strdup strndup
    strcpy strncpy strcat strncat strspn strcspn strpbrk strtol strtoul strtoll strtoull strtod
    strtof atoi atol atof
    strerror_r __errno_location getenv getentropy getcwd read write writev sysconf abort
    acos acosf acosh asin asinf asinh atan atan2 atan2f atanf atanh cbrt ceil ceilf copysign cos
    cosf cosh erf erfc exp exp2 exp2f expf expm1 fabs floor floorf fma fmax fmin fmod fmodf frexp
    hypot ldexp lgamma llround log log10 log1p log2 log2f logf lround modf nearbyint nextafter pow
    powf remainder rint round roundf scalbn sin sinf sinh sqrt sqrtf tan tanf tanh tgamma trunc
    truncf qsort bsearch snprintf sprintf vsnprintf
    __addtf3 __subtf3 __multf3 __divtf3 __extenddftf2 __trunctfdf2
    __multi3 __lshrti3 __ashlti3 __ashrti3 __udivti3 __umodti3 __divti3 __modti3
    _Unwind_RaiseException
"""
_SAME: Final = frozenset(_SAME_NAMES.split())
_ABSENT: Final = {
    "pthread_create": "threads",
    "socket": "sockets",
    "fork": "processes",
    "dlopen": "loading of libraries at run time",
    "setjmp": "setjmp",
    "longjmp": "longjmp",
}
_PYTHON: Final = re.compile(r"_?Py[A-Z_]")


def init_name(module: str) -> str:
    """The exported name of a module's init function, which no two modules share."""
    return "coilbox_init_" + module.replace("_", "_1").replace(".", "_2")


def adapt(data: bytes, module: str, package: str) -> SharedLibrary:
    """Make an extension module of a wheel a library that the linker takes.

    Args:
        data: the module's file.
        module: its import name.
        package: name and version of its package, for errors.

    Raises:
        PackageError: it needs what the guest lacks; the message names all of that.
    """
    try:
        return SharedLibrary(f"{package}: {module}", _adapted(data, module))
    except (LinkError, WasmFormatError) as error:
        raise PackageError(f"{package}: {module} cannot be linked: {error}") from error


def _adapted(data: bytes, name: str) -> bytes:
    module = Module(data)
    dylink = read_dylink(module)
    if dylink is None:
        raise LinkError("it is not a shared library: it has no dylink.0 section")
    _refuse_lacks(module)
    size, align = dylink.memory_size, dylink.memory_align
    if has_exceptions(module):
        word = -(-size // 4) * 4
        lower_exceptions(module, word)
        size, align = word + 4, max(align, 2)
    module.imports[:] = [
        item._replace(name=f"emscripten_{item.name}")
        if item.kind == FUNC and item.module == "env" and item.name in _ADAPTED
        else item
        for item in module.imports
    ]
    start = f"PyInit_{name.rpartition('.')[2]}"
    if not any(item.name == start for item in module.exports):
        raise LinkError(f"it does not export {start}")
    # PyInit_x of two packages may have the same name; nothing but the table of modules calls it.
    module.exports[:] = [_renamed(item, start, init_name(name)) for item in module.exports]
    info = b"".join(map(encode_u, (size, align, dylink.table_size, dylink.table_align)))
    module.set_custom("dylink.0", b"\x01" + encode_u(len(info)) + info)
    return module.to_bytes()


def _renamed(item: Export, name: str, new: str) -> Export:
    return replace(item, name=new) if item.name == name else item


def _refuse_lacks(module: Module) -> None:
    """Raise LinkError with every imported function that the guest does not have alike."""
    own = {item.name for item in module.exports}
    lacks = []
    for item in module.imported(FUNC):
        name = item.name
        known = name in _SAME or name in _ADAPTED or name in own or _PYTHON.match(name)
        if item.module != "env" or not known:
            reason = _ABSENT.get(name)
            lacks.append(f"{name} ({reason})" if reason else name)
    if lacks:
        raise LinkError(f"the guest's C library lacks {', '.join(sorted(lacks))}")
