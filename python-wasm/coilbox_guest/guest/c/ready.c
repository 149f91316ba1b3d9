/* A value that is awaited though it is there, such as an item of a stream that is at hand. */
#include "bridge.h"

typedef struct {
  PyObject_HEAD
  PyObject *value; /* NULL once it was taken */
} ready_object;

PyObject *coilbox_ready(PyObject *value) {
  ready_object *made = PyObject_New(ready_object, &coilbox_ready_type);
  if (made)
    made->value = value;
  else
    Py_DECREF(value);
  return (PyObject *)made;
}

static PyObject *ready_await(PyObject *self) {
  return Py_NewRef(self);
}

static PySendResult ready_send(PyObject *self, PyObject *ignored, PyObject **result) {
  (void)ignored;
  ready_object *ready = (ready_object *)self;
  *result = ready->value;
  ready->value = NULL;
  if (*result)
    return PYGEN_RETURN;
  PyErr_SetString(PyExc_RuntimeError, "awaited twice");
  return PYGEN_ERROR;
}

/* For code that awaits by hand. */
static PyObject *ready_next(PyObject *self) {
  PyObject *value;
  if (ready_send(self, NULL, &value) == PYGEN_ERROR)
    return NULL;
  /* Not PyErr_SetObject: it would take a tuple for the exception's arguments. */
  PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);
  Py_DECREF(value);
  if (stop)
    PyErr_SetRaisedException(stop);
  return NULL;
}

static void ready_dealloc(PyObject *self) {
  Py_XDECREF(((ready_object *)self)->value);
  PyObject_Free(self);
}

static PyAsyncMethods ready_async = {.am_await = ready_await, .am_send = ready_send};

PyTypeObject coilbox_ready_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "coilbox._bindings.Ready",
    .tp_doc = "An awaitable that has its value.",
    .tp_basicsize = sizeof(ready_object),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = ready_dealloc,
    .tp_as_async = &ready_async,
    .tp_iter = ready_await,
    .tp_iternext = ready_next,
};
