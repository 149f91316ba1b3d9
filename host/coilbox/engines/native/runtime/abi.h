/* What the runtime and a compiled program share: the layout of an instance.
 *
 * One reservation of address space holds everything that belongs to an instance:
 *
 *     guard | native stack | struct cb_instance, globals | linear memory | guard
 *                                                        ^ self
 *
 * Compiled code knows `self` alone, the base of linear memory: memory is above it, the
 * instance below. A 32-bit address plus a 32-bit offset cannot leave the reservation. */
#ifndef COILBOX_ABI_H
#define COILBOX_ABI_H

#include <stddef.h>
#include <stdint.h>

#define CB_ABI 1
#define CB_PAGE 65536u

/* From the start of struct cb_instance to linear memory. */
#define CB_INSTANCE_BYTES 65536
/* The program's own state (its mutable globals) ends where memory begins. */
#define CB_STATE_BYTES 32768
#define CB_MAX_TABLES 16
#define CB_TAIL_SLOTS 64

enum cb_trap {
  CB_OK = 0,
  CB_TRAP_STACK = 1,
  CB_TRAP_MEMORY = 2,
  CB_TRAP_TABLE = 3,
  CB_TRAP_NULL = 4,
  CB_TRAP_SIGNATURE = 5,
  CB_TRAP_OVERFLOW = 6,
  CB_TRAP_DIVIDE = 7,
  CB_TRAP_CONVERT = 8,
  CB_TRAP_UNREACHABLE = 9,
  CB_TRAP_STOPPED = 10,     /* a host import stopped the guest */
  CB_TRAP_INTERRUPTED = 11, /* the poll page was made inaccessible */
  CB_TRAP_RESOURCES = 12    /* the host has no memory for a table */
};

struct cb_instance;

/* A function as a reference points to it. `tail` is its form for tail calls, if it has one. */
struct cb_func {
  void *code;
  void *tail;
  uint32_t type;
};

/* A table that the program changes. Entries are references: pointers to struct cb_func, or what
 * the host gave as an externref. */
struct cb_table {
  const void **entries;
  uint32_t size;
  uint32_t maximum;
};

/* A host import: integers and float bits in `values`, the result in values[0]; anything but 0
 * stops the guest. */
typedef int (*cb_import)(uint64_t *values);

struct cb_api {
  void (*trap)(uint8_t *self, int code);
  int (*host_call)(uint8_t *self, uint32_t import, uint64_t *values);
  uint32_t (*memory_grow)(uint8_t *self, uint32_t pages);
  uint32_t (*table_grow)(uint8_t *self, uint32_t table, const void *value, uint32_t count);
  int (*table_create)(uint8_t *self, uint32_t table, uint32_t size, uint32_t maximum);
};

struct cb_instance {
  void *host_sp;  /* offset 0: where a return or a trap goes; read by the assembly */
  void *guest_sp; /* offset 8: where the guest's native stack goes on */
  const struct cb_api *api;
  const cb_import *imports;
  uint32_t pages;     /* size of linear memory */
  uint32_t max_pages; /* what memory.grow may reach */
  int interrupted;
  struct cb_table tables[CB_MAX_TABLES];
  uint64_t tail[CB_TAIL_SLOTS]; /* arguments and results of trampolined tail calls */
};

struct cb_export {
  const char *name; /* may hold zeros */
  uint32_t name_bytes;
  void (*call)(uint8_t *self, uint64_t *values);
  const char *params;  /* a letter each: i I f F r */
  const char *results;
};

struct cb_import_name {
  const char *module;
  const char *name;
  const char *params;  /* letters as above */
  const char *results;
};

/* What a compiled program's only symbol, `coilbox_program`, returns. */
struct cb_program {
  uint32_t abi;
  uint32_t min_pages;
  uint32_t max_pages;
  uint32_t import_count;
  uint32_t export_count;
  uint32_t state_bytes;
  const struct cb_export *exports;
  const struct cb_import_name *imports;
  void (*start)(uint8_t *self, uint64_t *values); /* globals, tables, segments, start function */
};

#endif
