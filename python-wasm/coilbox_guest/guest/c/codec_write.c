/* Writes MessagePack with the extension types of docs/abi.md: headers, and values that hold no
 * others. codec_encode.c chooses what is written. */
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

int coilbox_write_byte(coilbox_writer *writer, uint8_t byte) {
  return put_byte(writer, byte);
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

int coilbox_write_complex(coilbox_writer *writer, PyObject *value) {
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
