/* The runtime's interface to the host; coilbox.engines.native reads it through cffi. */
#ifndef COILBOX_RUNTIME_H
#define COILBOX_RUNTIME_H

#include "abi.h"

#define CB_EXPORTED __attribute__((visibility("default")))

static inline uint8_t *cb_memory(struct cb_instance *instance) {
  return (uint8_t *)instance + CB_INSTANCE_BYTES;
}

/* A request of the host. */
struct cb_request {
  const void *data;
  uint32_t bytes;
};

/* A program that is ready to be instantiated. */
struct cb_image {
  const struct cb_program *program;
  int file;             /* descriptor of the memory image, -1 if memory starts as zeros */
  uint64_t file_bytes;  /* its length, a multiple of the page size */
  const cb_import *imports;
  uint32_t poll_page;   /* address; 0 and poll_bytes 0 if the guest has none */
  uint32_t poll_bytes;
  uint32_t eval_breaker; /* address, 0 for none */
  /* Set by cb_prepare: */
  uint32_t clock_import, random_import; /* which imports these are; UINT32_MAX for none */
  const uint8_t *pristine;              /* the file, mapped; NULL if that failed */
};

/* What a guest has straight from the kernel, instead of from the host's functions. */
enum cb_sources { CB_SOURCE_CLOCK = 1, CB_SOURCE_RANDOM = 2 };

/* What the host asks for, and where it finds what it got. */
struct cb_setup {
  uint64_t memory_limit;
  int64_t clock_start; /* what the guest's monotonic clock leaves out, in nanoseconds */
  uint32_t sources;    /* enum cb_sources */
  int code;            /* the trap of the start, or CB_OK */
  uint8_t *memory;     /* base of linear memory; it never moves */
  const uint32_t *pages; /* its size in pages, which grows, until cb_free */
};

/* Makes an image ready, once and before anything else is done with it. */
CB_EXPORTED void cb_prepare(struct cb_image *image);

/* An instance that is ready to be called, NULL with errno set, or NULL with setup->code set to the
 * trap of its start. */
CB_EXPORTED struct cb_instance *cb_new(const struct cb_image *image, struct cb_setup *setup);
/* Frees an instance; its address space is kept for the next one of the same image. */
CB_EXPORTED void cb_free(struct cb_instance *instance);
/* Frees all kept address space of an image, which is about to go. */
CB_EXPORTED void cb_forget(struct cb_image *image);
/* Calls an export: CB_OK with results in values, or a trap code; -1 if the thread got no
 * signal stack. */
CB_EXPORTED int cb_call(struct cb_instance *instance, const struct cb_export *function, uint64_t *values);
/* Makes a running or later call trap. From any thread, but not together with cb_free. */
CB_EXPORTED int cb_interrupt(struct cb_instance *instance);
/* Sends requests, one after the other, as long as each is answered with 0: writes it at an address
 * of the memory, which has room for it and is no guard's, and calls a function with its length.
 * What cb_call returns, with the last answer in values[0]. */
CB_EXPORTED int cb_exchange(struct cb_instance *instance, const struct cb_export *function,
                            uint32_t address, const struct cb_request *requests, uint32_t count,
                            uint64_t *values);
/* Size of the calling thread's own stack; 0 if that cannot be known. */
CB_EXPORTED uint64_t cb_stack_bytes(void);
/* How much address space is reserved, and how many instances it is for; for tests. */
CB_EXPORTED uint32_t cb_regions(void);

#endif
