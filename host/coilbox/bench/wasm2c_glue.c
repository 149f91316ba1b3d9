/* Stands for wasm2c's runtime: its module's memory is the native engine's, and so are traps and
 * host calls. What follows this part is generated from the module's header. */
#include <stdlib.h>

#include "abi.h"
#include "guest.h"

#define INSTANCE(self) ((struct cb_instance *)(void *)((self) - CB_INSTANCE_BYTES))
#define GUEST(self) ((w2c_guest *)(void *)((self) - CB_STATE_BYTES))

/* wasm2c's runtime is not told whose memory or trap it is. */
static _Thread_local u8 *current;

bool wasm_rt_is_initialized(void) { return true; }

void wasm_rt_trap(wasm_rt_trap_t code) {
  (void)code;
  INSTANCE(current)->api->trap(current, CB_TRAP_UNREACHABLE);
  abort();
}

void wasm_rt_allocate_memory(wasm_rt_memory_t *memory, uint64_t pages, uint64_t max_pages,
                             bool is64, uint32_t page_size) {
  memory->data = current;
  memory->pages = pages;
  memory->max_pages = max_pages;
  memory->size = pages * page_size;
  memory->is64 = is64;
}

uint64_t wasm_rt_grow_memory(wasm_rt_memory_t *memory, uint64_t pages) {
  uint32_t before = INSTANCE(memory->data)->api->memory_grow(memory->data, (uint32_t)pages);
  if (before == UINT32_MAX) return UINT32_MAX;
  memory->pages = before + pages;
  memory->size = memory->pages * CB_PAGE;
  return before;
}

void wasm_rt_free_memory(wasm_rt_memory_t *memory) { (void)memory; }

/* Never freed: the native engine's instances end without asking the program. */
void wasm_rt_allocate_funcref_table(wasm_rt_funcref_table_t *table, uint32_t elements,
                                    uint32_t max_elements) {
  table->data = calloc(elements, sizeof *table->data);
  if (!table->data) abort();
  table->size = elements;
  table->max_size = max_elements;
}

void wasm_rt_free_funcref_table(wasm_rt_funcref_table_t *table) { free(table->data); }

static void host_call(u8 *self, uint32_t import, u64 *values) {
  if (INSTANCE(self)->api->host_call(self, import, values))
    INSTANCE(self)->api->trap(self, CB_TRAP_STOPPED);
  current = self; /* the host may have run another guest */
}

