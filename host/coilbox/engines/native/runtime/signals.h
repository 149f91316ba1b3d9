/* Faults in guest code become traps. */
#ifndef COILBOX_SIGNALS_H
#define COILBOX_SIGNALS_H

/* Installs the handlers if they are not in place, and a signal stack for this thread. -1 with
 * errno set if that fails. */
int signals_ready(void);

#endif
