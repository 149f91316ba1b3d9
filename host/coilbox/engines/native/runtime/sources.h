/* Time and randomness without the host's Python: two calls of WASI that every start makes. */
#ifndef COILBOX_SOURCES_H
#define COILBOX_SOURCES_H

#include "region.h"

/* Notes which of a program's imports these calls are. */
void sources_find(struct cb_image *image);
/* Answers a call as the host's functions would. 0 if the guest's time or randomness is not the
 * kernel's, or there is anything to refuse: the host's functions then decide. */
int sources_answer(struct guest *guest, uint32_t import, uint64_t *values);

#endif
