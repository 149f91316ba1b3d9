/* The built-in module _coilbox: what the guest's Python side needs from C. */
#include "bridge.h"

#include <stdio.h>

coilbox_hooks_t coilbox_hooks;
size_t coilbox_value_limit = SIZE_MAX;

/* Takes the hooks of a struct of objects from keyword arguments of their names. References are kept
 * for ever: the module is set up once. */
static PyObject *take_hooks(PyObject **hooks, const char *const *names, PyObject *kwargs) {
  for (; *names; names++, hooks++) {
    PyObject *hook = kwargs ? PyDict_GetItemString(kwargs, *names) : NULL;
    if (hook == NULL) {
      PyErr_Format(PyExc_TypeError, "the hook %s is missing", *names);
      return NULL;
    }
    *hooks = Py_NewRef(hook);
  }
  Py_RETURN_NONE;
}

static PyObject *set_hooks(PyObject *module, PyObject *args, PyObject *kwargs) {
  (void)module;
  (void)args;
  static const char *const names[] = {"handle",     "unsendable", "reduce", "restore",
                                      "zone_out",   "zone_in",    "host_error", "frozen",
                                      "stale",      "decimal",    "uuid",   NULL};
  _Static_assert(sizeof names / sizeof *names - 1 == sizeof coilbox_hooks / sizeof(PyObject *), "");
  return take_hooks((PyObject **)&coilbox_hooks, names, kwargs);
}

static PyObject *set_bridge_hooks(PyObject *module, PyObject *args, PyObject *kwargs) {
  (void)module;
  (void)args;
  static const char *const names[] = {"find_plan", "export",  "lend",
                                      "release",   "pending", "read_more", NULL};
  _Static_assert(
      sizeof names / sizeof *names - 1 == sizeof coilbox_bridge_hooks / sizeof(PyObject *), "");
  return take_hooks((PyObject **)&coilbox_bridge_hooks, names, kwargs);
}

/* control(message, arguments): send a control message. */
static PyObject *control(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  (void)module;
  unsigned long message = count == 2 ? PyLong_AsUnsignedLong(args[0]) : COILBOX_OPERATION;
  if (message >= COILBOX_OPERATION || !PyList_Check(args[1])) {
    if (!PyErr_Occurred())
      PyErr_SetString(PyExc_TypeError, "control(message, arguments)");
    return NULL;
  }
  uint8_t buffer[512];
  coilbox_writer writer;
  coilbox_writer_start(&writer, buffer, sizeof buffer);
  if (coilbox_write_value(&writer, args[1]) < 0) {
    coilbox_writer_free(&writer);
    return NULL;
  }
  coilbox_reply reply;
  if (coilbox_send(COILBOX_CONTROL | (uint32_t)message, &writer, &reply) < 0)
    return NULL;
  PyObject *value = coilbox_read_reply(&reply, NULL, NULL);
  coilbox_reply_free(&reply);
  return value;
}

static PyObject *encode(PyObject *module, PyObject *value) {
  (void)module;
  uint8_t buffer[512];
  coilbox_writer writer;
  coilbox_writer_start(&writer, buffer, sizeof buffer);
  PyObject *data = NULL;
  if (coilbox_encode(&writer, value, "value") == 0)
    data = PyBytes_FromStringAndSize((char *)writer.data, (Py_ssize_t)writer.length);
  coilbox_writer_free(&writer);
  return data;
}

static PyObject *decode(PyObject *module, PyObject *data) {
  (void)module;
  Py_buffer view;
  if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
    return NULL;
  PyObject *value = coilbox_decode(view.buf, (size_t)view.len);
  PyBuffer_Release(&view);
  return value;
}

/* C code that prints goes through libc's own buffers. */
static PyObject *flush_stdio(PyObject *module, PyObject *ignored) {
  (void)module;
  (void)ignored;
  fflush(stdout);
  fflush(stderr);
  Py_RETURN_NONE;
}

static PyObject *limit_value(PyObject *module, PyObject *size) {
  (void)module;
  coilbox_value_limit = PyLong_AsSize_t(size);
  if (PyErr_Occurred())
    return NULL;
  Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"limit_value", limit_value, METH_O, "limit_value(bytes): how long the host takes a reply."},
    {"set_hooks", (PyCFunction)(void (*)(void))set_hooks, METH_VARARGS | METH_KEYWORDS,
     "Give C the functions that it calls; once, at boot."},
    {"set_bridge_hooks", (PyCFunction)(void (*)(void))set_bridge_hooks,
     METH_VARARGS | METH_KEYWORDS, "Give the bridge the functions that it calls; once, at boot."},
    {"control", (PyCFunction)(void (*)(void))control, METH_FASTCALL,
     "control(message, arguments): send a control message to the host."},
    {"wait", coilbox_wait, METH_O,
     "wait(seconds): for pending calls to end, or for the host to call; None is without end."},
    {"cancel", coilbox_cancel, METH_O, "cancel(number): forget a pending call."},
    {"are_pending", coilbox_are_pending, METH_NOARGS, "Whether there are pending calls."},
    {"host_function", (PyCFunction)(void (*)(void))coilbox_host_function, METH_FASTCALL,
     "host_function(number, name, module_name, doc): a callable for a function of the host."},
    {"encode", encode, METH_O, "The value as bytes of the codec."},
    {"decode", decode, METH_O, "The value that bytes of the codec hold."},
    {"flush_stdio", flush_stdio, METH_NOARGS, "Write out what C code has printed."},
    {"freeze", coilbox_freeze, METH_NOARGS,
     "Make everything that lives now immortal, so that using it writes no reference counts."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_coilbox", .m_size = -1, .m_methods = methods};

static int add_types(PyObject *module) {
  PyTypeObject *types[] = {&coilbox_module_type,  &coilbox_stream_type,  &coilbox_ready_type,
                           &coilbox_record_type,  &coilbox_resource_type, &coilbox_default_type};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (PyModule_AddType(module, types[i]) < 0)
      return -1;
  return 0;
}

PyMODINIT_FUNC PyInit__coilbox(void) {
  PyObject *module = coilbox_datetime_init() < 0 ? NULL : PyModule_Create(&definition);
  if (module && add_types(module) < 0)
    Py_CLEAR(module);
  return module;
}
