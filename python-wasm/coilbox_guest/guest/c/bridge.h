/* Calls of extensions' functions: what the files of the bridge share. */
#ifndef COILBOX_BRIDGE_H
#define COILBOX_BRIDGE_H

#include "typed.h"

enum {
  COILBOX_OPERATION = 1u << 24,
  COILBOX_CONTROL = 2u << 24,

  COILBOX_WAIT = 1,
  COILBOX_BEGIN = 2,
  COILBOX_CANCEL = 3,
  COILBOX_NEXT = 4,
  COILBOX_CLOSE = 5,
};

/* A reply. Small ones stay on the stack; a large one lies in a bytes object (host_call.c). */
typedef struct {
  const uint8_t *data;
  size_t size;
  PyBytesObject *large;
  uint8_t saved[8];
  uint8_t small[4096];
} coilbox_reply;

/* Makes a call with what the writer holds, and frees the writer, after the pending calls
 * before it. 0, or -1 with an exception. */
int coilbox_send(uint32_t function, coilbox_writer *writer, coilbox_reply *reply);
/* Makes a call before those. */
int coilbox_exchange(uint32_t function, const void *data, size_t size, coilbox_reply *reply);
void coilbox_reply_free(coilbox_reply *reply);
/* The bytes of a reply that is `[0, bytes]`, without a copy; NULL if it is another or small. */
PyObject *coilbox_reply_bytes(coilbox_reply *reply);

/* Sends a control message whose arguments are `count` integers. */
int coilbox_control(uint32_t message, const uint64_t *args, size_t count, coilbox_reply *reply);

/* A handle that nobody needs any more: it is closed before the next call. */
void coilbox_drop_handle(uint64_t handle);
/* What a call exported and has not given back; the reference is stolen. */
void coilbox_drop_exports(PyObject *exports);
void coilbox_flush_dropped(void);

typedef struct {
  PyObject_HEAD
  PyObject *name;
  coilbox_plan plan;
} coilbox_module;

/* Reads `[status, ...]`; the value of status 0 is read by `type`. */
PyObject *coilbox_read_reply(coilbox_reply *reply, const coilbox_plan *plan,
                             const coilbox_type *type);
PyObject *coilbox_read_message(const uint8_t *data, size_t size, const coilbox_plan *plan,
                               const coilbox_type *type);

/* ---- pending calls (pending.c) ---- */

/* A writer for the arguments of one; 0, or -1 with an exception. */
int coilbox_begin_start(coilbox_writer *writer, void *buffer, size_t capacity);
/* Begins it and frees the writer; its future, or NULL. The reply is for an operation of a module,
 * or for a stream; what the call exports is given back when it has ended. */
PyObject *coilbox_begin(uint32_t function, coilbox_writer *writer, PyObject *source,
                        size_t operation, PyObject *exports);
PyObject *coilbox_wait(PyObject *module, PyObject *seconds);
PyObject *coilbox_cancel(PyObject *module, PyObject *number);
PyObject *coilbox_are_pending(PyObject *module, PyObject *ignored);

/* ---- streams and other handles ---- */


/* `owner` is the resource whose method returned the stream, or NULL; `exports` is stolen. */
PyObject *coilbox_stream_new(coilbox_module *module, const coilbox_type *item, uint64_t handle,
                             PyObject *exports, PyObject *owner);
/* Takes the reply to a request for items; 0, or -1 with an exception. */
int coilbox_stream_take(PyObject *stream, const uint8_t *data, size_t size);
/* An awaitable that has its value, which it steals. */
PyObject *coilbox_ready(PyObject *value);
int coilbox_close_handle(uint64_t handle);

extern PyTypeObject coilbox_module_type, coilbox_stream_type, coilbox_ready_type;

/* Functions of the package _coilbox_runtime that the bridge calls; set once, at boot. */
typedef struct {
  PyObject *find_plan; /* (name) -> the module's plan; ImportError */
  PyObject *export;    /* (module, operation, parameter, value, is_stream, pending) -> number */
  PyObject *lend;      /* ([number], pending): how the stream is read that keeps exported values */
  PyObject *release;   /* ([number]): exported values are no longer needed */
  PyObject *pending;   /* () -> future of a pending call */
  PyObject *read_more; /* (stream) -> awaitable of its next item */
} coilbox_bridge_hooks_t;
extern coilbox_bridge_hooks_t coilbox_bridge_hooks;

#endif
