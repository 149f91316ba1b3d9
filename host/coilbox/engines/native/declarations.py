"""The runtime's interface (`runtime.h`, `abi.h`) for cffi, and how its cffi module is made.

``python -m coilbox.engines.native.declarations`` writes ``_capi.py`` beside this file; a test
fails when the two differ. The generated module spares every process the parsing of these lines.
"""

from __future__ import annotations

from pathlib import Path

CDEF = """
struct cb_instance;
typedef int (*cb_import)(uint64_t *values);
struct cb_export {
  const char *name;
  uint32_t name_bytes;
  void (*call)(uint8_t *, uint64_t *);
  const char *params;
  const char *results;
};
struct cb_import_name {
  const char *module;
  const char *name;
  const char *params;
  const char *results;
};
struct cb_program {
  uint32_t abi;
  uint32_t min_pages;
  uint32_t max_pages;
  uint32_t import_count;
  uint32_t export_count;
  uint32_t state_bytes;
  const struct cb_export *exports;
  const struct cb_import_name *imports;
  void (*start)(uint8_t *, uint64_t *);
};
struct cb_image {
  const struct cb_program *program;
  int file;
  uint64_t file_bytes;
  const cb_import *imports;
  uint32_t poll_page;
  uint32_t poll_bytes;
  uint32_t eval_breaker;
  uint32_t clock_import, random_import;
  const uint8_t *pristine;
};
struct cb_setup {
  uint64_t memory_limit;
  int64_t clock_start;
  uint32_t sources;
  int code;
  uint8_t *memory;
  const uint32_t *pages;
};
struct cb_request {
  const void *data;
  uint32_t bytes;
};

const struct cb_program *coilbox_program(void);
uint64_t *coilbox_counters(uint64_t *count);

struct cb_instance *cb_new(const struct cb_image *, struct cb_setup *);
void cb_free(struct cb_instance *);
void cb_prepare(struct cb_image *);
void cb_forget(struct cb_image *);
int cb_call(struct cb_instance *, const struct cb_export *, uint64_t *values);
int cb_exchange(struct cb_instance *, const struct cb_export *, uint32_t address,
                const struct cb_request *, uint32_t count, uint64_t *values);
int cb_interrupt(struct cb_instance *);
uint64_t cb_stack_bytes(void);
uint32_t cb_regions(void);
"""


def generate(target: Path) -> None:
    """Write the cffi module to ``target``."""
    import cffi

    ffi = cffi.FFI()
    ffi.cdef(CDEF)
    ffi.set_source("coilbox.engines.native._capi", None)
    ffi.emit_python_code(str(target))


if __name__ == "__main__":
    generate(Path(__file__).with_name("_capi.py"))
