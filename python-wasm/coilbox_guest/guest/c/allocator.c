/* Python's memory: mimalloc for what is small, runs of pages for what is large.
 *
 * mimalloc takes objects larger than its arenas straight from the system and gives them back to it;
 * but WebAssembly memory cannot be given back, so they would be lost.
 */
#include "coilbox.h"

#include <string.h>

enum { LARGE = 1 << 20 };

static PyMemAllocatorEx small[3]; /* mimalloc's functions for each domain */

static void *domain_malloc(void *context, size_t size) {
  const PyMemAllocatorEx *mimalloc = context;
  return size < LARGE ? mimalloc->malloc(mimalloc->ctx, size) : coilbox_large_malloc(size, false);
}

static void *domain_calloc(void *context, size_t count, size_t size) {
  const PyMemAllocatorEx *mimalloc = context;
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes))
    return NULL;
  return bytes < LARGE ? mimalloc->calloc(mimalloc->ctx, count, size)
                       : coilbox_large_malloc(bytes, true);
}

static void domain_free(void *context, void *block) {
  const PyMemAllocatorEx *mimalloc = context;
  if (coilbox_large_size(block))
    coilbox_large_free(block);
  else
    mimalloc->free(mimalloc->ctx, block);
}

static void *resize_large(void *context, void *block, size_t known, size_t size) {
  if (size >= LARGE && coilbox_large_resize(block, size))
    return block;
  void *other = domain_malloc(context, size);
  if (other) {
    memcpy(other, block, known < size ? known : size);
    coilbox_large_free(block);
  }
  return other;
}

/* Only mimalloc knows the size of its block: it copies what there is to a block of the largest size
 * that is not large, and all of that is copied again. */
static void *make_large(const PyMemAllocatorEx *mimalloc, void *block, size_t size) {
  void *other = coilbox_large_malloc(size, false);
  void *grown = other ? mimalloc->realloc(mimalloc->ctx, block, LARGE - 1) : NULL;
  if (grown == NULL) {
    if (other)
      coilbox_large_free(other);
    return NULL;
  }
  memcpy(other, grown, LARGE - 1);
  mimalloc->free(mimalloc->ctx, grown);
  return other;
}

static void *domain_realloc(void *context, void *block, size_t size) {
  const PyMemAllocatorEx *mimalloc = context;
  if (block == NULL)
    return domain_malloc(context, size);
  size_t known = coilbox_large_size(block);
  if (known)
    return resize_large(context, block, known, size);
  return size < LARGE ? mimalloc->realloc(mimalloc->ctx, block, size)
                      : make_large(mimalloc, block, size);
}

void coilbox_install_allocator(void) {
  for (int domain = 0; domain < 3; domain++) {
    PyMem_GetAllocator((PyMemAllocatorDomain)domain, &small[domain]);
    PyMemAllocatorEx both = {&small[domain], domain_malloc, domain_calloc, domain_realloc,
                             domain_free};
    PyMem_SetAllocator((PyMemAllocatorDomain)domain, &both);
  }
}
