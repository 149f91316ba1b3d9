/* Reservations of address space, one for each instance; see abi.h for what lies where. */
#ifndef COILBOX_REGION_H
#define COILBOX_REGION_H

#include <stdatomic.h>
#include <sys/types.h>

#include "dirty.h"
#include "guest.h"

/* Native stack for guest code. Optimised code uses up 3 MiB of it before the shadow stack in linear
 * memory is full, where Python raises RecursionError; code that is not optimised has frames
 * several times as large. */
#define STACK_BYTES (20u << 20)
/* Of it, what stays resident between guests. */
#define STACK_KEPT_BYTES (128u << 10)
/* Larger than any frame: wasm allows 50,000 locals, and a frame that steps over the guard would
 * write into another instance's memory. */
#define STACK_GUARD_BYTES (2u << 20)
/* 32-bit address + 32-bit offset + access size. */
#define MEMORY_BYTES ((8ull << 30) + CB_PAGE)
#define REGION_BYTES (STACK_GUARD_BYTES + STACK_BYTES + CB_INSTANCE_BYTES + MEMORY_BYTES)

/* Written pages in more pieces than that are dropped instead of copied. */
#define WARM_RANGES 512

struct region {
  struct region *next;      /* in the list of all; never changes once published */
  struct region *next_free; /* in the list of free ones */
  uint8_t *base;
  const struct cb_image *image; /* whose memory is mapped here; NULL for none */
  uint64_t mapped;              /* bytes of memory that are accessible */
  int warm;                     /* whether it is free and pages of it are resident */
  int known;                    /* how many of `ranges` held all written pages; -1 for unknown */
  uint64_t faults;              /* of the process, when the instance was made */
  pid_t owner;                  /* and which process that was */
  struct page_range ranges[WARM_RANGES];
};

/* A region without an instance: memory mapped as the image says and nothing written. NULL with
 * errno set if there is no room. */
struct region *region_take(const struct cb_image *image);
/* Makes it as region_take gives it, and keeps it. */
void region_give(struct region *region);
/* Unmaps what free regions hold of an image. */
void region_forget(const struct cb_image *image);
/* The region in whose native stack (or its guard) an address lies. Async-signal-safe. */
struct region *region_of_stack(uintptr_t address);
uint32_t region_count(void);

static inline struct cb_instance *region_instance(const struct region *region) {
  return (struct cb_instance *)(void *)(region->base + STACK_GUARD_BYTES + STACK_BYTES);
}
static inline uint8_t *region_memory(const struct region *region) {
  return region->base + STACK_GUARD_BYTES + STACK_BYTES + CB_INSTANCE_BYTES;
}

#endif
