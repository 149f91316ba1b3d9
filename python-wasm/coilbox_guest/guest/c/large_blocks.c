/* Memory for large objects, in runs of whole 64 KiB pages, used again when it is freed.
 *
 * First fit over a table of the pages. A run's length stands at its first and its last page, so
 * that neighbours that are free can be joined.
 */
#include "coilbox.h"

#include <string.h>
#include <unistd.h>

enum { SHIFT = 16, PAGE = 1 << SHIFT, PAGES = 1 << 16 };
static const uint32_t USED = 1u << 31;

static uint32_t runs[PAGES]; /* 0: not ours */
static uint32_t lowest = PAGES, highest;

static void mark(uint32_t page, uint32_t length, uint32_t used) {
  runs[page] = runs[page + length - 1] = length | used;
}

static bool is_free(uint32_t run) { return run && !(run & USED); }

static uint32_t pages_for(size_t size) { return (uint32_t)((size + PAGE - 1) >> SHIFT); }

static void *address(uint32_t page) { return (void *)((uintptr_t)page << SHIFT); }

static uint32_t find(uint32_t length) {
  for (uint32_t page = lowest; page < highest;) {
    uint32_t run = runs[page];
    if (is_free(run) && run >= length)
      return page;
    page += run ? run & ~USED : 1;
  }
  return 0;
}

/* Use the first pages of a free run. */
static void take(uint32_t page, uint32_t length) {
  uint32_t rest = runs[page] - length;
  mark(page, length, USED);
  if (rest)
    mark(page + length, rest, 0);
}

static void release(uint32_t page, uint32_t length) {
  uint32_t before = page > lowest ? runs[page - 1] : 0;
  uint32_t after = page + length < highest ? runs[page + length] : 0;
  if (is_free(before)) {
    page -= before;
    length += before;
  }
  if (is_free(after))
    length += after;
  mark(page, length, 0);
}

/* Grows memory so that it ends in a free run of `length` pages; returns the run, 0 if it cannot.
 * `dirty` is how many pages of it were there before; the others are zero. */
static uint32_t extend(uint32_t length, uint32_t *dirty) {
  uint32_t end = (uint32_t)((uintptr_t)sbrk(0) >> SHIFT);
  uint32_t last = end == highest && end > lowest ? runs[end - 1] : 0;
  *dirty = is_free(last) ? last : 0;
  if (length > PAGES - end + *dirty || sbrk((intptr_t)(length - *dirty) << SHIFT) == (void *)-1)
    return 0;
  uint32_t page = end - *dirty;
  mark(page, length, 0);
  lowest = page < lowest ? page : lowest;
  highest = page + length;
  return page;
}

void *coilbox_large_malloc(size_t size, bool zero) {
  if (size > PY_SSIZE_T_MAX)
    return NULL;
  uint32_t length = pages_for(size), dirty = length;
  uint32_t page = find(length);
  if (!page)
    page = extend(length, &dirty);
  if (!page)
    return NULL;
  take(page, length);
  return zero ? memset(address(page), 0, (size_t)dirty << SHIFT) : address(page);
}

size_t coilbox_large_size(const void *block) {
  uintptr_t place = (uintptr_t)block;
  return place % PAGE ? 0 : (size_t)(runs[place >> SHIFT] & ~USED) << SHIFT;
}

void coilbox_large_free(void *block) {
  uint32_t page = (uint32_t)((uintptr_t)block >> SHIFT);
  release(page, runs[page] & ~USED);
}

bool coilbox_large_resize(void *block, size_t size) {
  uint32_t page = (uint32_t)((uintptr_t)block >> SHIFT);
  uint32_t old = runs[page] & ~USED, new = pages_for(size);
  uint32_t after = page + old < highest ? runs[page + old] : 0;
  if (new > old + (is_free(after) ? after : 0))
    return false;
  if (new < old) {
    mark(page, new, USED);
    release(page + new, old - new);
  } else if (new > old) {
    mark(page, old + after, 0);
    take(page, new);
  }
  return true;
}
