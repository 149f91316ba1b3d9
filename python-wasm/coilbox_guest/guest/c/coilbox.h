/* The guest's own C code: what its files share. docs/abi.md has the contracts. */
#ifndef COILBOX_H
#define COILBOX_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

/* ---- the codec ---- */

enum {
  COILBOX_EXT_INT = 1,
  COILBOX_EXT_TUPLE = 2,
  COILBOX_EXT_SET = 3,
  COILBOX_EXT_FROZENSET = 4,
  COILBOX_EXT_SURROGATES = 5,
  COILBOX_EXT_DATETIME = 6,
  COILBOX_EXT_DATE = 7,
  COILBOX_EXT_TIME = 8,
  COILBOX_EXT_TIMEDELTA = 9,
  COILBOX_EXT_DECIMAL = 10,
  COILBOX_EXT_UUID = 11,
  COILBOX_EXT_ENUM = 12,
  COILBOX_EXT_DATACLASS = 13,
  COILBOX_EXT_COMPLEX = 14,
  COILBOX_EXT_OPAQUE = 16,
  COILBOX_EXT_LEFT_OUT = 17,

  COILBOX_MAX_DEPTH = 128,
};

/* Bytes being written. They start in a buffer of the owner and move to the heap when it is full: to
 * Python's, as libc's takes ten times as long for blocks of some 100 KB. */
typedef struct {
  uint8_t *data;
  size_t length;
  size_t capacity;
  bool on_heap;
  int depth;
  PyObject *path; /* the way to a value that cannot be sent, innermost step first; or NULL */
} coilbox_writer;

/* Bytes being read, which stay where they are. */
typedef struct {
  const uint8_t *next;
  const uint8_t *end;
  int depth;
} coilbox_reader;

void coilbox_writer_start(coilbox_writer *writer, void *buffer, size_t capacity);
void coilbox_writer_free(coilbox_writer *writer);
/* Room for `count` more bytes, which become part of the data; NULL with MemoryError. */
uint8_t *coilbox_writer_extend(coilbox_writer *writer, size_t count);

/* These return 0, or -1 with an exception set. */
int coilbox_write_byte(coilbox_writer *writer, uint8_t byte);
int coilbox_write_array(coilbox_writer *writer, size_t count);
int coilbox_write_map(coilbox_writer *writer, size_t count);
int coilbox_write_int(coilbox_writer *writer, int64_t value);
int coilbox_write_long(coilbox_writer *writer, PyObject *value);
int coilbox_write_float(coilbox_writer *writer, double value);
int coilbox_write_complex(coilbox_writer *writer, PyObject *value);
int coilbox_write_text(coilbox_writer *writer, PyObject *value);
int coilbox_write_bytes(coilbox_writer *writer, PyObject *value); /* or any buffer */
int coilbox_write_value(coilbox_writer *writer, PyObject *value);
int coilbox_write_ext(coilbox_writer *writer, int code, const void *payload, size_t size);
/* An extension value whose payload is written between the two calls. */
int coilbox_open_ext(coilbox_writer *writer, size_t *start);
int coilbox_close_ext(coilbox_writer *writer, size_t start, int code);
/* Like coilbox_write_value, but the exception's message begins with the place of the bad value. */
int coilbox_encode(coilbox_writer *writer, PyObject *value, const char *root);

/* Another level of nesting; `depth` goes down again where it ends. */
int coilbox_enter(coilbox_writer *writer);
/* Adds a step to the place of the value that could not be written; `step` is stolen. */
void coilbox_note_step(coilbox_writer *writer, PyObject *step);
/* Puts the root and the steps before the message of the exception that is set. */
void coilbox_name_place(coilbox_writer *writer, const char *root);

/* These return a new reference, or NULL with an exception set. */
PyObject *coilbox_read_value(coilbox_reader *reader);
PyObject *coilbox_decode(const void *data, size_t size);
PyObject *coilbox_malformed(const char *what);

/* Dates and times (codec_datetime.c). 1: written; 0: not of these types; -1: exception set.
 * `exact`: not of a subclass either. */
int coilbox_write_datetime(coilbox_writer *writer, PyObject *value, bool exact);
PyObject *coilbox_read_datetime(int code, PyObject *items);
int coilbox_datetime_init(void);

/* ---- the Python side ---- */

/* Functions of the package _coilbox_runtime that C calls; set once, at boot. */
typedef struct {
  PyObject *handle;     /* (request) -> (status, value) */
  PyObject *unsendable; /* (exception, reply) -> (status, value): the reply could not be encoded */
  PyObject *reduce;     /* (value) -> (ext code, payload), or None for a subclass of a built-in */
  PyObject *restore;    /* (ext code, payload) -> value */
  PyObject *zone_out;   /* (tzinfo) -> key or [offset, name] */
  PyObject *zone_in;    /* (key or [offset, name]) -> tzinfo */
  PyObject *host_error; /* (description) -> exception to raise for a failed host call */
  PyObject *frozen;     /* dataclasses.FrozenInstanceError */
  PyObject *stale;      /* the exception for a handle that is closed */
  PyObject *decimal;    /* decimal.Decimal */
  PyObject *uuid;       /* uuid.UUID */
} coilbox_hooks_t;
extern coilbox_hooks_t coilbox_hooks;
extern size_t coilbox_value_limit; /* bytes of a reply that the host takes */

void coilbox_install_allocator(void);

/* Large blocks (large_blocks.c). They stand at multiples of 64 KiB. */
void *coilbox_large_malloc(size_t size, bool zero);
size_t coilbox_large_size(const void *block); /* 0: it is none */
void coilbox_large_free(void *block);
bool coilbox_large_resize(void *block, size_t size); /* in its place, if there is room */

/* Sends the host the pending calls that it has not got yet: before any other call, and at the end
 * of a request. 0, or -1 with an exception set. */
int coilbox_flush_pending(void);

PyMODINIT_FUNC PyInit__coilbox(void);
PyObject *coilbox_host_function(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *coilbox_freeze(PyObject *module, PyObject *ignored);

#endif
