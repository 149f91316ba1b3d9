#define _GNU_SOURCE
#include "region.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* Free regions whose written pages are put right by copying, and stay resident for the next
 * instance: a copy takes a tenth of the page fault that a dropped page costs later. Others are
 * dropped. */
#define WARM_REGIONS 8
#define WARM_BYTES (4u << 20)

static _Atomic(struct region *) all;
static struct region *unused;
static atomic_uint count;
static int warm;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

uint32_t region_count(void) { return atomic_load(&count); }

struct region *region_of_stack(uintptr_t address) {
  for (struct region *r = atomic_load_explicit(&all, memory_order_acquire); r; r = r->next)
    if (address - (uintptr_t)r->base <= STACK_GUARD_BYTES + STACK_BYTES) return r;
  return NULL;
}

/* Page faults of this process so far. A page becomes the process's own in a fault only, so as long
 * as their number stays the same, which pages were written stays the same. */
static uint64_t faults(void) {
  struct rusage now = {0};
  getrusage(RUSAGE_SELF, &now);
  return (uint64_t)now.ru_minflt + (uint64_t)now.ru_majflt;
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
  region->known = -1;
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
  if (region) {
    *best = region->next_free;
    warm -= region->warm;
    region->warm = 0;
  }
  pthread_mutex_unlock(&lock);
  if (!region) region = reserve();
  if (region && region->image == image) {
    region->owner = getpid();
    region->faults = faults();
    return region;
  }
  if (!region) return NULL;
  if (unmap(region) || map(region, image)) {
    region_give(region);
    return NULL;
  }
  return region;
}

/* Puts written pages right by copying; 0 if that is not to be done. */
static int refresh(struct region *region, const struct cb_image *image, uint64_t bytes) {
  struct page_range *ranges = region->ranges;
  uint8_t *memory = region_memory(region);
  int found = region->known;
  /* A fork counts its faults from zero again. */
  if (found < 0 || region->owner != getpid() || region->faults != faults())
    found = image->pristine || !image->file_bytes
                ? dirty_pages(memory, memory + bytes, ranges, WARM_RANGES)
                : -1;
  region->known = found;
  uint64_t sum = 0;
  for (int i = 0; i < found; i++) sum += ranges[i].end - ranges[i].start;
  if (found < 0 || sum > WARM_BYTES) return 0;
  for (int i = 0; i < found; i++) {
    uint64_t at = ranges[i].start - (uintptr_t)memory, end = ranges[i].end - (uintptr_t)memory;
    uint64_t file = end < image->file_bytes ? end : image->file_bytes;
    if (at < file) memcpy(memory + at, image->pristine + at, file - at);
    if (at < file) at = file;
    /* Not of nothing: its masked store, on a page that has yet to fault, takes 150 ns. */
    if (at < end) memset(memory + at, 0, end - at);
  }
  return 1;
}

/* Makes memory what the image says; how far that is done without dropping pages is in `warmed`. */
static int clean(struct region *region, int may_warm, int *warmed) {
  const struct cb_image *image = region->image;
  uint8_t *memory = region_memory(region);
  uint64_t bytes = (uint64_t)image->program->min_pages * CB_PAGE;
  *warmed = 0;
  if (region->mapped > bytes &&
      (madvise(memory + bytes, region->mapped - bytes, MADV_DONTNEED) ||
       mprotect(memory + bytes, region->mapped - bytes, PROT_NONE)))
    return -1;
  region->mapped = bytes;
  if (region_instance(region)->interrupted && image->poll_bytes &&
      mprotect(memory + image->poll_page, image->poll_bytes, PROT_READ | PROT_WRITE))
    return -1;
  if (may_warm) *warmed = refresh(region, image, bytes);
  if (*warmed) return 0;
  /* Dropping private pages brings back the file's, and zeros behind them. */
  region->known = -1;
  return madvise(memory, bytes, MADV_DONTNEED);
}

void region_give(struct region *region) {
  pthread_mutex_lock(&lock);
  int may_warm = region->image && warm < WARM_REGIONS;
  warm += may_warm;
  pthread_mutex_unlock(&lock);
  int warmed = 0;
  uint32_t state = region->image ? region->image->program->state_bytes : 0;
  int failed = !region->image || clean(region, may_warm, &warmed);
  memset(guest_of(region_instance(region)), 0, sizeof(struct guest));
  memset(region_memory(region) - state, 0, state);
  /* What a deep recursion took. It holds nothing that code reads, so failing costs memory only. */
  (void)madvise(region->base + STACK_GUARD_BYTES, STACK_BYTES - STACK_KEPT_BYTES, MADV_DONTNEED);
  if (failed) failed = unmap(region);
  pthread_mutex_lock(&lock);
  warm -= may_warm && !warmed;
  region->warm = warmed;
  if (!failed) { /* else it stays out of use */
    region->next_free = unused;
    unused = region;
  }
  pthread_mutex_unlock(&lock);
}

void region_forget(const struct cb_image *image) {
  pthread_mutex_lock(&lock);
  for (struct region **at = &unused; *at;) {
    struct region *region = *at;
    if (region->image != image) {
      at = &region->next_free;
      continue;
    }
    warm -= region->warm;
    region->warm = 0;
    if (unmap(region))
      *at = region->next_free;
    else
      at = &region->next_free;
  }
  pthread_mutex_unlock(&lock);
}
