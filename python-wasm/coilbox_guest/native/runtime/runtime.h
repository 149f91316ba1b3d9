/* The runtime's interface to the host; coilbox.engines.native reads it through cffi. */
#ifndef COILBOX_RUNTIME_H
#define COILBOX_RUNTIME_H

#include "abi.h"

#define CB_EXPORTED __attribute__((visibility("default")))

/* A program that is ready to be instantiated. */
struct cb_image {
  const struct cb_program *program;
  int file;             /* descriptor of the memory image, -1 if memory starts as zeros */
  uint64_t file_bytes;  /* its length, a multiple of the page size */
  const cb_import *imports;
  uint32_t poll_page;   /* address; 0 and poll_bytes 0 if the guest has none */
  uint32_t poll_bytes;
  uint32_t eval_breaker; /* address, 0 for none */
  const uint8_t *pristine; /* the file, mapped by cb_prepare; NULL until then */
};

/* Maps the file, so that memory can be put right by copying. Not needed, but faster. */
CB_EXPORTED int cb_prepare(struct cb_image *image);

/* An instance that is ready to be called, NULL with errno set, or NULL with *code set to the
 * trap of its start. */
CB_EXPORTED struct cb_instance *cb_new(const struct cb_image *image, uint64_t memory_limit, int *code);
/* Frees an instance; its address space is kept for the next one of the same image. */
CB_EXPORTED void cb_free(struct cb_instance *instance);
/* Frees all kept address space of an image, which is about to go. */
CB_EXPORTED void cb_forget(struct cb_image *image);
/* Calls an export: CB_OK with results in values, or a trap code; -1 if the thread got no
 * signal stack. */
CB_EXPORTED int cb_call(struct cb_instance *instance, const struct cb_export *function, uint64_t *values);
/* Makes a running or later call trap. From any thread, but not together with cb_free. */
CB_EXPORTED int cb_interrupt(struct cb_instance *instance);
/* Base of linear memory. */
CB_EXPORTED uint8_t *cb_memory(struct cb_instance *instance);
CB_EXPORTED uint64_t cb_memory_bytes(const struct cb_instance *instance);
/* Size of the calling thread's own stack; 0 if that cannot be known. */
CB_EXPORTED uint64_t cb_stack_bytes(void);
/* How much address space is reserved, and how many instances it is for; for tests. */
CB_EXPORTED uint32_t cb_regions(void);

#endif
