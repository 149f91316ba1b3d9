#define _GNU_SOURCE
#include "region.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static _Atomic(struct region *) all;
static struct region *unused;
static atomic_uint count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

uint32_t region_count(void) { return atomic_load(&count); }

struct region *region_of_stack(uintptr_t address) {
  for (struct region *r = atomic_load_explicit(&all, memory_order_acquire); r; r = r->next)
    if (address - (uintptr_t)r->base <= STACK_GUARD_BYTES + STACK_BYTES) return r;
  return NULL;
}

static struct region *reserve(void) {
  struct region *region = calloc(1, sizeof *region);
  if (!region) return NULL;
  region->base = mmap(NULL, REGION_BYTES, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region->base == MAP_FAILED ||
      mprotect(region->base + STACK_GUARD_BYTES, STACK_BYTES + CB_INSTANCE_BYTES,
               PROT_READ | PROT_WRITE)) {
    if (region->base != MAP_FAILED) munmap(region->base, REGION_BYTES);
    free(region);
    return NULL;
  }
  /* Published before use and never unlinked: the signal handler walks this list unlocked. */
  region->next = atomic_load(&all);
  while (!atomic_compare_exchange_weak(&all, &region->next, region)) {}
  atomic_fetch_add(&count, 1);
  return region;
}

/* Takes all memory away, whoever's it was. */
static int unmap(struct region *region) {
  if (region->mapped &&
      mmap(region_memory(region), region->mapped, PROT_NONE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
    return -1;
  region->mapped = 0;
  region->image = NULL;
  return 0;
}

static int map(struct region *region, const struct cb_image *image) {
  uint8_t *memory = region_memory(region);
  uint64_t bytes = (uint64_t)image->program->min_pages * CB_PAGE;
  uint64_t file = image->file_bytes < bytes ? image->file_bytes : bytes;
  if (file && mmap(memory, file, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED,
                   image->file, 0) == MAP_FAILED)
    return -1;
  region->mapped = bytes; /* from here on unmap() has something to do */
  region->image = image;
  if (bytes > file && mprotect(memory + file, bytes - file, PROT_READ | PROT_WRITE)) return -1;
  return 0;
}

struct region *region_take(const struct cb_image *image) {
  pthread_mutex_lock(&lock);
  struct region **best = &unused;
  for (struct region **at = &unused; *at; at = &(*at)->next_free)
    if ((*at)->image == image) {
      best = at;
      break;
    }
  struct region *region = *best;
  if (region) *best = region->next_free;
  pthread_mutex_unlock(&lock);
  if (!region) region = reserve();
  if (!region || region->image == image) return region;
  if (unmap(region) || map(region, image)) {
    region_give(region);
    return NULL;
  }
  return region;
}

void region_give(struct region *region) {
  const struct cb_image *image = region->image;
  uint8_t *memory = region_memory(region);
  int kept = 0;
  if (image) {
    uint64_t bytes = (uint64_t)image->program->min_pages * CB_PAGE;
    /* Dropping private pages brings back the file's, and zeros behind them. */
    kept = !madvise(memory, region->mapped, MADV_DONTNEED) &&
           (region->mapped <= bytes ||
            !mprotect(memory + bytes, region->mapped - bytes, PROT_NONE)) &&
           (!image->poll_bytes ||
            !mprotect(memory + image->poll_page, image->poll_bytes, PROT_READ | PROT_WRITE));
    if (kept) region->mapped = bytes;
  }
  struct cb_instance *instance = region_instance(region);
  memset(instance, 0, sizeof *instance);
  memset(memory - CB_STATE_BYTES, 0, CB_STATE_BYTES);
  if (!kept && unmap(region)) return; /* not reusable: leave it unlinked from the free list */
  pthread_mutex_lock(&lock);
  region->next_free = unused;
  unused = region;
  pthread_mutex_unlock(&lock);
}

void region_forget(const struct cb_image *image) {
  pthread_mutex_lock(&lock);
  for (struct region **at = &unused; *at;) {
    struct region *region = *at;
    if (region->image == image && unmap(region))
      *at = region->next_free;
    else
      at = &region->next_free;
  }
  pthread_mutex_unlock(&lock);
}
