/* The forms of types to Python values, straight into what they are.
 *
 * The host is trusted, but bytes that are not of the type must end in ValueError, and an instance
 * that is not complete must never be seen.
 */
#include "typed.h"

#include <string.h>

static PyObject *mismatch(const char *expected) {
  PyErr_Format(PyExc_ValueError, "malformed value from the host: not %s", expected);
  return NULL;
}

static inline int peek(const coilbox_reader *reader) {
  return reader->next < reader->end ? *reader->next : -1;
}

static int64_t read_big(coilbox_reader *reader, int bytes) {
  if (reader->end - reader->next < 1 + bytes) {
    coilbox_malformed("cut off");
    return -1;
  }
  uint64_t number = 0;
  for (int i = 1; i <= bytes; i++)
    number = number << 8 | reader->next[i];
  reader->next += 1 + bytes;
  return (int64_t)number;
}

/* The count in a header: `small` of 4 bits, or `tag` with 16 bits and the next with 32. */
static Py_ssize_t read_count(coilbox_reader *reader, int small, int tag, size_t least) {
  int head = peek(reader);
  int64_t count;
  if ((head & 0xf0) == small) {
    count = head & 0x0f;
    reader->next++;
  } else if (head == tag || head == tag + 1) {
    count = read_big(reader, head == tag ? 2 : 4);
    if (count < 0)
      return -1;
  } else {
    mismatch(small == 0x90 ? "an array" : "a map");
    return -1;
  }
  if ((uint64_t)count * least <= (uint64_t)(reader->end - reader->next))
    return (Py_ssize_t)count;
  coilbox_malformed("cut off");
  return -1;
}

Py_ssize_t coilbox_read_array(coilbox_reader *reader) {
  return read_count(reader, 0x90, 0xdc, 1);
}

int64_t coilbox_read_number(coilbox_reader *reader) {
  int head = peek(reader);
  if (head >= 0 && head < 0x80) {
    reader->next++;
    return head;
  }
  int64_t number = -1;
  if (head >= 0xcc && head <= 0xcf)
    number = read_big(reader, 1 << (head - 0xcc));
  if (number < 0 && !PyErr_Occurred())
    mismatch("a number");
  return number;
}

/* ---- scalars ---- */

static PyObject *checked(PyObject *value, bool right, const char *expected) {
  if (value == NULL || right)
    return value;
  Py_DECREF(value);
  return mismatch(expected);
}

static PyObject *read_int(coilbox_reader *reader) {
  int head = peek(reader);
  if (head >= 0 && head < 0x80) {
    reader->next++;
    return PyLong_FromLong(head);
  }
  PyObject *value = coilbox_read_value(reader);
  return checked(value, value && PyLong_CheckExact(value), "an int");
}

static PyObject *read_sized(coilbox_reader *reader, const coilbox_type *type) {
  PyObject *value = read_int(reader);
  if (value == NULL)
    return NULL;
  int overflow;
  long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
  bool right = !overflow && number >= type->least &&
               (number < 0 || (uint64_t)number <= type->greatest);
  if (overflow > 0 && type->greatest == UINT64_MAX) {
    (void)PyLong_AsUnsignedLongLong(value);
    right = !PyErr_Occurred();
    PyErr_Clear();
  }
  return checked(value, right, "an int of its range");
}

static PyObject *read_bool(coilbox_reader *reader) {
  int head = peek(reader);
  if (head != 0xc2 && head != 0xc3)
    return mismatch("a bool");
  reader->next++;
  return PyBool_FromLong(head == 0xc3);
}

static PyObject *read_none(coilbox_reader *reader) {
  if (peek(reader) != 0xc0)
    return mismatch("None");
  reader->next++;
  Py_RETURN_NONE;
}

/* An extension value of exactly one code; all have headers with a length here or a fixed one. */
static PyObject *read_ext(coilbox_reader *reader, int code, const char *expected) {
  int head = peek(reader);
  ptrdiff_t at = head >= 0xd4 && head <= 0xd8 ? 1
                 : head >= 0xc7 && head <= 0xc9 ? 1 + (1 << (head - 0xc7))
                                                : PTRDIFF_MAX;
  if (at >= reader->end - reader->next || reader->next[at] != code)
    return mismatch(expected);
  return coilbox_read_value(reader);
}

/* ---- containers ---- */

static PyObject *read_list(coilbox_reader *reader, const coilbox_type *item) {
  Py_ssize_t count = coilbox_read_array(reader);
  PyObject *list = count < 0 ? NULL : PyList_New(count);
  for (Py_ssize_t i = 0; list && i < count; i++) {
    PyObject *value = coilbox_read_typed(reader, item);
    if (value)
      PyList_SET_ITEM(list, i, value);
    else
      Py_CLEAR(list);
  }
  return list;
}

static PyObject *read_set(coilbox_reader *reader, const coilbox_type *item) {
  Py_ssize_t count = coilbox_read_array(reader);
  PyObject *set = count < 0 ? NULL : PySet_New(NULL);
  for (Py_ssize_t i = 0; set && i < count; i++) {
    PyObject *value = coilbox_read_typed(reader, item);
    if (value == NULL || PySet_Add(set, value) < 0)
      Py_CLEAR(set);
    Py_XDECREF(value);
  }
  return set;
}

static PyObject *read_dict(coilbox_reader *reader, const coilbox_type *type) {
  Py_ssize_t count = read_count(reader, 0x80, 0xde, 2);
  PyObject *dict = count < 0 ? NULL : PyDict_New();
  for (Py_ssize_t i = 0; dict && i < count; i++) {
    PyObject *key = coilbox_read_typed(reader, type->key);
    PyObject *value = key ? coilbox_read_typed(reader, type->item) : NULL;
    if (value == NULL || PyDict_SetItem(dict, key, value) < 0)
      Py_CLEAR(dict);
    Py_XDECREF(key);
    Py_XDECREF(value);
  }
  return dict;
}

static PyObject *read_tuple(coilbox_reader *reader, const coilbox_type *type) {
  Py_ssize_t count = coilbox_read_array(reader);
  if (count >= 0 && (size_t)count != type->count)
    return mismatch("a tuple of its length");
  PyObject *tuple = count < 0 ? NULL : PyTuple_New(count);
  for (Py_ssize_t i = 0; tuple && i < count; i++) {
    PyObject *value = coilbox_read_typed(reader, type->items[i]);
    if (value)
      PyTuple_SET_ITEM(tuple, i, value);
    else
      Py_CLEAR(tuple);
  }
  return tuple;
}

/* ---- declared types ---- */

static PyObject *unready(PyObject *name) {
  PyErr_Format(PyExc_RuntimeError, "%U is used before its module is loaded", name);
  return NULL;
}

/* Fields go straight into their slots: the class has no other place, and a value of the host's
 * needs no __init__. */
static PyObject *read_shape(coilbox_reader *reader, const coilbox_shape *shape) {
  if (shape->class == NULL)
    return unready(shape->name);
  PyObject *record = shape->class->tp_alloc(shape->class, 0);
  for (size_t i = 0; record && i < shape->count; i++) {
    PyObject *value = coilbox_read_typed(reader, shape->fields[i].type);
    if (value)
      *(PyObject **)((char *)record + shape->fields[i].offset) = value;
    else
      Py_CLEAR(record);
  }
  return record;
}

static PyObject *read_variant(coilbox_reader *reader, const coilbox_declaration *variant) {
  Py_ssize_t count = coilbox_read_array(reader);
  int64_t position = count < 0 ? -1 : coilbox_read_number(reader);
  if (position < 0)
    return NULL;
  if ((uint64_t)position >= variant->count ||
      (size_t)count != 1 + variant->shapes[position].count)
    return mismatch("a case of its variant");
  return read_shape(reader, &variant->shapes[position]);
}

static PyObject *read_declared(coilbox_reader *reader, const coilbox_declaration *declared) {
  switch (declared->kind) {
  case COILBOX_ENUM: {
    int64_t position = coilbox_read_number(reader);
    if (position < 0)
      return NULL;
    if (declared->members == NULL)
      return unready(declared->name);
    if (position >= PyTuple_GET_SIZE(declared->members))
      return mismatch("a member of its enum");
    return Py_NewRef(PyTuple_GET_ITEM(declared->members, (Py_ssize_t)position));
  }
  case COILBOX_RECORD: {
    Py_ssize_t count = coilbox_read_array(reader);
    if (count >= 0 && (size_t)count != declared->shapes->count)
      return mismatch("a record with its fields");
    return count < 0 ? NULL : read_shape(reader, declared->shapes);
  }
  case COILBOX_VARIANT:
    return read_variant(reader, declared);
  case COILBOX_RESOURCE: {
    int64_t handle = coilbox_read_number(reader);
    if (handle < 0)
      return NULL;
    if (declared->class == NULL)
      return unready(declared->name);
    return handle == 0 ? mismatch("a handle") : coilbox_resource_new(declared->class, (uint64_t)handle);
  }
  default:
    return mismatch("a value");
  }
}

/* ---- values ---- */

static PyObject *read_kind(coilbox_reader *reader, const coilbox_type *type) {
  switch (type->kind) {
  case COILBOX_NONE:
    return read_none(reader);
  case COILBOX_BOOL:
    return read_bool(reader);
  case COILBOX_INT:
    return read_int(reader);
  case COILBOX_SIZED:
    return read_sized(reader, type);
  case COILBOX_FLOAT: {
    PyObject *value = coilbox_read_value(reader);
    return checked(value, value && PyFloat_CheckExact(value), "a float");
  }
  case COILBOX_STR: {
    PyObject *value = coilbox_read_value(reader);
    return checked(value, value && PyUnicode_CheckExact(value), "a str");
  }
  case COILBOX_BYTES: {
    PyObject *value = coilbox_read_value(reader);
    return checked(value, value && PyBytes_CheckExact(value), "bytes");
  }
  case COILBOX_DECIMAL:
    return read_ext(reader, COILBOX_EXT_DECIMAL, "a Decimal");
  case COILBOX_DATETIME:
    return read_ext(reader, COILBOX_EXT_DATETIME, "a datetime");
  case COILBOX_DATE:
    return read_ext(reader, COILBOX_EXT_DATE, "a date");
  case COILBOX_TIME:
    return read_ext(reader, COILBOX_EXT_TIME, "a time");
  case COILBOX_TIMEDELTA:
    return read_ext(reader, COILBOX_EXT_TIMEDELTA, "a timedelta");
  case COILBOX_UUID:
    return read_ext(reader, COILBOX_EXT_UUID, "a UUID");
  case COILBOX_LIST:
    return read_list(reader, type->item);
  case COILBOX_SET:
    return read_set(reader, type->item);
  case COILBOX_DICT:
    return read_dict(reader, type);
  case COILBOX_TUPLE:
    return read_tuple(reader, type);
  case COILBOX_REF:
    return read_declared(reader, type->declaration);
  default:
    return mismatch("a type that a value has");
  }
}

PyObject *coilbox_read_typed(coilbox_reader *reader, const coilbox_type *type) {
  if (type->kind < COILBOX_LIST)
    return read_kind(reader, type);
  if (type->kind == COILBOX_OPTIONAL)
    return peek(reader) == 0xc0 ? read_none(reader) : coilbox_read_typed(reader, type->item);
  if (reader->depth >= COILBOX_MAX_DEPTH)
    return coilbox_malformed("nested too deep");
  reader->depth++;
  PyObject *value = read_kind(reader, type);
  reader->depth--;
  return value;
}

/* ---- declared errors ---- */

PyObject *coilbox_read_error(coilbox_reader *reader, const coilbox_plan *plan) {
  int64_t position = coilbox_read_number(reader);
  Py_ssize_t count = position < 0 ? -1 : coilbox_read_array(reader);
  if (count < 0)
    return NULL;
  if ((uint64_t)position >= plan->declaration_count)
    return mismatch("an error of the extension");
  const coilbox_declaration *declared = &plan->declarations[position];
  const coilbox_shape *shape = declared->shapes;
  if (declared->kind != COILBOX_ERROR || (size_t)count != shape->count)
    return mismatch("an error of the extension with its fields");
  if (shape->class == NULL)
    return unready(shape->name);
  PyObject *fields = PyDict_New(), *none = PyTuple_New(0), *error = NULL;
  int failed = fields == NULL || none == NULL;
  for (size_t i = 0; !failed && i < shape->count; i++) {
    PyObject *value = coilbox_read_typed(reader, shape->fields[i].type);
    failed = value == NULL || PyDict_SetItem(fields, shape->fields[i].name, value) < 0;
    Py_XDECREF(value);
  }
  if (!failed)
    error = PyObject_Call((PyObject *)shape->class, none, fields);
  Py_XDECREF(fields);
  Py_XDECREF(none);
  if (error && !PyExceptionInstance_Check(error)) {
    Py_DECREF(error);
    return mismatch("an exception");
  }
  return error;
}
