/* The built-in module _coilbox: what the guest's Python side needs from C. */
#include "coilbox.h"

#include <stdio.h>

coilbox_hooks_t coilbox_hooks;

static PyObject *set_hooks(PyObject *module, PyObject *args, PyObject *kwargs) {
  (void)module;
  static char *names[] = {"handle",   "unsendable", "reduce",     "restore",
                          "zone_out", "zone_in",    "host_error", NULL};
  coilbox_hooks_t hooks;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$OOOOOOO", names, &hooks.handle,
                                   &hooks.unsendable, &hooks.reduce, &hooks.restore,
                                   &hooks.zone_out, &hooks.zone_in, &hooks.host_error))
    return NULL;
  /* References are kept for ever: the module is set up once. */
  for (PyObject **hook = (PyObject **)&hooks; hook != (PyObject **)(&hooks + 1); hook++)
    Py_INCREF(*hook);
  coilbox_hooks = hooks;
  Py_RETURN_NONE;
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

static PyMethodDef methods[] = {
    {"set_hooks", (PyCFunction)(void (*)(void))set_hooks, METH_VARARGS | METH_KEYWORDS,
     "Give C the functions that it calls; once, at boot."},
    {"host_function", (PyCFunction)(void (*)(void))coilbox_host_function, METH_FASTCALL,
     "host_function(number, name, module_name): a callable for a function of the host."},
    {"encode", encode, METH_O, "The value as bytes of the codec."},
    {"decode", decode, METH_O, "The value that bytes of the codec hold."},
    {"flush_stdio", flush_stdio, METH_NOARGS, "Write out what C code has printed."},
    {"freeze", coilbox_freeze, METH_NOARGS,
     "Make everything that lives now immortal, so that using it writes no reference counts."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_coilbox", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit__coilbox(void) {
  return coilbox_datetime_init() < 0 ? NULL : PyModule_Create(&definition);
}
