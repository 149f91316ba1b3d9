/* Which pages of a private mapping were written to. */
#ifndef COILBOX_DIRTY_H
#define COILBOX_DIRTY_H

#include <stdint.h>

struct page_range {
  uint64_t start, end; /* addresses */
  uint64_t categories;
};

/* The pages of [start, end) that are this process's own and no longer the file's, as at most
 * `room` ranges; how many, or -1 if the kernel does not say (before Linux 6.7) or there are
 * more. */
int dirty_pages(const uint8_t *start, const uint8_t *end, struct page_range *ranges, int room);

#endif
