/* MessagePack with the extension types of docs/abi.md to Python values.
 *
 * The host is trusted, but a value that was cut off or garbled must end in ValueError: every length
 * is compared with the bytes that are left before anything is allocated for it.
 */
#include "coilbox.h"

#include <string.h>

PyObject *coilbox_malformed(const char *what) {
  PyErr_Format(PyExc_ValueError, "malformed value from the host: %s", what);
  return NULL;
}

static inline size_t left(const coilbox_reader *reader) {
  return (size_t)(reader->end - reader->next);
}

/* The next `count` bytes, or NULL with ValueError. */
static const uint8_t *take(coilbox_reader *reader, size_t count) {
  if (count > left(reader)) {
    coilbox_malformed("cut off");
    return NULL;
  }
  const uint8_t *bytes = reader->next;
  reader->next += count;
  return bytes;
}

static int read_big(coilbox_reader *reader, int bytes, uint64_t *value) {
  const uint8_t *from = take(reader, (size_t)bytes);
  if (from == NULL)
    return -1;
  uint64_t number = 0;
  for (int i = 0; i < bytes; i++)
    number = number << 8 | from[i];
  *value = number;
  return 0;
}

/* A length or count of `bytes` bytes, none of which can be true if it exceeds the bytes left. */
static int read_count(coilbox_reader *reader, int bytes, size_t *count) {
  uint64_t value;
  if (read_big(reader, bytes, &value) < 0)
    return -1;
  if (value > left(reader)) {
    coilbox_malformed("cut off");
    return -1;
  }
  *count = (size_t)value;
  return 0;
}

static int enter(coilbox_reader *reader) {
  if (++reader->depth <= COILBOX_MAX_DEPTH)
    return 0;
  coilbox_malformed("nested too deep");
  return -1;
}

static PyObject *read_text(coilbox_reader *reader, size_t size) {
  const uint8_t *bytes = take(reader, size);
  return bytes ? PyUnicode_DecodeUTF8((const char *)bytes, (Py_ssize_t)size, "strict") : NULL;
}

static PyObject *read_binary(coilbox_reader *reader, size_t size) {
  const uint8_t *bytes = take(reader, size);
  return bytes ? PyBytes_FromStringAndSize((const char *)bytes, (Py_ssize_t)size) : NULL;
}

static PyObject *read_list(coilbox_reader *reader, size_t count) {
  if (count > left(reader))
    return coilbox_malformed("cut off");
  PyObject *list = enter(reader) < 0 ? NULL : PyList_New((Py_ssize_t)count);
  if (list == NULL)
    return NULL;
  for (size_t i = 0; i < count; i++) {
    PyObject *item = coilbox_read_value(reader);
    if (item == NULL) {
      Py_DECREF(list);
      return NULL;
    }
    PyList_SET_ITEM(list, (Py_ssize_t)i, item);
  }
  reader->depth--;
  return list;
}

static PyObject *read_dict(coilbox_reader *reader, size_t count) {
  if (count > left(reader) / 2)
    return coilbox_malformed("cut off");
  PyObject *dict = enter(reader) < 0 ? NULL : PyDict_New();
  if (dict == NULL)
    return NULL;
  for (size_t i = 0; i < count; i++) {
    PyObject *key = coilbox_read_value(reader);
    PyObject *value = key ? coilbox_read_value(reader) : NULL;
    int failed = value == NULL || PyDict_SetItem(dict, key, value) < 0;
    Py_XDECREF(key);
    Py_XDECREF(value);
    if (failed) {
      Py_DECREF(dict);
      return NULL;
    }
  }
  reader->depth--;
  return dict;
}

/* ---- extension values ---- */

/* The array that is the whole payload, as a list. */
static PyObject *read_payload_list(coilbox_reader *payload) {
  PyObject *items = coilbox_read_value(payload);
  if (items == NULL)
    return NULL;
  if (PyList_CheckExact(items) && left(payload) == 0)
    return items;
  Py_DECREF(items);
  return coilbox_malformed("an extension value without its array");
}

/* Straight into a tuple: tuples are common, in arguments above all. */
static PyObject *read_tuple(coilbox_reader *payload) {
  size_t count;
  const uint8_t *tag = take(payload, 1);
  if (tag == NULL)
    return NULL;
  if ((*tag & 0xf0) == 0x90) {
    count = *tag & 0x0f;
  } else if (*tag == 0xdc || *tag == 0xdd) {
    if (read_count(payload, *tag == 0xdc ? 2 : 4, &count) < 0)
      return NULL;
  } else {
    return coilbox_malformed("an extension value without its array");
  }
  if (count > left(payload))
    return coilbox_malformed("cut off");
  PyObject *tuple = enter(payload) < 0 ? NULL : PyTuple_New((Py_ssize_t)count);
  if (tuple == NULL)
    return NULL;
  for (size_t i = 0; i < count; i++) {
    PyObject *item = coilbox_read_value(payload);
    if (item == NULL) {
      Py_DECREF(tuple);
      return NULL;
    }
    PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, item);
  }
  if (left(payload) != 0) {
    Py_DECREF(tuple);
    return coilbox_malformed("an extension value with more than its array");
  }
  return tuple;
}

static PyObject *read_set(int code, coilbox_reader *payload) {
  PyObject *items = read_payload_list(payload);
  if (items == NULL)
    return NULL;
  PyObject *set = code == COILBOX_EXT_SET ? PySet_New(items) : PyFrozenSet_New(items);
  Py_DECREF(items);
  return set;
}

static PyObject *read_complex(const uint8_t *bytes, size_t size) {
  double parts[2];
  if (size != sizeof parts)
    return coilbox_malformed("a complex number of another size");
  memcpy(parts, bytes, sizeof parts);
  return PyComplex_FromDoubles(parts[0], parts[1]);
}

static PyObject *restore(int code, PyObject *payload) {
  if (payload == NULL)
    return NULL;
  PyObject *value = PyObject_CallFunction(coilbox_hooks.restore, "iO", code, payload);
  Py_DECREF(payload);
  return value;
}

static PyObject *read_ext(coilbox_reader *reader, size_t size) {
  const uint8_t *head = take(reader, 1);
  const uint8_t *bytes = head ? take(reader, size) : NULL;
  if (bytes == NULL)
    return NULL;
  int code = (int8_t)*head;
  coilbox_reader payload = {.next = bytes, .end = bytes + size, .depth = reader->depth};
  const char *data = (const char *)bytes;
  switch (code) {
  case COILBOX_EXT_INT:
    return PyLong_FromNativeBytes(bytes, size, Py_ASNATIVEBYTES_LITTLE_ENDIAN);
  case COILBOX_EXT_TUPLE:
    return read_tuple(&payload);
  case COILBOX_EXT_SET:
  case COILBOX_EXT_FROZENSET:
    return read_set(code, &payload);
  case COILBOX_EXT_SURROGATES:
    return PyUnicode_DecodeUTF8(data, (Py_ssize_t)size, "surrogatepass");
  case COILBOX_EXT_DATETIME:
  case COILBOX_EXT_DATE:
  case COILBOX_EXT_TIME:
  case COILBOX_EXT_TIMEDELTA: {
    PyObject *items = read_payload_list(&payload);
    PyObject *value = items ? coilbox_read_datetime(code, items) : NULL;
    Py_XDECREF(items);
    return value;
  }
  case COILBOX_EXT_COMPLEX:
    return read_complex(bytes, size);
  case COILBOX_EXT_DECIMAL:
    return restore(code, PyUnicode_DecodeASCII(data, (Py_ssize_t)size, "strict"));
  case COILBOX_EXT_UUID:
    return restore(code, PyBytes_FromStringAndSize(data, (Py_ssize_t)size));
  case COILBOX_EXT_ENUM:
  case COILBOX_EXT_DATACLASS:
    return restore(code, read_payload_list(&payload));
  default:
    return coilbox_malformed("an unknown extension type");
  }
}

/* ---- values ---- */

static PyObject *read_float(coilbox_reader *reader, int bytes) {
  uint64_t bits;
  if (read_big(reader, bytes, &bits) < 0)
    return NULL;
  if (bytes == 4) {
    uint32_t bits32 = (uint32_t)bits;
    float single;
    memcpy(&single, &bits32, sizeof single);
    return PyFloat_FromDouble(single);
  }
  double value;
  memcpy(&value, &bits, sizeof value);
  return PyFloat_FromDouble(value);
}

static PyObject *read_unsigned(coilbox_reader *reader, int bytes) {
  uint64_t value;
  return read_big(reader, bytes, &value) < 0 ? NULL : PyLong_FromUnsignedLongLong(value);
}

static PyObject *read_signed(coilbox_reader *reader, int bytes) {
  uint64_t value;
  if (read_big(reader, bytes, &value) < 0)
    return NULL;
  int unused = 64 - 8 * bytes;
  return PyLong_FromLongLong((int64_t)(value << unused) >> unused);
}

typedef PyObject *read_sized(coilbox_reader *reader, size_t count);

static PyObject *read_counted(coilbox_reader *reader, int bytes, read_sized *read) {
  size_t count;
  return read_count(reader, bytes, &count) < 0 ? NULL : read(reader, count);
}

PyObject *coilbox_read_value(coilbox_reader *reader) {
  const uint8_t *head = take(reader, 1);
  if (head == NULL)
    return NULL;
  uint8_t tag = *head;
  if (tag < 0x80)
    return PyLong_FromLong(tag);
  if (tag < 0x90)
    return read_dict(reader, tag & 0x0f);
  if (tag < 0xa0)
    return read_list(reader, tag & 0x0f);
  if (tag < 0xc0)
    return read_text(reader, tag & 0x1f);
  if (tag >= 0xe0)
    return PyLong_FromLong((int8_t)tag);
  switch (tag) {
  case 0xc0:
    Py_RETURN_NONE;
  case 0xc2:
    Py_RETURN_FALSE;
  case 0xc3:
    Py_RETURN_TRUE;
  case 0xc4:
  case 0xc5:
  case 0xc6:
    return read_counted(reader, 1 << (tag - 0xc4), read_binary);
  case 0xc7:
  case 0xc8:
  case 0xc9:
    return read_counted(reader, 1 << (tag - 0xc7), read_ext);
  case 0xca:
  case 0xcb:
    return read_float(reader, 4 << (tag - 0xca));
  case 0xcc:
  case 0xcd:
  case 0xce:
  case 0xcf:
    return read_unsigned(reader, 1 << (tag - 0xcc));
  case 0xd0:
  case 0xd1:
  case 0xd2:
  case 0xd3:
    return read_signed(reader, 1 << (tag - 0xd0));
  case 0xd4:
  case 0xd5:
  case 0xd6:
  case 0xd7:
  case 0xd8:
    return read_ext(reader, (size_t)1 << (tag - 0xd4));
  case 0xd9:
  case 0xda:
  case 0xdb:
    return read_counted(reader, 1 << (tag - 0xd9), read_text);
  case 0xdc:
  case 0xdd:
    return read_counted(reader, 2 << (tag - 0xdc), read_list);
  case 0xde:
  case 0xdf:
    return read_counted(reader, 2 << (tag - 0xde), read_dict);
  default:
    return coilbox_malformed("not MessagePack");
  }
}

PyObject *coilbox_decode(const void *data, size_t size) {
  coilbox_reader reader = {.next = data, .end = (const uint8_t *)data + size};
  PyObject *value = coilbox_read_value(&reader);
  if (value && left(&reader) != 0) {
    Py_DECREF(value);
    return coilbox_malformed("bytes after its end");
  }
  return value;
}
