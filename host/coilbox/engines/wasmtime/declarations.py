"""The part of Wasmtime's C API that coilbox uses, and how its cffi module is made.

Running this file as a script writes ``_capi.py`` beside it; a test
fails when the two differ. The generated module spares every process the parsing of these lines
(0.1 s). The API is that of the library in the ``wasmtime`` wheel, version 50: ``wasm.h`` and
``wasmtime.h`` of that release.
"""

from __future__ import annotations

from pathlib import Path

CDEF = """
typedef struct { size_t size; char *data; } wasm_byte_vec_t;
typedef struct { size_t size; void **data; } wasm_valtype_vec_t;
typedef struct wasm_config_t wasm_config_t;
typedef struct wasm_engine_t wasm_engine_t;
typedef struct wasm_functype_t wasm_functype_t;
typedef struct wasm_trap_t wasm_trap_t;
typedef struct wasmtime_error_t wasmtime_error_t;
typedef struct wasmtime_module_t wasmtime_module_t;
typedef struct wasmtime_store_t wasmtime_store_t;
typedef struct wasmtime_context_t wasmtime_context_t;
typedef struct wasmtime_linker_t wasmtime_linker_t;
typedef struct wasmtime_instance_pre_t wasmtime_instance_pre_t;
typedef struct wasmtime_caller_t wasmtime_caller_t;

typedef struct { uint64_t store_id; void *private1; } wasmtime_func_t;
typedef struct {
  struct { uint64_t store_id; uint32_t private1; } owner;
  uint32_t private2;
} wasmtime_memory_t;
typedef struct { uint64_t store_id; size_t private1; } wasmtime_instance_t;
typedef struct {
  uint8_t kind;
  union { wasmtime_func_t func; wasmtime_memory_t memory; uint64_t room[4]; } of;
} wasmtime_extern_t;
typedef union { uint32_t i; uint64_t I; uint8_t v128[16]; } wasmtime_val_raw_t;
typedef wasm_trap_t *(*wasmtime_func_unchecked_callback_t)(
    void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t count);

wasm_config_t *wasm_config_new(void);
void wasm_config_delete(wasm_config_t *);
void wasmtime_config_strategy_set(wasm_config_t *, uint8_t);
void wasmtime_config_cranelift_opt_level_set(wasm_config_t *, uint8_t);
void wasmtime_config_parallel_compilation_set(wasm_config_t *, _Bool);
void wasmtime_config_max_wasm_stack_set(wasm_config_t *, size_t);
void wasmtime_config_async_stack_size_set(wasm_config_t *, size_t);
void wasmtime_config_memory_reservation_set(wasm_config_t *, uint64_t);
void wasmtime_config_memory_guard_size_set(wasm_config_t *, uint64_t);
void wasmtime_config_memory_may_move_set(wasm_config_t *, _Bool);
void wasmtime_config_memory_init_cow_set(wasm_config_t *, _Bool);
void wasmtime_config_native_unwind_info_set(wasm_config_t *, _Bool);
void wasmtime_config_cranelift_flag_set(wasm_config_t *, const char *, const char *);
wasm_engine_t *wasm_engine_new_with_config(wasm_config_t *);
void wasm_engine_delete(wasm_engine_t *);

void wasmtime_error_message(const wasmtime_error_t *, wasm_byte_vec_t *);
void wasmtime_error_delete(wasmtime_error_t *);
void wasm_byte_vec_delete(wasm_byte_vec_t *);
wasm_trap_t *wasmtime_trap_new(const char *, size_t);
_Bool wasmtime_trap_code(const wasm_trap_t *, uint8_t *);
void wasm_trap_message(const wasm_trap_t *, wasm_byte_vec_t *);
void wasm_trap_delete(wasm_trap_t *);

wasmtime_error_t *wasmtime_module_new(
    wasm_engine_t *, const uint8_t *, size_t, wasmtime_module_t **);
wasmtime_error_t *wasmtime_module_deserialize_file(
    wasm_engine_t *, const char *, wasmtime_module_t **);
wasmtime_error_t *wasmtime_module_serialize(wasmtime_module_t *, wasm_byte_vec_t *);
void wasmtime_module_delete(wasmtime_module_t *);

void *wasm_valtype_new(uint8_t);
void wasm_valtype_vec_new(wasm_valtype_vec_t *, size_t, void *const *);
wasm_functype_t *wasm_functype_new(wasm_valtype_vec_t *, wasm_valtype_vec_t *);
void wasm_functype_delete(wasm_functype_t *);

wasmtime_linker_t *wasmtime_linker_new(wasm_engine_t *);
void wasmtime_linker_delete(wasmtime_linker_t *);
wasmtime_error_t *wasmtime_linker_define_func_unchecked(
    wasmtime_linker_t *, const char *, size_t, const char *, size_t, const wasm_functype_t *,
    wasmtime_func_unchecked_callback_t, void *, void (*)(void *));
wasmtime_error_t *wasmtime_linker_instantiate_pre(
    const wasmtime_linker_t *, const wasmtime_module_t *, wasmtime_instance_pre_t **);
wasmtime_error_t *wasmtime_instance_pre_instantiate(
    const wasmtime_instance_pre_t *, wasmtime_context_t *, wasmtime_instance_t *, wasm_trap_t **);
void wasmtime_instance_pre_delete(wasmtime_instance_pre_t *);
_Bool wasmtime_instance_export_get(
    wasmtime_context_t *, const wasmtime_instance_t *, const char *, size_t, wasmtime_extern_t *);

wasmtime_store_t *wasmtime_store_new(wasm_engine_t *, void *, void (*)(void *));
void wasmtime_store_limiter(
    wasmtime_store_t *, int64_t, int64_t, int64_t, int64_t, int64_t);
wasmtime_context_t *wasmtime_store_context(wasmtime_store_t *);
void wasmtime_store_delete(wasmtime_store_t *);
wasmtime_error_t *wasmtime_func_call_unchecked(
    wasmtime_context_t *, const wasmtime_func_t *, wasmtime_val_raw_t *, size_t, wasm_trap_t **);
uint8_t *wasmtime_memory_data(const wasmtime_context_t *, const wasmtime_memory_t *);
size_t wasmtime_memory_data_size(const wasmtime_context_t *, const wasmtime_memory_t *);

int mprotect(void *, size_t, int);
int ioctl(int, unsigned long, void *);
int sigaction(int, const void *, void *);
typedef struct { uint64_t start; uint64_t end; uint64_t categories; } page_region_t;
typedef struct {
  uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
  uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
} pm_scan_arg_t;
typedef struct { char room[128]; } pthread_attr_t;
uintptr_t pthread_self(void);
int pthread_getattr_np(uintptr_t, pthread_attr_t *);
int pthread_attr_getstack(const pthread_attr_t *, void **, size_t *);
int pthread_attr_destroy(pthread_attr_t *);
"""


def generate(target: Path) -> None:
    """Write the cffi module to ``target``."""
    import cffi

    ffi = cffi.FFI()
    ffi.cdef(CDEF)
    ffi.set_source("coilbox.engines.wasmtime._capi", None)
    ffi.emit_python_code(str(target))


if __name__ == "__main__":
    generate(Path(__file__).with_name("_capi.py"))
