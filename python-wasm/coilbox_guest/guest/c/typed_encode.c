/* Python values in the forms of their types.
 *
 * Values are checked as they are written. Few types run Python code meanwhile (Decimal, time zones),
 * but those may change a container, so counts are checked again and items are held.
 */
#include "typed.h"

#include <string.h>

int coilbox_wrong(const char *expected, PyObject *value) {
  if (value == Py_None)
    PyErr_Format(PyExc_TypeError, "must be %s, not None", expected);
  else
    PyErr_Format(PyExc_TypeError, "must be %s, not %T", expected, value);
  return -1;
}

static int wrong_class(PyObject *expected, PyObject *value) {
  const char *name = PyUnicode_AsUTF8(expected);
  return name ? coilbox_wrong(name, value) : -1;
}

static int changed(void) {
  PyErr_SetString(PyExc_RuntimeError, "changed while it was being sent");
  return -1;
}

/* ---- integers and floats ---- */

static int out_of_range(const coilbox_type *type) {
  PyErr_Format(PyExc_ValueError, "must be from %lld to %llu", (long long)type->least,
               (unsigned long long)type->greatest);
  return -1;
}

static int write_sized(coilbox_writer *writer, const coilbox_type *type, PyObject *value) {
  int overflow;
  long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
  if (number == -1 && PyErr_Occurred())
    return -1;
  if (!overflow) {
    if (number < type->least || (number > 0 && (uint64_t)number > type->greatest))
      return out_of_range(type);
    return coilbox_write_int(writer, number);
  }
  if (overflow < 0 || type->greatest != UINT64_MAX)
    return out_of_range(type);
  (void)PyLong_AsUnsignedLongLong(value);
  if (PyErr_Occurred()) {
    PyErr_Clear();
    return out_of_range(type);
  }
  return coilbox_write_long(writer, value);
}

static int write_float(coilbox_writer *writer, PyObject *value) {
  if (PyFloat_Check(value))
    return coilbox_write_float(writer, PyFloat_AS_DOUBLE(value));
  if (!PyLong_Check(value))
    return coilbox_wrong("float", value);
  double number = PyLong_AsDouble(value);
  if (number != -1.0 || !PyErr_Occurred())
    return coilbox_write_float(writer, number);
  PyErr_Clear();
  PyErr_SetString(PyExc_ValueError, "must be a float, not an int too large for one");
  return -1;
}

/* ---- scalars that the generic codec writes ---- */

/* Whether the codec wrote an extension value of that code, in one of its two headers. */
static bool is_ext(const coilbox_writer *writer, size_t start, int code) {
  const uint8_t *written = writer->data + start;
  return (written[0] == 0xc7 && written[2] == code) || (written[0] == 0xc9 && written[5] == code);
}

static int write_instance(coilbox_writer *writer, PyObject *class, int code, PyObject *value) {
  size_t start = writer->length;
  if (PyObject_TypeCheck(value, (PyTypeObject *)class)) {
    if (coilbox_write_value(writer, value) < 0)
      return -1;
    if (is_ext(writer, start, code))
      return 0;
  }
  return coilbox_wrong(((PyTypeObject *)class)->tp_name, value);
}

static int write_date(coilbox_writer *writer, const char *expected, int code, PyObject *value) {
  size_t start = writer->length;
  int written = coilbox_write_datetime(writer, value, false);
  if (written < 0)
    return -1;
  if (written && is_ext(writer, start, code))
    return 0;
  return coilbox_wrong(expected, value); /* a datetime is a date, but not here */
}

/* ---- containers ---- */

static int write_item(coilbox_writer *writer, const coilbox_type *type, PyObject *value,
                      Py_ssize_t index) {
  Py_INCREF(value);
  int failed = coilbox_write_typed(writer, type, value);
  Py_DECREF(value);
  if (failed)
    coilbox_note_step(writer, PyUnicode_FromFormat("[%zd]", index));
  return failed;
}

static int write_list(coilbox_writer *writer, const coilbox_type *item, PyObject *list) {
  Py_ssize_t count = PyList_GET_SIZE(list);
  if (coilbox_write_array(writer, (size_t)count) < 0)
    return -1;
  for (Py_ssize_t i = 0; i < count; i++) {
    if (i >= PyList_GET_SIZE(list))
      return changed();
    if (write_item(writer, item, PyList_GET_ITEM(list, i), i) < 0)
      return -1;
  }
  return PyList_GET_SIZE(list) == count ? 0 : changed();
}

static int write_set(coilbox_writer *writer, const coilbox_type *item, PyObject *set) {
  PyObject *items = PySequence_List(set);
  if (items == NULL)
    return -1;
  Py_ssize_t count = PyList_GET_SIZE(items);
  int failed = coilbox_write_array(writer, (size_t)count);
  for (Py_ssize_t i = 0; !failed && i < count; i++) {
    failed = coilbox_write_typed(writer, item, PyList_GET_ITEM(items, i));
    if (failed)
      coilbox_note_step(writer, PyUnicode_FromString(" item"));
  }
  Py_DECREF(items);
  return failed;
}

static int write_tuple(coilbox_writer *writer, const coilbox_type *type, PyObject *tuple) {
  size_t count = (size_t)PyTuple_GET_SIZE(tuple);
  if (count != type->count) {
    PyErr_Format(PyExc_TypeError, "must be a tuple of %zu, not of %zu", type->count, count);
    return -1;
  }
  if (coilbox_write_array(writer, count) < 0)
    return -1;
  for (size_t i = 0; i < count; i++)
    if (write_item(writer, type->items[i], PyTuple_GET_ITEM(tuple, i), (Py_ssize_t)i) < 0)
      return -1;
  return 0;
}

static int write_pair(coilbox_writer *writer, const coilbox_type *type, PyObject *key,
                      PyObject *value) {
  if (coilbox_write_typed(writer, type->key, key) < 0) {
    coilbox_note_step(writer, PyUnicode_FromString(" key"));
    return -1;
  }
  if (coilbox_write_typed(writer, type->item, value) < 0) {
    /* repr() of others may be the guest's code. */
    bool plain = PyUnicode_CheckExact(key) || PyLong_CheckExact(key);
    coilbox_note_step(writer, plain ? PyUnicode_FromFormat("[%.80R]", key)
                                    : PyUnicode_FromFormat("[<%s>]", Py_TYPE(key)->tp_name));
    return -1;
  }
  return 0;
}

static int write_dict(coilbox_writer *writer, const coilbox_type *type, PyObject *dict) {
  if (!PyDict_CheckExact(dict)) {
    /* A subclass may have an order of its own, as OrderedDict has. */
    PyObject *plain = PyDict_New();
    PyObject *items = plain ? PyMapping_Items(dict) : NULL;
    int failed = items == NULL || PyDict_MergeFromSeq2(plain, items, 1) < 0 ||
                 write_dict(writer, type, plain) < 0;
    Py_XDECREF(items);
    Py_XDECREF(plain);
    return failed ? -1 : 0;
  }
  Py_ssize_t count = PyDict_GET_SIZE(dict), position = 0, written = 0;
  if (coilbox_write_map(writer, (size_t)count) < 0)
    return -1;
  PyObject *key, *value;
  while (PyDict_Next(dict, &position, &key, &value)) {
    Py_INCREF(key);
    Py_INCREF(value);
    int failed = ++written > count ? changed() : write_pair(writer, type, key, value);
    Py_DECREF(key);
    Py_DECREF(value);
    if (failed)
      return -1;
  }
  return written == count ? 0 : changed();
}

/* ---- declared types ---- */

static int write_fields(coilbox_writer *writer, const coilbox_shape *shape, PyObject *record) {
  for (size_t i = 0; i < shape->count; i++) {
    const coilbox_field *field = &shape->fields[i];
    PyObject *value = *(PyObject **)((char *)record + field->offset);
    int failed = -1;
    if (value == NULL) {
      PyErr_SetString(PyExc_TypeError, "must be set");
    } else {
      Py_INCREF(value);
      failed = coilbox_write_typed(writer, field->type, value);
      Py_DECREF(value);
    }
    if (failed) {
      coilbox_note_step(writer, PyUnicode_FromFormat(".%U", field->name));
      return -1;
    }
  }
  return 0;
}

static int write_variant(coilbox_writer *writer, const coilbox_declaration *variant,
                         PyObject *value) {
  for (size_t i = 0; i < variant->count; i++) {
    const coilbox_shape *shape = &variant->shapes[i];
    if (shape->class && PyObject_TypeCheck(value, shape->class)) {
      if (coilbox_write_array(writer, 1 + shape->count) < 0 ||
          coilbox_write_int(writer, (int64_t)i) < 0)
        return -1;
      return write_fields(writer, shape, value);
    }
  }
  return wrong_class(variant->name, value);
}

static int write_enum(coilbox_writer *writer, const coilbox_declaration *declared,
                      PyObject *value) {
  Py_ssize_t count = declared->members ? PyTuple_GET_SIZE(declared->members) : 0;
  for (Py_ssize_t i = 0; i < count; i++)
    if (PyTuple_GET_ITEM(declared->members, i) == value)
      return coilbox_write_int(writer, i);
  return wrong_class(declared->name, value);
}

static int write_handle(coilbox_writer *writer, const coilbox_declaration *declared,
                        PyObject *value) {
  if (declared->class == NULL || !PyObject_TypeCheck(value, declared->class))
    return wrong_class(declared->name, value);
  uint64_t handle = coilbox_resource_handle(value);
  if (handle == 0) {
    PyErr_Format(coilbox_hooks.stale, "the %U is closed", declared->name);
    return -1;
  }
  return coilbox_write_int(writer, (int64_t)handle);
}

static int write_declared(coilbox_writer *writer, const coilbox_declaration *declared,
                          PyObject *value) {
  switch (declared->kind) {
  case COILBOX_ENUM:
    return write_enum(writer, declared, value);
  case COILBOX_RECORD: {
    const coilbox_shape *shape = declared->shapes;
    if (shape->class == NULL || !PyObject_TypeCheck(value, shape->class))
      return wrong_class(declared->name, value);
    return coilbox_write_array(writer, shape->count) < 0 ? -1
                                                         : write_fields(writer, shape, value);
  }
  case COILBOX_VARIANT:
    return write_variant(writer, declared, value);
  case COILBOX_RESOURCE:
    return write_handle(writer, declared, value);
  default:
    return coilbox_wrong("something else than an error", value);
  }
}

/* ---- values ---- */

#define CHECKED(ok, expected, write) ((ok) ? (write) : coilbox_wrong(expected, value))

static int write_kind(coilbox_writer *writer, const coilbox_type *type, PyObject *value) {
  switch (type->kind) {
  case COILBOX_NONE:
    return CHECKED(value == Py_None, "None", coilbox_write_value(writer, value));
  case COILBOX_BOOL:
    return CHECKED(PyBool_Check(value), "bool", coilbox_write_value(writer, value));
  case COILBOX_INT:
    return CHECKED(PyLong_Check(value), "int", coilbox_write_long(writer, value));
  case COILBOX_SIZED:
    return CHECKED(PyLong_Check(value), "int", write_sized(writer, type, value));
  case COILBOX_FLOAT:
    return write_float(writer, value);
  case COILBOX_STR:
    return CHECKED(PyUnicode_Check(value), "str", coilbox_write_text(writer, value));
  case COILBOX_BYTES:
    return CHECKED(PyBytes_Check(value) || PyByteArray_Check(value) || PyMemoryView_Check(value),
                   "bytes", coilbox_write_bytes(writer, value));
  case COILBOX_DECIMAL:
    return write_instance(writer, coilbox_hooks.decimal, COILBOX_EXT_DECIMAL, value);
  case COILBOX_UUID:
    return write_instance(writer, coilbox_hooks.uuid, COILBOX_EXT_UUID, value);
  case COILBOX_DATETIME:
    return write_date(writer, "datetime", COILBOX_EXT_DATETIME, value);
  case COILBOX_DATE:
    return write_date(writer, "date", COILBOX_EXT_DATE, value);
  case COILBOX_TIME:
    return write_date(writer, "time", COILBOX_EXT_TIME, value);
  case COILBOX_TIMEDELTA:
    return write_date(writer, "timedelta", COILBOX_EXT_TIMEDELTA, value);
  case COILBOX_LIST:
    return CHECKED(PyList_Check(value), "list", write_list(writer, type->item, value));
  case COILBOX_SET:
    return CHECKED(PyAnySet_Check(value), "set", write_set(writer, type->item, value));
  case COILBOX_DICT:
    return CHECKED(PyDict_Check(value), "dict", write_dict(writer, type, value));
  case COILBOX_TUPLE:
    return CHECKED(PyTuple_Check(value), "tuple", write_tuple(writer, type, value));
  case COILBOX_REF:
    return write_declared(writer, type->declaration, value);
  default:
    PyErr_SetString(PyExc_SystemError, "a stream or callback inside another type");
    return -1;
  }
}

/* Whether the form of a type is an array or a map, and so a level of nesting. */
static bool is_nested(const coilbox_type *type) {
  if (type->kind != COILBOX_REF)
    return type->kind >= COILBOX_LIST;
  return type->declaration->kind != COILBOX_ENUM && type->declaration->kind != COILBOX_RESOURCE;
}

int coilbox_write_typed(coilbox_writer *writer, const coilbox_type *type, PyObject *value) {
  if (type->kind == COILBOX_OPTIONAL) {
    if (value == Py_None)
      return coilbox_write_value(writer, value);
    type = type->item;
  }
  if (!is_nested(type))
    return write_kind(writer, type, value);
  if (coilbox_enter(writer) < 0)
    return -1;
  int failed = write_kind(writer, type, value);
  writer->depth--;
  return failed;
}
