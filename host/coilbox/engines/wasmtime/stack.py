"""How much native stack guests may use, and how much a thread has."""

from __future__ import annotations

import resource
import sys

from coilbox.engines.wasmtime.library import ffi, libc

# Native stack that guest code may use, in bytes. Threads have 8 MiB on Linux; the rest is for
# host functions on top of the guest's frames. The shadow stack is sized to it (docs/why.md).
MAX_WASM_STACK = 3 << 20

# What one level of guest on a thread's stack may take: its own frames, and the host's in between.
# Two levels fit into the 8 MiB that threads have on Linux, as a host function may use a sandbox.
STACK_FOR_GUEST = MAX_WASM_STACK + (768 << 10)


def native_stack_size() -> int:
    """Size of the calling thread's native stack, in bytes.

    Wasmtime counts its limit down from where the guest is entered. If the thread's stack ends
    before that, the process would die instead of the guest trapping.
    """
    if sys.platform == "linux":
        attributes = ffi.new("pthread_attr_t *")
        start = ffi.new("void **")
        size = ffi.new("size_t *")
        library = libc()
        if library.pthread_getattr_np(library.pthread_self(), attributes) == 0:
            library.pthread_attr_getstack(attributes, start, size)
            library.pthread_attr_destroy(attributes)
            found: int = size[0]
            return found
    soft, _ = resource.getrlimit(resource.RLIMIT_STACK)
    return 8 << 20 if soft == resource.RLIM_INFINITY else soft
