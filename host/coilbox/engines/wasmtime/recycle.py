"""Stores used again: their memory made what it was, page by page, instead of mapped anew.

A fresh instance's memory is a private mapping of the snapshot: every page that the guest touches
costs a page fault, 200 for a small script, which took more time than the script. A store whose
guest ended in good order is kept instead. The kernel tells which of its pages are no longer the
snapshot's (``PAGEMAP_SCAN``, Linux 6.7); these are copied from a store that never ran, and stay
resident for the next guest. Nothing else of an instance can have changed: its table and globals
are constant but for the stack pointer, which every function that returns has put back.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from coilbox.engines.wasmtime.library import ffi, libc
from coilbox.engines.wasmtime.store import Store
from coilbox.support.locks import ForkSafeLock

# linux/fs.h
_PAGEMAP_SCAN = 0xC0606610
_PAGE_IS_FILE = 1 << 2
_PAGE_IS_PRESENT = 1 << 3
_PAGE_IS_SWAPPED = 1 << 4
_PAGE_IS_PFNZERO = 1 << 5

_MAX_REGIONS = 1024
# A store that changed more than this, in bytes, is not worth keeping.
_MAX_CHANGED = 4 << 20
# Stores that wait for their next guest; with the bound above, 64 MiB at most.
_MAX_IDLE = 16


class _Scanner:
    """This process's page map. A forked child's is another, so it opens its own."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        try:
            self._file = os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._file = -1

    def of_this_process(self) -> bool:
        return self._pid == os.getpid()

    def changed(self, store: Store, size: int) -> list[tuple[int, int]] | None:
        """Offsets and lengths of the pages that are not the snapshot's; None if it cannot tell."""
        if self._file < 0:
            return None
        start = int(ffi.cast("uintptr_t", store.base))
        regions = ffi.new("page_region_t[]", _MAX_REGIONS)
        request = ffi.new("pm_scan_arg_t *")
        request.size = ffi.sizeof("pm_scan_arg_t")
        request.start, request.end = start, start + size
        request.vec, request.vec_len = int(ffi.cast("uintptr_t", regions)), _MAX_REGIONS
        # Private pages with contents: neither the file's nor the shared page of zeros.
        request.category_mask = request.category_inverted = _PAGE_IS_FILE | _PAGE_IS_PFNZERO
        request.category_anyof_mask = _PAGE_IS_PRESENT | _PAGE_IS_SWAPPED
        request.return_mask = _PAGE_IS_PRESENT
        count = libc().ioctl(self._file, _PAGEMAP_SCAN, request)
        if count < 0 or request.walk_end != request.end:
            return None
        return [(region.start - start, region.end - region.start) for region in regions[0:count]]


class Recycler:
    """The idle stores of one program.

    Args:
        make: makes a new store.
    """

    def __init__(self, make: Callable[[], Store]) -> None:
        self._make = make
        self._idle: list[Store] = []
        # A forgotten sandbox may be collected, and give its store back, where this thread holds it.
        self._lock = ForkSafeLock()
        self._pristine: Store | None = None
        self._scanner: _Scanner | None = None
        self._closed = False

    def take(self) -> Store:
        """A store as if it were new.

        Raises:
            EngineError: the machine has no room for one more.
        """
        try:
            return self._idle.pop()
        except IndexError:
            return self._make()

    def give(self, store: Store) -> None:
        """Take a store back whose guest ended in good order; it is cleaned now, or deleted."""
        if len(self._idle) >= _MAX_IDLE or not self._clean(store):
            store.delete()
            return
        with self._lock:
            if not self._closed:
                self._idle.append(store)
                return
        store.delete()

    def close(self) -> None:
        """Delete the idle stores; stores that come back later are deleted at once."""
        with self._lock:
            self._closed = True
            stores, self._idle = self._idle, []
            if self._pristine is not None:
                stores.append(self._pristine)
                self._pristine = None
        for store in stores:
            store.delete()

    def _clean(self, store: Store) -> bool:
        with self._lock:
            if self._closed:
                return False
            if self._pristine is None:
                made = self._make()
                if self._pristine is None:
                    self._pristine = made
                else:
                    made.delete()
            if self._scanner is None or not self._scanner.of_this_process():
                self._scanner = _Scanner()
            pristine, scanner = self._pristine, self._scanner
        size = pristine.memory_size()
        if store.memory_size() != size:
            return False  # memory cannot shrink
        changed = scanner.changed(store, size)
        if changed is None or sum(length for _, length in changed) > _MAX_CHANGED:
            return False
        target, source = store.base, pristine.base
        for offset, length in changed:
            ffi.memmove(target + offset, source + offset, length)
        return True
