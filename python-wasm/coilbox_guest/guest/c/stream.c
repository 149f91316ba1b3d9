/* Streams that the host sends. */
#include "bridge.h"

#include <stddef.h>
#include <string.h>

/* How many items are asked for at once: it doubles while replies are small, so that the first item
 * comes soon and many small ones cost few calls. */
enum { FIRST_WINDOW = 8, LAST_WINDOW = 1024, LARGE_REPLY = 64 * 1024 };

typedef struct {
  PyObject_HEAD
  coilbox_module *module;
  const coilbox_type *item;
  uint64_t handle; /* 0: closed or at its end */
  PyObject *exports;
  PyObject *owner;   /* the resource whose method returned it: it stays open as long */
  PyObject *waiting; /* the future of items that were asked for, for Python; or None */
  PyObject **items;
  size_t position, count, window;
  bool asking;
} stream_object;

PyObject *coilbox_stream_new(coilbox_module *module, const coilbox_type *item, uint64_t handle,
                             PyObject *exports, PyObject *owner) {
  stream_object *stream = (stream_object *)coilbox_stream_type.tp_alloc(&coilbox_stream_type, 0);
  if (stream == NULL) {
    coilbox_drop_handle(handle);
    coilbox_drop_exports(exports);
    return NULL;
  }
  stream->module = (coilbox_module *)Py_NewRef((PyObject *)module);
  stream->item = item;
  stream->handle = handle;
  stream->exports = exports;
  stream->owner = Py_XNewRef(owner);
  stream->waiting = Py_NewRef(Py_None);
  stream->window = FIRST_WINDOW;
  return (PyObject *)stream;
}

static void forget_items(stream_object *stream) {
  PyObject **items = stream->items;
  size_t position = stream->position, count = stream->count;
  stream->items = NULL;
  stream->position = stream->count = 0;
  while (position < count)
    Py_DECREF(items[position++]);
  PyMem_Free(items);
}

/* The host has nothing more to send. */
static void end(stream_object *stream) {
  stream->handle = 0;
  PyObject *exports = stream->exports;
  stream->exports = NULL;
  coilbox_drop_exports(exports);
  Py_CLEAR(stream->owner);
}

/* ---- items ---- */

static int take_items(stream_object *stream, coilbox_reader *reader) {
  Py_ssize_t count = coilbox_read_array(reader);
  if (count < 0)
    return -1;
  PyObject **items = PyMem_Calloc((size_t)count + 1, sizeof *items);
  if (items == NULL) {
    PyErr_NoMemory();
    return -1;
  }
  forget_items(stream);
  stream->items = items;
  reader->depth = 2;
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject *item = coilbox_read_typed(reader, stream->item);
    if (item == NULL) {
      forget_items(stream);
      return -1;
    }
    items[i] = item;
    stream->count++;
  }
  return 0;
}

/* Reads `[0, [finished, [item, ...]]]`; other replies are as for calls. */
static int take_reply(stream_object *stream, const uint8_t *data, size_t size) {
  coilbox_reader reader = {.next = data, .end = data + size};
  static const uint8_t head[] = {0x92, 0x00, 0x92};
  if (size < 5 || memcmp(data, head, sizeof head) != 0) {
    static const coilbox_type none = {.kind = COILBOX_NONE, .name = "none"};
    PyObject *value = coilbox_read_message(data, size, &stream->module->plan, &none);
    Py_XDECREF(value);
    if (value)
      coilbox_malformed("not items of a stream");
    return -1;
  }
  reader.next += sizeof head;
  uint8_t finished = *reader.next++;
  if ((finished != 0xc2 && finished != 0xc3) || take_items(stream, &reader) < 0) {
    if (!PyErr_Occurred())
      coilbox_malformed("not items of a stream");
    return -1;
  }
  if (reader.next != reader.end || (finished == 0xc2 && stream->count == 0)) {
    forget_items(stream);
    coilbox_malformed("not items of a stream");
    return -1;
  }
  if (finished == 0xc3)
    end(stream);
  if (size < LARGE_REPLY / 2 && stream->window < LAST_WINDOW)
    stream->window *= 2;
  else if (size > LARGE_REPLY && stream->window > 1)
    stream->window /= 2;
  return 0;
}

int coilbox_stream_take(PyObject *self, const uint8_t *data, size_t size) {
  stream_object *stream = (stream_object *)self;
  if (take_reply(stream, data, size) == 0)
    return 0;
  end(stream); /* a stream that raised has ended, as a generator has */
  return -1;
}

/* Whether a future still waits for items; -1 with an exception. */
static int is_waiting(stream_object *stream) {
  if (stream->waiting == Py_None)
    return 0;
  PyObject *done = PyObject_CallMethod(stream->waiting, "done", NULL);
  int result = done ? !PyObject_IsTrue(done) : -1;
  Py_XDECREF(done);
  return result;
}

/* Makes it ready to be read: with `await`, or plainly. 0, or -1 with an exception. */
static int prepare(stream_object *stream, bool pending) {
  int busy = stream->asking ? 1 : is_waiting(stream);
  if (busy > 0)
    PyErr_SetString(PyExc_RuntimeError, "the stream is already being read");
  if (busy)
    return -1;
  PyObject *lent = stream->exports == NULL
                       ? Py_NewRef(Py_None)
                       : PyObject_CallFunctionObjArgs(coilbox_bridge_hooks.lend, stream->exports,
                                                      pending ? Py_True : Py_False, NULL);
  Py_XDECREF(lent);
  coilbox_flush_dropped();
  return lent ? 0 : -1;
}

/* Asks for items and waits. */
static int ask(stream_object *stream) {
  if (prepare(stream, false) < 0)
    return -1;
  uint64_t args[] = {stream->handle, stream->window};
  coilbox_reply reply;
  stream->asking = true;
  int failed = coilbox_control(COILBOX_NEXT, args, 2, &reply);
  stream->asking = false;
  if (failed) {
    end(stream);
  } else {
    failed = coilbox_stream_take((PyObject *)stream, reply.data, reply.size);
    coilbox_reply_free(&reply);
  }
  coilbox_flush_dropped();
  return failed;
}

static PyObject *next_item(stream_object *stream) {
  return stream->position < stream->count ? stream->items[stream->position++] : NULL;
}

static PyObject *stream_next(PyObject *self) {
  stream_object *stream = (stream_object *)self;
  PyObject *item = next_item(stream);
  if (item || stream->handle == 0 || ask(stream) < 0)
    return item;
  return next_item(stream);
}

static PyObject *stream_anext(PyObject *self) {
  stream_object *stream = (stream_object *)self;
  PyObject *item = next_item(stream);
  if (item)
    return coilbox_ready(item);
  if (stream->handle == 0 && stream->waiting == Py_None) {
    PyErr_SetNone(PyExc_StopAsyncIteration);
    return NULL;
  }
  return PyObject_CallOneArg(coilbox_bridge_hooks.read_more, self);
}

/* ---- for read_more, in Python ---- */

/* Asks for items; a future of their coming. */
static PyObject *stream_begin(PyObject *self, PyObject *ignored) {
  (void)ignored;
  stream_object *stream = (stream_object *)self;
  uint8_t buffer[40];
  coilbox_writer writer;
  if (prepare(stream, true) < 0)
    return NULL;
  if (coilbox_begin_start(&writer, buffer, sizeof buffer) < 0 ||
      coilbox_write_array(&writer, 2) < 0 ||
      coilbox_write_int(&writer, (int64_t)stream->handle) < 0 ||
      coilbox_write_int(&writer, (int64_t)stream->window) < 0) {
    coilbox_writer_free(&writer);
    return NULL;
  }
  return coilbox_begin(COILBOX_CONTROL | COILBOX_NEXT, &writer, self, 0, NULL);
}

/* A tuple of the next item, or None if none is at hand; StopAsyncIteration at the end. */
static PyObject *stream_take(PyObject *self, PyObject *ignored) {
  (void)ignored;
  stream_object *stream = (stream_object *)self;
  PyObject *item = next_item(stream);
  if (item)
    return Py_BuildValue("(N)", item);
  if (stream->handle)
    Py_RETURN_NONE;
  PyErr_SetNone(PyExc_StopAsyncIteration);
  return NULL;
}

/* ---- closing ---- */

static PyObject *stream_close(PyObject *self, PyObject *ignored) {
  (void)ignored;
  stream_object *stream = (stream_object *)self;
  uint64_t handle = stream->handle;
  end(stream);
  forget_items(stream);
  PyObject *waiting = stream->waiting;
  stream->waiting = Py_NewRef(Py_None);
  PyObject *cancelled =
      waiting == Py_None ? Py_NewRef(Py_None) : PyObject_CallMethod(waiting, "cancel", NULL);
  Py_DECREF(waiting);
  if (cancelled == NULL)
    return NULL;
  Py_DECREF(cancelled);
  coilbox_flush_dropped();
  return handle && coilbox_close_handle(handle) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *stream_enter(PyObject *self, PyObject *ignored) {
  (void)ignored;
  return Py_NewRef(self);
}

static PyObject *stream_exit(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  (void)args;
  (void)count;
  return stream_close(self, NULL);
}

static PyObject *stream_aenter(PyObject *self, PyObject *ignored) {
  (void)ignored;
  return coilbox_ready(Py_NewRef(self));
}

static PyObject *stream_aexit(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  return coilbox_ready(stream_exit(self, args, count));
}

static int stream_traverse(PyObject *self, visitproc visit, void *arg) {
  stream_object *stream = (stream_object *)self;
  Py_VISIT(stream->module);
  Py_VISIT(stream->exports);
  Py_VISIT(stream->owner);
  Py_VISIT(stream->waiting);
  for (size_t i = stream->position; i < stream->count; i++)
    Py_VISIT(stream->items[i]);
  return 0;
}

static int stream_clear(PyObject *self) {
  stream_object *stream = (stream_object *)self;
  coilbox_drop_handle(stream->handle);
  end(stream);
  forget_items(stream);
  Py_XSETREF(stream->waiting, Py_NewRef(Py_None));
  return 0;
}

static void stream_dealloc(PyObject *self) {
  stream_object *stream = (stream_object *)self;
  PyObject_GC_UnTrack(self);
  stream_clear(self);
  Py_XDECREF(stream->waiting);
  Py_XDECREF(stream->module);
  Py_TYPE(self)->tp_free(self);
}

static PyMethodDef methods[] = {
    {"close", stream_close, METH_NOARGS, "End it: the host frees what it holds for it."},
    {"_begin", stream_begin, METH_NOARGS, NULL},
    {"_take", stream_take, METH_NOARGS, NULL},
    {"__enter__", stream_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))stream_exit, METH_FASTCALL, NULL},
    {"__aenter__", stream_aenter, METH_NOARGS, NULL},
    {"__aexit__", (PyCFunction)(void (*)(void))stream_aexit, METH_FASTCALL, NULL},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"_waiting", Py_T_OBJECT_EX, offsetof(stream_object, waiting), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyObject *itself(PyObject *self) { return Py_NewRef(self); }

static PyAsyncMethods stream_async = {.am_aiter = itself, .am_anext = stream_anext};

PyTypeObject coilbox_stream_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "coilbox._bindings.Stream",
    .tp_doc = "Values that the host sends: read them with ``for`` or ``async for``.",
    .tp_basicsize = sizeof(stream_object),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = stream_dealloc,
    .tp_traverse = stream_traverse,
    .tp_clear = stream_clear,
    .tp_as_async = &stream_async,
    .tp_iter = itself,
    .tp_iternext = stream_next,
    .tp_methods = methods,
    .tp_members = members,
};
