/* Python values to MessagePack with the extension types of docs/architecture.md. */
#include "coilbox.h"

#include <string.h>

void coilbox_writer_start(coilbox_writer *writer, void *buffer, size_t capacity) {
  *writer = (coilbox_writer){.data = buffer, .capacity = capacity};
}

void coilbox_writer_free(coilbox_writer *writer) {
  if (writer->on_heap)
    PyMem_Free(writer->data);
  Py_CLEAR(writer->path);
  *writer = (coilbox_writer){0};
}

enum { SLACK = 256 };

static int grow(coilbox_writer *writer, size_t count) {
  size_t wanted = writer->length + count;
  if (wanted < count || wanted > PY_SSIZE_T_MAX - SLACK) {
    PyErr_NoMemory();
    return -1;
  }
  /* Half as much again, so that many small pieces cost few copies; but one large piece is often all
   * that there is. */
  size_t capacity = writer->capacity + writer->capacity / 2;
  if (capacity < wanted + SLACK)
    capacity = wanted + SLACK;
  uint8_t *data = PyMem_Realloc(writer->on_heap ? writer->data : NULL, capacity);
  if (data == NULL) {
    PyErr_NoMemory();
    return -1;
  }
  if (!writer->on_heap && writer->length)
    memcpy(data, writer->data, writer->length);
  writer->data = data;
  writer->capacity = capacity;
  writer->on_heap = true;
  return 0;
}

static inline uint8_t *extend(coilbox_writer *writer, size_t count) {
  if (count > writer->capacity - writer->length && grow(writer, count) < 0)
    return NULL;
  uint8_t *room = writer->data + writer->length;
  writer->length += count;
  return room;
}

uint8_t *coilbox_writer_extend(coilbox_writer *writer, size_t count) {
  return extend(writer, count);
}

static inline void put_big(uint8_t *room, uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; i--, value >>= 8)
    room[i] = (uint8_t)value;
}

static int put_tagged(coilbox_writer *writer, uint8_t tag, uint64_t value, int bytes) {
  uint8_t *room = extend(writer, 1 + (size_t)bytes);
  if (room == NULL)
    return -1;
  room[0] = tag;
  put_big(room + 1, value, bytes);
  return 0;
}

static inline int put_byte(coilbox_writer *writer, uint8_t byte) {
  uint8_t *room = extend(writer, 1);
  if (room == NULL)
    return -1;
  *room = byte;
  return 0;
}

/* A header in the shortest of its forms: `small` with up to `most` in it, then 16 or 32 bits. */
static int put_header(coilbox_writer *writer, size_t count, uint8_t small, size_t most,
                      uint8_t tag16) {
  if (count <= most)
    return put_byte(writer, (uint8_t)(small | count));
  return count <= UINT16_MAX ? put_tagged(writer, tag16, count, 2)
                             : put_tagged(writer, tag16 + 1, count, 4);
}

int coilbox_write_array(coilbox_writer *writer, size_t count) {
  return put_header(writer, count, 0x90, 15, 0xdc);
}

int coilbox_write_map(coilbox_writer *writer, size_t count) {
  return put_header(writer, count, 0x80, 15, 0xde);
}

int coilbox_write_int(coilbox_writer *writer, int64_t value) {
  if (value >= 0) {
    if (value < 0x80)
      return put_byte(writer, (uint8_t)value);
    if (value <= UINT8_MAX)
      return put_tagged(writer, 0xcc, (uint64_t)value, 1);
    if (value <= UINT16_MAX)
      return put_tagged(writer, 0xcd, (uint64_t)value, 2);
    if (value <= UINT32_MAX)
      return put_tagged(writer, 0xce, (uint64_t)value, 4);
    return put_tagged(writer, 0xcf, (uint64_t)value, 8);
  }
  if (value >= -32)
    return put_byte(writer, (uint8_t)value);
  if (value >= INT8_MIN)
    return put_tagged(writer, 0xd0, (uint64_t)value, 1);
  if (value >= INT16_MIN)
    return put_tagged(writer, 0xd1, (uint64_t)value, 2);
  if (value >= INT32_MIN)
    return put_tagged(writer, 0xd2, (uint64_t)value, 4);
  return put_tagged(writer, 0xd3, (uint64_t)value, 8);
}

int coilbox_write_ext(coilbox_writer *writer, int code, const void *payload, size_t size) {
  size_t start;
  if (coilbox_open_ext(writer, &start) < 0)
    return -1;
  uint8_t *room = extend(writer, size);
  if (room == NULL)
    return -1;
  memcpy(room, payload, size);
  return coilbox_close_ext(writer, start, code);
}

/* Most payloads are short: room for the short header, and the payload moves if it is not. */
enum { SHORT_HEADER = 3, LONG_HEADER = 6 };

int coilbox_open_ext(coilbox_writer *writer, size_t *start) {
  *start = writer->length;
  return extend(writer, SHORT_HEADER) == NULL ? -1 : 0;
}

int coilbox_close_ext(coilbox_writer *writer, size_t start, int code) {
  size_t size = writer->length - start - SHORT_HEADER;
  if (size <= UINT8_MAX) {
    uint8_t *header = writer->data + start;
    header[0] = 0xc7;
    header[1] = (uint8_t)size;
    header[2] = (uint8_t)code;
    return 0;
  }
  if (extend(writer, LONG_HEADER - SHORT_HEADER) == NULL)
    return -1;
  uint8_t *header = writer->data + start;
  memmove(header + LONG_HEADER, header + SHORT_HEADER, size);
  header[0] = 0xc9;
  put_big(header + 1, size, 4);
  header[5] = (uint8_t)code;
  return 0;
}

static int write_big_int(coilbox_writer *writer, PyObject *value) {
  const int flags = Py_ASNATIVEBYTES_LITTLE_ENDIAN;
  Py_ssize_t size = PyLong_AsNativeBytes(value, NULL, 0, flags);
  if (size < 0)
    return -1;
  size_t start;
  if (coilbox_open_ext(writer, &start) < 0)
    return -1;
  uint8_t *room = extend(writer, (size_t)size);
  if (room == NULL || PyLong_AsNativeBytes(value, room, size, flags) < 0)
    return -1;
  /* Python may ask for a byte more than the shortest form has. */
  while (size > 1 && ((room[size - 1] == 0x00 && !(room[size - 2] & 0x80)) ||
                      (room[size - 1] == 0xff && (room[size - 2] & 0x80)))) {
    size--;
    writer->length--;
  }
  return coilbox_close_ext(writer, start, COILBOX_EXT_INT);
}

int coilbox_write_long(coilbox_writer *writer, PyObject *value) {
  if (PyUnstable_Long_IsCompact((PyLongObject *)value))
    return coilbox_write_int(writer, PyUnstable_Long_CompactValue((PyLongObject *)value));
  int overflow;
  long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
  if (!overflow)
    return number == -1 && PyErr_Occurred() ? -1 : coilbox_write_int(writer, number);
  if (overflow > 0) {
    unsigned long long large = PyLong_AsUnsignedLongLong(value);
    if (large != (unsigned long long)-1 || !PyErr_Occurred())
      return put_tagged(writer, 0xcf, large, 8);
    PyErr_Clear();
  }
  return write_big_int(writer, value);
}

int coilbox_write_float(coilbox_writer *writer, double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return put_tagged(writer, 0xcb, bits, 8);
}

static int write_complex(coilbox_writer *writer, PyObject *value) {
  /* Little-endian, as wasm's memory is. */
  double parts[2] = {PyComplex_RealAsDouble(value), PyComplex_ImagAsDouble(value)};
  return coilbox_write_ext(writer, COILBOX_EXT_COMPLEX, parts, sizeof parts);
}

static int put_text_header(coilbox_writer *writer, size_t size) {
  if (size > 31 && size <= UINT8_MAX)
    return put_tagged(writer, 0xd9, size, 1);
  return put_header(writer, size, 0xa0, 31, 0xda);
}

static inline size_t utf8_size(Py_UCS4 point) {
  return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
}

static inline uint8_t *put_utf8(uint8_t *room, Py_UCS4 point) {
  if (point < 0x80) {
    *room++ = (uint8_t)point;
    return room;
  }
  if (point < 0x800) {
    *room++ = (uint8_t)(0xc0 | point >> 6);
  } else {
    if (point < 0x10000) {
      *room++ = (uint8_t)(0xe0 | point >> 12);
    } else {
      *room++ = (uint8_t)(0xf0 | point >> 18);
      *room++ = (uint8_t)(0x80 | (point >> 12 & 0x3f));
    }
    *room++ = (uint8_t)(0x80 | (point >> 6 & 0x3f));
  }
  *room++ = (uint8_t)(0x80 | (point & 0x3f));
  return room;
}

/* Not PyUnicode_AsUTF8: that would keep the bytes in the string, for as long as it lives. */
int coilbox_write_text(coilbox_writer *writer, PyObject *value) {
  Py_ssize_t length = PyUnicode_GET_LENGTH(value);
  if (PyUnicode_IS_ASCII(value)) {
    if (put_text_header(writer, (size_t)length) < 0)
      return -1;
    uint8_t *room = extend(writer, (size_t)length);
    if (room == NULL)
      return -1;
    memcpy(room, PyUnicode_1BYTE_DATA(value), (size_t)length);
    return 0;
  }
  int kind = PyUnicode_KIND(value);
  const void *data = PyUnicode_DATA(value);
  size_t size = 0;
  bool surrogates = false;
  for (Py_ssize_t i = 0; i < length; i++) {
    Py_UCS4 point = PyUnicode_READ(kind, data, i);
    size += utf8_size(point);
    surrogates |= point >= 0xd800 && point <= 0xdfff;
  }
  size_t start = 0;
  if ((surrogates ? coilbox_open_ext(writer, &start) : put_text_header(writer, size)) < 0)
    return -1;
  uint8_t *room = extend(writer, size);
  if (room == NULL)
    return -1;
  for (Py_ssize_t i = 0; i < length; i++)
    room = put_utf8(room, PyUnicode_READ(kind, data, i));
  return surrogates ? coilbox_close_ext(writer, start, COILBOX_EXT_SURROGATES) : 0;
}

static int write_binary(coilbox_writer *writer, const void *data, Py_ssize_t size) {
  int failed = size <= UINT8_MAX    ? put_tagged(writer, 0xc4, (uint64_t)size, 1)
               : size <= UINT16_MAX ? put_tagged(writer, 0xc5, (uint64_t)size, 2)
                                    : put_tagged(writer, 0xc6, (uint64_t)size, 4);
  uint8_t *room = failed ? NULL : extend(writer, (size_t)size);
  if (room == NULL)
    return -1;
  memcpy(room, data, (size_t)size);
  return 0;
}

int coilbox_write_bytes(coilbox_writer *writer, PyObject *value) {
  if (PyBytes_Check(value))
    return write_binary(writer, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value));
  Py_buffer view;
  if (PyObject_GetBuffer(value, &view, PyBUF_SIMPLE) < 0)
    return -1;
  int result = write_binary(writer, view.buf, view.len);
  PyBuffer_Release(&view);
  return result;
}

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
  uint8_t *room = data ? extend(writer, (size_t)size) : NULL;
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
    return write_complex(writer, value);
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
    return put_byte(writer, 0xc0);
  if (type == &PyBool_Type)
    return put_byte(writer, value == Py_True ? 0xc3 : 0xc2);
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
