/* Calls from guest Python to host functions. */
#include "coilbox.h"

#define FROM_HOST(name) __attribute__((import_module("coilbox"), import_name(#name)))

FROM_HOST(host_call)
uint32_t coilbox_host_call(uint32_t function, const void *args, size_t args_size, void *reply,
                           size_t reply_capacity);
FROM_HOST(host_reply) uint32_t coilbox_host_reply(void *reply, size_t reply_capacity);

/* Small calls need no heap. On the stack, because the host may call back into the guest. */
enum { ARGS_ON_STACK = 1024, REPLY_ON_STACK = 4096 };

static int write_arguments(coilbox_writer *writer, PyObject *const *args, Py_ssize_t count,
                           PyObject *names) {
  if (coilbox_write_array(writer, 2) < 0 || coilbox_write_array(writer, (size_t)count) < 0)
    return -1;
  writer->depth = 2;
  for (Py_ssize_t i = 0; i < count; i++) {
    char place[32];
    PyOS_snprintf(place, sizeof place, "argument %zd", i + 1);
    if (coilbox_encode(writer, args[i], place) < 0)
      return -1;
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

static PyObject *take_reply(PyObject *reply) {
  PyObject *value = NULL;
  long status = -1;
  if (PyList_CheckExact(reply) && PyList_GET_SIZE(reply) == 2) {
    status = PyLong_AsLong(PyList_GET_ITEM(reply, 0));
    value = PyList_GET_ITEM(reply, 1);
  }
  if (status == 0)
    return Py_NewRef(value);
  if (status != 1)
    return PyErr_Occurred() ? NULL : coilbox_malformed("a reply to a host call without its list");
  PyObject *error = PyObject_CallOneArg(coilbox_hooks.host_error, value);
  if (error && PyExceptionInstance_Check(error))
    PyErr_SetObject((PyObject *)Py_TYPE(error), error);
  Py_XDECREF(error);
  return NULL;
}

static PyObject *receive(const void *data, size_t size) {
  PyObject *reply = coilbox_decode(data, size);
  if (reply == NULL)
    return NULL;
  PyObject *value = take_reply(reply);
  Py_DECREF(reply);
  return value;
}

static PyObject *receive_long(size_t size) {
  void *buffer = PyMem_RawMalloc(size);
  if (buffer == NULL)
    return PyErr_NoMemory();
  PyObject *value = coilbox_host_reply(buffer, size) == size
                        ? receive(buffer, size)
                        : coilbox_malformed("a reply that changed its length");
  PyMem_RawFree(buffer);
  return value;
}

/* The method of every host function; `self` is the function's number. */
static PyObject *call_host(PyObject *self, PyObject *const *args, Py_ssize_t count,
                           PyObject *names) {
  uint32_t function = (uint32_t)PyLong_AsUnsignedLong(self);
  uint8_t arguments[ARGS_ON_STACK], reply[REPLY_ON_STACK];
  coilbox_writer writer;
  coilbox_writer_start(&writer, arguments, sizeof arguments);
  int failed = write_arguments(&writer, args, count, names);
  size_t size = 0;
  if (!failed)
    size = coilbox_host_call(function, writer.data, writer.length, reply, sizeof reply);
  coilbox_writer_free(&writer);
  if (failed)
    return NULL;
  return size <= sizeof reply ? receive(reply, size) : receive_long(size);
}

PyObject *coilbox_host_function(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  (void)module;
  if (count != 3 || !PyLong_Check(args[0]) || !PyUnicode_Check(args[1])) {
    PyErr_SetString(PyExc_TypeError, "host_function(number, name, module_name)");
    return NULL;
  }
  Py_ssize_t size;
  const char *name = PyUnicode_AsUTF8AndSize(args[1], &size);
  /* The name must outlive the function; functions live as long as the guest. */
  PyMethodDef *method = name ? PyMem_RawCalloc(1, sizeof *method + (size_t)size + 1) : NULL;
  if (method == NULL)
    return name ? PyErr_NoMemory() : NULL;
  char *copy = (char *)(method + 1);
  memcpy(copy, name, (size_t)size);
  method->ml_name = copy;
  method->ml_meth = (PyCFunction)(void (*)(void))call_host;
  method->ml_flags = METH_FASTCALL | METH_KEYWORDS;
  return PyCFunction_NewEx(method, args[0], args[2]);
}
