#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "region.h"
#include "runtime.h"
#include "signals.h"
#include "sources.h"

int cb_enter(struct cb_instance *, void (*)(uint8_t *, uint64_t *), uint64_t *);
void cb_leave(struct cb_instance *, int code);
int cb_on_host(struct cb_instance *, cb_import, uint64_t *);

static struct cb_instance *instance_of(uint8_t *self) {
  return (struct cb_instance *)(void *)(self - CB_INSTANCE_BYTES);
}

/* ---- what compiled code calls ---- */

static void trap(uint8_t *self, int code) { cb_leave(instance_of(self), code); }

static int host_call(uint8_t *self, uint32_t import, uint64_t *values) {
  struct cb_instance *instance = instance_of(self);
  if (sources_answer(guest_of(instance), import, values)) return 0;
  return cb_on_host(instance, instance->imports[import], values);
}

static uint32_t memory_grow(uint8_t *self, uint32_t pages) {
  struct cb_instance *instance = instance_of(self);
  uint32_t before = instance->pages;
  if (pages > instance->max_pages || before > instance->max_pages - pages) return UINT32_MAX;
  struct region *region = guest_of(instance)->region;
  uint64_t want = (uint64_t)(before + pages) * CB_PAGE;
  if (want > region->mapped) {
    if (mprotect(self + region->mapped, want - region->mapped, PROT_READ | PROT_WRITE))
      return UINT32_MAX;
    region->mapped = want;
  }
  instance->pages = before + pages;
  return before;
}

static int table_create(uint8_t *self, uint32_t index, uint32_t size, uint32_t maximum) {
  struct cb_table *table = &instance_of(self)->tables[index];
  table->entries = calloc(size ? size : 1, sizeof *table->entries);
  if (!table->entries) return -1;
  table->size = size;
  table->maximum = maximum;
  return 0;
}

static uint32_t table_grow(uint8_t *self, uint32_t index, const void *value, uint32_t count) {
  struct cb_table *table = &instance_of(self)->tables[index];
  uint32_t before = table->size;
  if (count > table->maximum || before > table->maximum - count) return UINT32_MAX;
  const void **entries = realloc(table->entries, ((size_t)before + count + 1) * sizeof *entries);
  if (!entries) return UINT32_MAX;
  for (uint32_t i = 0; i < count; i++) entries[before + i] = value;
  table->entries = entries;
  table->size = before + count;
  return before;
}

static const struct cb_api api = {
    .trap = trap,
    .host_call = host_call,
    .memory_grow = memory_grow,
    .table_grow = table_grow,
    .table_create = table_create,
};

/* ---- what the host calls ---- */

static int enter(struct cb_instance *instance, void (*entry)(uint8_t *, uint64_t *),
                 uint64_t *values) {
  if (signals_ready()) return -1;
  return cb_enter(instance, entry, values);
}

struct cb_instance *cb_new(const struct cb_image *image, struct cb_setup *setup) {
  const struct cb_program *program = image->program;
  uint64_t limit = setup->memory_limit / CB_PAGE;
  setup->code = CB_OK;
  if (program->abi != CB_ABI || limit < program->min_pages) {
    errno = program->abi != CB_ABI ? ENOEXEC : ENOMEM;
    return NULL;
  }
  struct region *region = region_take(image);
  if (!region) return NULL;
  struct cb_instance *instance = region_instance(region);
  instance->guest_sp = instance;
  instance->api = &api;
  instance->imports = image->imports;
  instance->pages = program->min_pages;
  instance->max_pages = limit < program->max_pages ? (uint32_t)limit : program->max_pages;
  struct guest *guest = guest_of(instance);
  guest->region = region;
  guest->sources = setup->sources;
  guest->clock_start = setup->clock_start;
  uint64_t none;
  setup->code = enter(instance, program->start, &none);
  if (setup->code != CB_OK) {
    int error = errno;
    cb_free(instance);
    errno = error;
    return NULL;
  }
  setup->memory = cb_memory(instance);
  setup->pages = &instance->pages;
  return instance;
}

void cb_free(struct cb_instance *instance) {
  for (int i = 0; i < CB_MAX_TABLES; i++) free(instance->tables[i].entries);
  region_give(guest_of(instance)->region);
}

void cb_prepare(struct cb_image *image) {
  sources_find(image);
  if (!image->file_bytes) return;
  /* So that memory can be put right by copying, which is faster. */
  void *found = mmap(NULL, image->file_bytes, PROT_READ, MAP_PRIVATE, image->file, 0);
  image->pristine = found == MAP_FAILED ? NULL : found;
}

void cb_forget(struct cb_image *image) {
  region_forget(image);
  if (image->pristine) munmap((void *)(uintptr_t)image->pristine, image->file_bytes);
  image->pristine = NULL;
}

int cb_call(struct cb_instance *instance, const struct cb_export *function, uint64_t *values) {
  return enter(instance, function->call, values);
}

int cb_exchange(struct cb_instance *instance, const struct cb_export *function, uint32_t address,
                const struct cb_request *requests, uint32_t count, uint64_t *values) {
  int code = CB_OK;
  values[0] = 0;
  for (uint32_t i = 0; i < count && code == CB_OK && (uint32_t)values[0] == 0; i++) {
    memcpy(cb_memory(instance) + address, requests[i].data, requests[i].bytes);
    values[0] = requests[i].bytes;
    code = cb_call(instance, function, values);
  }
  return code;
}

int cb_interrupt(struct cb_instance *instance) {
  const struct cb_image *image = guest_of(instance)->region->image;
  uint8_t *memory = cb_memory(instance);
  __atomic_store_n(&instance->interrupted, 1, __ATOMIC_SEQ_CST);
  /* Any bit makes Python call _Py_HandlePending, whose poll then faults. */
  if (image->eval_breaker) __atomic_fetch_or(memory + image->eval_breaker, 0x80, __ATOMIC_SEQ_CST);
  if (!image->poll_bytes) return 0;
  return mprotect(memory + image->poll_page, image->poll_bytes, PROT_NONE);
}

uint64_t cb_stack_bytes(void) {
  pthread_attr_t attributes;
  void *low;
  size_t size = 0;
  if (pthread_getattr_np(pthread_self(), &attributes)) return 0;
  if (pthread_attr_getstack(&attributes, &low, &size)) size = 0;
  pthread_attr_destroy(&attributes);
  return size;
}

uint32_t cb_regions(void) { return region_count(); }
