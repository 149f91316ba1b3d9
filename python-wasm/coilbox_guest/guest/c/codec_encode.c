/* Python values to MessagePack: which of the codec's types each has, and what it holds. */
#include "coilbox.h"

#include <string.h>

/* Values of one byte. */
enum { NONE_BYTE = 0xc0, FALSE_BYTE = 0xc2, TRUE_BYTE = 0xc3 };

/* ---- containers ---- */

int coilbox_enter(coilbox_writer *writer) {
  if (++writer->depth > COILBOX_MAX_DEPTH) {
    PyErr_Format(PyExc_ValueError, "nested deeper than %d levels, or contains itself",
                 COILBOX_MAX_DEPTH);
    return -1;
  }
  return 0;
}

/* Adds a step to the place of the value that could not be written; `step` is stolen. */
void coilbox_note_step(coilbox_writer *writer, PyObject *step) {
  PyObject *error = PyErr_GetRaisedException();
  if (writer->path == NULL)
    writer->path = PyList_New(0);
  if (step == NULL || writer->path == NULL || PyList_Append(writer->path, step) < 0)
    PyErr_Clear();
  Py_XDECREF(step);
  PyErr_SetRaisedException(error);
}

/* Written values may run Python code (properties of dataclasses), so containers may change. */
static int changed(void) {
  PyErr_SetString(PyExc_RuntimeError, "a container changed while it was being sent");
  return -1;
}

static int write_items(coilbox_writer *writer, PyObject *sequence) {
  Py_ssize_t count = PySequence_Fast_GET_SIZE(sequence);
  if (coilbox_enter(writer) < 0 || coilbox_write_array(writer, (size_t)count) < 0)
    return -1;
  for (Py_ssize_t i = 0; i < count; i++) {
    if (i >= PySequence_Fast_GET_SIZE(sequence))
      return changed();
    PyObject *item = Py_NewRef(PySequence_Fast_GET_ITEM(sequence, i));
    int failed = coilbox_write_value(writer, item);
    Py_DECREF(item);
    if (failed) {
      coilbox_note_step(writer, PyUnicode_FromFormat("[%zd]", i));
      return -1;
    }
  }
  writer->depth--;
  return PySequence_Fast_GET_SIZE(sequence) == count ? 0 : changed();
}

static int write_pair(coilbox_writer *writer, PyObject *key, PyObject *value) {
  if (coilbox_write_value(writer, key) < 0) {
    coilbox_note_step(writer, PyUnicode_FromFormat(" key of type %s", Py_TYPE(key)->tp_name));
    return -1;
  }
  if (coilbox_write_value(writer, value) < 0) {
    bool plain = PyUnicode_CheckExact(key) || PyLong_CheckExact(key);
    coilbox_note_step(writer, plain ? PyUnicode_FromFormat("[%.80R]", key)
                            : PyUnicode_FromFormat("[<%s>]", Py_TYPE(key)->tp_name));
    return -1;
  }
  return 0;
}

static int write_dict(coilbox_writer *writer, PyObject *dict) {
  Py_ssize_t count = PyDict_GET_SIZE(dict), position = 0, written = 0;
  if (coilbox_enter(writer) < 0 || coilbox_write_map(writer, (size_t)count) < 0)
    return -1;
  PyObject *key, *value;
  while (PyDict_Next(dict, &position, &key, &value)) {
    Py_INCREF(key);
    Py_INCREF(value);
    int failed = ++written > count ? changed() : write_pair(writer, key, value);
    Py_DECREF(key);
    Py_DECREF(value);
    if (failed)
      return -1;
  }
  writer->depth--;
  return written == count ? 0 : changed();
}

/* An OrderedDict has an order of its own, which PyDict_Next does not follow. */
static int write_ordered(coilbox_writer *writer, PyObject *dict) {
  PyObject *plain = PyDict_New();
  PyObject *items = plain ? PyMapping_Items(dict) : NULL;
  int result = -1;
  if (items && PyDict_MergeFromSeq2(plain, items, 1) == 0)
    result = write_dict(writer, plain);
  Py_XDECREF(items);
  Py_XDECREF(plain);
  return result;
}

static int write_sequence_ext(coilbox_writer *writer, PyObject *value, int code) {
  size_t start;
  PyObject *items = PySequence_Tuple(value); /* the same tuple if it is one */
  int failed = items == NULL || coilbox_open_ext(writer, &start) < 0 ||
               write_items(writer, items) < 0 || coilbox_close_ext(writer, start, code) < 0;
  Py_XDECREF(items);
  return failed ? -1 : 0;
}

/* ---- values ---- */

static int write_payload(coilbox_writer *writer, PyObject *payload) {
  if (!PyUnicode_Check(payload) && !PyBytes_Check(payload))
    return coilbox_write_value(writer, payload);
  /* Text and bytes stand for themselves: the extension value has no header but its own. */
  Py_ssize_t size;
  const char *data;
  if (PyUnicode_Check(payload)) {
    data = PyUnicode_AsUTF8AndSize(payload, &size);
  } else {
    data = PyBytes_AS_STRING(payload);
    size = PyBytes_GET_SIZE(payload);
  }
  uint8_t *room = data ? coilbox_writer_extend(writer, (size_t)size) : NULL;
  if (room == NULL)
    return -1;
  memcpy(room, data, (size_t)size);
  return 0;
}

static int write_reduced(coilbox_writer *writer, PyObject *reduced) {
  int code;
  PyObject *payload;
  if (!PyArg_ParseTuple(reduced, "iO", &code, &payload))
    return -1;
  size_t start;
  if (coilbox_open_ext(writer, &start) < 0 || write_payload(writer, payload) < 0)
    return -1;
  return coilbox_close_ext(writer, start, code);
}

static int write_subclass(coilbox_writer *writer, PyObject *value) {
  if (PyUnicode_Check(value))
    return coilbox_write_text(writer, value);
  if (PyLong_Check(value))
    return coilbox_write_long(writer, value);
  if (PyFloat_Check(value))
    return coilbox_write_float(writer, PyFloat_AS_DOUBLE(value));
  if (PyODict_Check(value))
    return write_ordered(writer, value);
  if (PyDict_Check(value))
    return write_dict(writer, value);
  if (PyList_Check(value))
    return write_items(writer, value);
  if (PyTuple_Check(value)) {
    PyObject *plain = PyTuple_GetSlice(value, 0, PY_SSIZE_T_MAX);
    int result = plain ? write_sequence_ext(writer, plain, COILBOX_EXT_TUPLE) : -1;
    Py_XDECREF(plain);
    return result;
  }
  if (PyAnySet_Check(value)) {
    PyObject *plain = PyFrozenSet_New(value);
    int code = PyFrozenSet_Check(value) ? COILBOX_EXT_FROZENSET : COILBOX_EXT_SET;
    int result = plain ? write_sequence_ext(writer, plain, code) : -1;
    Py_XDECREF(plain);
    return result;
  }
  if (PyBytes_Check(value) || PyByteArray_Check(value) || PyMemoryView_Check(value))
    return coilbox_write_bytes(writer, value);
  if (PyComplex_Check(value))
    return coilbox_write_complex(writer, value);
  int written = coilbox_write_datetime(writer, value, false);
  if (written)
    return written < 0 ? -1 : 0;
  PyErr_Format(PyExc_TypeError, "cannot send a value of type %T", value);
  return -1;
}

static int write_other(coilbox_writer *writer, PyObject *value) {
  PyObject *reduced = PyObject_CallOneArg(coilbox_hooks.reduce, value);
  if (reduced == NULL)
    return -1;
  int result;
  if (reduced == Py_None) {
    result = write_subclass(writer, value);
  } else {
    result = coilbox_enter(writer) < 0 ? -1 : write_reduced(writer, reduced);
    writer->depth--;
  }
  Py_DECREF(reduced);
  return result;
}

int coilbox_write_value(coilbox_writer *writer, PyObject *value) {
  PyTypeObject *type = Py_TYPE(value);
  if (type == &PyUnicode_Type)
    return coilbox_write_text(writer, value);
  if (type == &PyLong_Type)
    return coilbox_write_long(writer, value);
  if (type == &PyFloat_Type)
    return coilbox_write_float(writer, PyFloat_AS_DOUBLE(value));
  if (value == Py_None)
    return coilbox_write_byte(writer, NONE_BYTE);
  if (type == &PyBool_Type)
    return coilbox_write_byte(writer, value == Py_True ? TRUE_BYTE : FALSE_BYTE);
  if (type == &PyDict_Type)
    return write_dict(writer, value);
  if (type == &PyList_Type)
    return write_items(writer, value);
  if (type == &PyTuple_Type)
    return write_sequence_ext(writer, value, COILBOX_EXT_TUPLE);
  if (type == &PyBytes_Type)
    return coilbox_write_bytes(writer, value);
  if (type == &PySet_Type)
    return write_sequence_ext(writer, value, COILBOX_EXT_SET);
  if (type == &PyFrozenSet_Type)
    return write_sequence_ext(writer, value, COILBOX_EXT_FROZENSET);
  int written = coilbox_write_datetime(writer, value, true);
  if (written)
    return written < 0 ? -1 : 0;
  return write_other(writer, value);
}

/* Only TypeError and ValueError get a place: others are not about a value. */
void coilbox_name_place(coilbox_writer *writer, const char *root) {
  PyObject *error = PyErr_GetRaisedException();
  PyObject *type = (PyObject *)Py_TYPE(error);
  if (type != PyExc_TypeError && type != PyExc_ValueError) {
    PyErr_SetRaisedException(error);
    return;
  }
  PyObject *empty = PyUnicode_FromString("");
  PyObject *place = NULL;
  if (empty && writer->path && PyList_Reverse(writer->path) == 0) {
    /* 128 steps say no more than the first of them. */
    PyObject *steps = PyList_GetSlice(writer->path, 0, 16);
    place = steps ? PyUnicode_Join(empty, steps) : NULL;
    Py_XDECREF(steps);
  }
  PyObject *text = PyObject_Str(error), *must = PyUnicode_FromString("must be ");
  bool goes_on = text && must && PyUnicode_Tailmatch(text, must, 0, 8, -1) == 1;
  PyErr_Clear();
  PyErr_Format(type, "%s%V%s%V", root, place, "", goes_on ? " " : ": ", text, "");
  Py_XDECREF(text);
  Py_XDECREF(must);
  Py_XDECREF(place);
  Py_XDECREF(empty);
  Py_DECREF(error);
}

int coilbox_encode(coilbox_writer *writer, PyObject *value, const char *root) {
  if (coilbox_write_value(writer, value) == 0)
    return 0;
  coilbox_name_place(writer, root);
  return -1;
}
