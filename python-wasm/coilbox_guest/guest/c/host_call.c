/* Calls from guest Python to the host, and functions of `coilbox.host`, whose values have no types. */
#include "bridge.h"

#include <stddef.h>
#include <string.h>

#define FROM_HOST(name) __attribute__((import_module("coilbox"), import_name(#name)))

FROM_HOST(host_call)
uint32_t coilbox_host_call(uint32_t function, const void *args, size_t args_size, void *reply,
                           size_t reply_capacity);
FROM_HOST(host_reply) uint32_t coilbox_host_reply(void *reply, size_t reply_capacity);

/* Small calls need no heap. On the stack, because the host may call back into the guest. */
enum { ARGS_ON_STACK = 1024 };

/* ---- large replies ----
 *
 * Most of them are `[0, bytes]`. So every large reply is fetched into a bytes object of the length
 * that it would then have, and begins in that object's own head, over fields that are put back: the
 * bytes then lie where they must, and nothing is copied.
 */
enum { BEFORE_BYTES = 7 }; /* array of two, status 0, bin 32 and its length */
_Static_assert(offsetof(PyBytesObject, ob_sval) >= offsetof(PyVarObject, ob_size) + BEFORE_BYTES,
               "the head of a reply would overwrite a reference count");

static uint8_t *large_start(const coilbox_reply *reply) {
  return (uint8_t *)reply->large->ob_sval - BEFORE_BYTES;
}

static int fetch_large(coilbox_reply *reply) {
  reply->large = (PyBytesObject *)PyBytes_FromStringAndSize(NULL, (Py_ssize_t)reply->size - BEFORE_BYTES);
  if (reply->large == NULL)
    return -1;
  uint8_t *start = large_start(reply);
  memcpy(reply->saved, start, BEFORE_BYTES);
  reply->data = start;
  if (coilbox_host_reply(start, reply->size) == reply->size)
    return 0;
  coilbox_reply_free(reply);
  coilbox_malformed("a reply that changed its length");
  return -1;
}

static PyObject *give_back_head(coilbox_reply *reply) {
  PyObject *bytes = (PyObject *)reply->large;
  memcpy(large_start(reply), reply->saved, BEFORE_BYTES);
  reply->large = NULL;
  return bytes;
}

PyObject *coilbox_reply_bytes(coilbox_reply *reply) {
  static const uint8_t head[] = {0x92, 0x00, 0xc6};
  if (reply->large == NULL || memcmp(reply->data, head, sizeof head) != 0)
    return NULL;
  size_t size = 0;
  for (size_t i = sizeof head; i < BEFORE_BYTES; i++)
    size = size << 8 | reply->data[i];
  return size == reply->size - BEFORE_BYTES ? give_back_head(reply) : NULL;
}

void coilbox_reply_free(coilbox_reply *reply) {
  if (reply->large)
    Py_DECREF(give_back_head(reply));
}

/* ---- sending ---- */

int coilbox_exchange(uint32_t function, const void *data, size_t size, coilbox_reply *reply) {
  reply->large = NULL;
  reply->data = reply->small;
  reply->size = coilbox_host_call(function, data, size, reply->small, sizeof reply->small);
  return reply->size <= sizeof reply->small ? 0 : fetch_large(reply);
}

int coilbox_send(uint32_t function, coilbox_writer *writer, coilbox_reply *reply) {
  int failed = coilbox_flush_pending() < 0 ||
               coilbox_exchange(function, writer->data, writer->length, reply) < 0;
  coilbox_writer_free(writer);
  return failed ? -1 : 0;
}

int coilbox_control(uint32_t message, const uint64_t *args, size_t count, coilbox_reply *reply) {
  uint8_t buffer[32];
  coilbox_writer writer;
  coilbox_writer_start(&writer, buffer, sizeof buffer);
  int failed = coilbox_write_array(&writer, count);
  for (size_t i = 0; !failed && i < count; i++)
    failed = coilbox_write_int(&writer, (int64_t)args[i]);
  if (!failed)
    return coilbox_send(COILBOX_CONTROL | message, &writer, reply);
  coilbox_writer_free(&writer);
  return -1;
}

/* ---- untyped functions ---- */

static int write_arguments(coilbox_writer *writer, PyObject *const *args, Py_ssize_t count,
                           PyObject *names) {
  if (coilbox_write_array(writer, 2) < 0 || coilbox_write_array(writer, (size_t)count) < 0)
    return -1;
  writer->depth = 2;
  for (Py_ssize_t i = 0; i < count; i++) {
    if (coilbox_write_value(writer, args[i]) < 0) {
      char place[32];
      PyOS_snprintf(place, sizeof place, "argument %zd", i + 1);
      coilbox_name_place(writer, place);
      return -1;
    }
  }
  Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
  if (coilbox_write_map(writer, (size_t)named) < 0)
    return -1;
  for (Py_ssize_t i = 0; i < named; i++) {
    PyObject *name = PyTuple_GET_ITEM(names, i);
    if (coilbox_write_value(writer, name) < 0)
      return -1;
    if (coilbox_encode(writer, args[count + i], "keyword argument") < 0)
      return -1;
  }
  return 0;
}

/* The method of every host function; `self` is the function's number. */
static PyObject *call_host(PyObject *self, PyObject *const *args, Py_ssize_t count,
                           PyObject *names) {
  uint8_t arguments[ARGS_ON_STACK];
  coilbox_writer writer;
  coilbox_writer_start(&writer, arguments, sizeof arguments);
  if (write_arguments(&writer, args, count, names) < 0) {
    coilbox_writer_free(&writer);
    return NULL;
  }
  coilbox_reply reply;
  if (coilbox_send((uint32_t)PyLong_AsUnsignedLong(self), &writer, &reply) < 0)
    return NULL;
  PyObject *value = coilbox_read_reply(&reply, NULL, NULL);
  coilbox_reply_free(&reply);
  return value;
}

PyObject *coilbox_host_function(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  (void)module;
  if (count != 4 || !PyLong_Check(args[0]) || !PyUnicode_Check(args[1]) ||
      !PyUnicode_Check(args[3])) {
    PyErr_SetString(PyExc_TypeError, "host_function(number, name, module_name, doc)");
    return NULL;
  }
  Py_ssize_t size, doc_size;
  const char *name = PyUnicode_AsUTF8AndSize(args[1], &size);
  const char *doc = name ? PyUnicode_AsUTF8AndSize(args[3], &doc_size) : NULL;
  if (doc == NULL)
    return NULL;
  /* Both texts must outlive the function; functions live as long as the guest. */
  PyMethodDef *method = PyMem_RawCalloc(1, sizeof *method + (size_t)size + (size_t)doc_size + 2);
  if (method == NULL)
    return PyErr_NoMemory();
  char *copy = (char *)(method + 1);
  memcpy(copy, name, (size_t)size);
  method->ml_name = copy;
  copy += size + 1;
  memcpy(copy, doc, (size_t)doc_size);
  method->ml_doc = copy; /* its first line has the signature, as CPython reads it */
  method->ml_meth = (PyCFunction)(void (*)(void))call_host;
  method->ml_flags = METH_FASTCALL | METH_KEYWORDS;
  return PyCFunction_NewEx(method, args[0], args[2]);
}
