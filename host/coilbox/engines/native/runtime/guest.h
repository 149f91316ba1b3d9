/* What the runtime alone knows of an instance. */
#ifndef COILBOX_GUEST_H
#define COILBOX_GUEST_H

#include "runtime.h"

struct region;

struct guest {
  struct cb_instance shared; /* what compiled code knows of it; first, as both have one address */
  struct region *region;     /* where it lies */
  uint32_t sources;          /* enum cb_sources */
  int64_t clock_start;       /* what its monotonic clock leaves out, in nanoseconds */
};
_Static_assert(sizeof(struct guest) <= CB_INSTANCE_BYTES - CB_STATE_BYTES,
               "the program's state lies behind it");

static inline struct guest *guest_of(struct cb_instance *instance) {
  return (struct guest *)(void *)instance;
}

#endif
