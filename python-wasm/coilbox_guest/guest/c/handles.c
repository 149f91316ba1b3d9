/* Resources: objects that stay on the host, and the handles that nobody needs any more. */
#include "bridge.h"

#include <string.h>

/* ---- what finalizers leave to do ----
 *
 * They run anywhere, in the middle of another call, too. So they only note what is to be done, and
 * the next call does it first.
 */
static uint64_t *dropped;
static size_t dropped_count, dropped_capacity;
static PyObject *dropped_exports; /* list of lists, or NULL */

void coilbox_drop_handle(uint64_t handle) {
  if (handle == 0)
    return;
  if (dropped_count == dropped_capacity) {
    size_t capacity = dropped_capacity ? 2 * dropped_capacity : 64;
    uint64_t *larger = PyMem_RawRealloc(dropped, capacity * sizeof *larger);
    if (larger == NULL)
      return; /* the host closes it with the sandbox */
    dropped = larger;
    dropped_capacity = capacity;
  }
  dropped[dropped_count++] = handle;
}

void coilbox_drop_exports(PyObject *exports) {
  if (exports == NULL)
    return;
  PyObject *error = PyErr_GetRaisedException();
  if (dropped_exports == NULL)
    dropped_exports = PyList_New(0);
  if (dropped_exports == NULL || PyList_Append(dropped_exports, exports) < 0)
    PyErr_Clear();
  Py_DECREF(exports);
  PyErr_SetRaisedException(error);
}

int coilbox_close_handle(uint64_t handle) {
  coilbox_reply reply;
  if (coilbox_control(COILBOX_CLOSE, &handle, 1, &reply) < 0)
    return -1;
  PyObject *value = coilbox_read_reply(&reply, NULL, NULL);
  coilbox_reply_free(&reply);
  Py_XDECREF(value);
  return value ? 0 : -1;
}

void coilbox_flush_dropped(void) {
  if (dropped_count == 0 && dropped_exports == NULL)
    return;
  PyObject *error = PyErr_GetRaisedException();
  while (dropped_count) {
    uint64_t handle = dropped[--dropped_count];
    if (coilbox_close_handle(handle) < 0)
      PyErr_Clear();
  }
  PyObject *exports = dropped_exports;
  dropped_exports = NULL;
  for (Py_ssize_t i = 0; exports && i < PyList_GET_SIZE(exports); i++) {
    PyObject *done =
        PyObject_CallOneArg(coilbox_bridge_hooks.release, PyList_GET_ITEM(exports, i));
    if (done == NULL)
      PyErr_Clear();
    Py_XDECREF(done);
  }
  Py_XDECREF(exports);
  PyErr_SetRaisedException(error);
}

/* ---- resources ---- */

typedef struct {
  PyObject_HEAD
  uint64_t handle; /* 0: closed */
} resource_object;

PyObject *coilbox_resource_new(PyTypeObject *class, uint64_t handle) {
  resource_object *made = (resource_object *)class->tp_alloc(class, 0);
  if (made)
    made->handle = handle;
  else
    coilbox_drop_handle(handle);
  return (PyObject *)made;
}

uint64_t coilbox_resource_handle(PyObject *resource) {
  return ((resource_object *)resource)->handle;
}

static PyObject *refuse_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  (void)args;
  (void)kwargs;
  PyErr_Format(PyExc_TypeError, "%N objects come from functions of the host only", type);
  return NULL;
}

static void resource_dealloc(PyObject *self) {
  coilbox_drop_handle(((resource_object *)self)->handle);
  Py_TYPE(self)->tp_free(self);
}

static int close_resource(PyObject *self) {
  resource_object *resource = (resource_object *)self;
  uint64_t handle = resource->handle;
  resource->handle = 0;
  return handle == 0 ? 0 : coilbox_close_handle(handle);
}

static PyObject *resource_close(PyObject *self, PyObject *ignored) {
  (void)ignored;
  return close_resource(self) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *resource_enter(PyObject *self, PyObject *ignored) {
  (void)ignored;
  return Py_NewRef(self);
}

static PyObject *resource_exit(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  (void)args;
  (void)count;
  return resource_close(self, NULL);
}

static PyObject *resource_aenter(PyObject *self, PyObject *ignored) {
  (void)ignored;
  return coilbox_ready(Py_NewRef(self));
}

static PyObject *resource_aexit(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  return coilbox_ready(resource_exit(self, args, count));
}

static PyMethodDef methods[] = {
    {"close", resource_close, METH_NOARGS, "Let the host free it; it cannot be used any more."},
    {"__enter__", resource_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))resource_exit, METH_FASTCALL, NULL},
    {"__aenter__", resource_aenter, METH_NOARGS, NULL},
    {"__aexit__", (PyCFunction)(void (*)(void))resource_aexit, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject coilbox_resource_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "coilbox._bindings.Resource",
    .tp_doc = "An object of the host. Close it, or use it with ``with``.",
    .tp_basicsize = sizeof(resource_object),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = refuse_new,
    .tp_dealloc = resource_dealloc,
    .tp_methods = methods,
};
