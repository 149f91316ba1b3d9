/* Dates and times in the codec. */
#include "coilbox.h"

#include <datetime.h>

int coilbox_datetime_init(void) {
  PyDateTime_IMPORT;
  return PyDateTimeAPI ? 0 : -1;
}

static int write_zone(coilbox_writer *writer, PyObject *zone) {
  if (zone == Py_None)
    return coilbox_write_value(writer, Py_None);
  PyObject *out = PyObject_CallOneArg(coilbox_hooks.zone_out, zone);
  if (out == NULL)
    return -1;
  int result = coilbox_write_value(writer, out);
  Py_DECREF(out);
  return result;
}

static int write_fields(coilbox_writer *writer, int code, const int *fields, int count,
                        PyObject *zone) {
  size_t start;
  if (coilbox_open_ext(writer, &start) < 0 ||
      coilbox_write_array(writer, (size_t)count + (zone != NULL)) < 0)
    return -1;
  for (int i = 0; i < count; i++)
    if (coilbox_write_int(writer, fields[i]) < 0)
      return -1;
  if (zone && write_zone(writer, zone) < 0)
    return -1;
  return coilbox_close_ext(writer, start, code) < 0 ? -1 : 1;
}

static int write_datetime(coilbox_writer *writer, PyObject *v) {
  int fields[] = {
      PyDateTime_GET_YEAR(v),         PyDateTime_GET_MONTH(v),       PyDateTime_GET_DAY(v),
      PyDateTime_DATE_GET_HOUR(v),    PyDateTime_DATE_GET_MINUTE(v), PyDateTime_DATE_GET_SECOND(v),
      PyDateTime_DATE_GET_MICROSECOND(v), PyDateTime_DATE_GET_FOLD(v)};
  return write_fields(writer, COILBOX_EXT_DATETIME, fields, 8, PyDateTime_DATE_GET_TZINFO(v));
}

static int write_date(coilbox_writer *writer, PyObject *v) {
  int fields[] = {PyDateTime_GET_YEAR(v), PyDateTime_GET_MONTH(v), PyDateTime_GET_DAY(v)};
  return write_fields(writer, COILBOX_EXT_DATE, fields, 3, NULL);
}

static int write_time(coilbox_writer *writer, PyObject *v) {
  int fields[] = {PyDateTime_TIME_GET_HOUR(v), PyDateTime_TIME_GET_MINUTE(v),
                  PyDateTime_TIME_GET_SECOND(v), PyDateTime_TIME_GET_MICROSECOND(v),
                  PyDateTime_TIME_GET_FOLD(v)};
  return write_fields(writer, COILBOX_EXT_TIME, fields, 5, PyDateTime_TIME_GET_TZINFO(v));
}

static int write_delta(coilbox_writer *writer, PyObject *v) {
  int fields[] = {PyDateTime_DELTA_GET_DAYS(v), PyDateTime_DELTA_GET_SECONDS(v),
                  PyDateTime_DELTA_GET_MICROSECONDS(v)};
  return write_fields(writer, COILBOX_EXT_TIMEDELTA, fields, 3, NULL);
}

int coilbox_write_datetime(coilbox_writer *writer, PyObject *value, bool exact) {
  if (exact ? PyDateTime_CheckExact(value) : PyDateTime_Check(value))
    return write_datetime(writer, value);
  if (exact ? PyDate_CheckExact(value) : PyDate_Check(value))
    return write_date(writer, value);
  if (exact ? PyTime_CheckExact(value) : PyTime_Check(value))
    return write_time(writer, value);
  if (exact ? PyDelta_CheckExact(value) : PyDelta_Check(value))
    return write_delta(writer, value);
  return 0;
}

/* Takes `count` integers from the front of `items`, whose length must be `length`. */
static int take_fields(PyObject *items, Py_ssize_t length, int count, int *fields) {
  if (PyList_GET_SIZE(items) != length) {
    coilbox_malformed("a date or time with other fields than it has");
    return -1;
  }
  for (int i = 0; i < count; i++) {
    PyObject *item = PyList_GET_ITEM(items, i);
    int overflow = 0;
    long number = PyLong_CheckExact(item) ? PyLong_AsLongAndOverflow(item, &overflow) : 0;
    if (!PyLong_CheckExact(item) || overflow) {
      coilbox_malformed("a date or time with a field that is not a small integer");
      return -1;
    }
    fields[i] = (int)number;
  }
  return 0;
}

static PyObject *zone_of(PyObject *items) {
  PyObject *zone = PyList_GET_ITEM(items, PyList_GET_SIZE(items) - 1);
  return zone == Py_None ? Py_NewRef(zone) : PyObject_CallOneArg(coilbox_hooks.zone_in, zone);
}

static PyObject *read_datetime(PyObject *items) {
  int f[8];
  PyObject *zone = take_fields(items, 9, 8, f) < 0 ? NULL : zone_of(items);
  if (zone == NULL)
    return NULL;
  PyObject *value = PyDateTimeAPI->DateTime_FromDateAndTimeAndFold(
      f[0], f[1], f[2], f[3], f[4], f[5], f[6], zone, f[7], PyDateTimeAPI->DateTimeType);
  Py_DECREF(zone);
  return value;
}

static PyObject *read_time(PyObject *items) {
  int f[5];
  PyObject *zone = take_fields(items, 6, 5, f) < 0 ? NULL : zone_of(items);
  if (zone == NULL)
    return NULL;
  PyObject *value = PyDateTimeAPI->Time_FromTimeAndFold(f[0], f[1], f[2], f[3], zone, f[4],
                                                        PyDateTimeAPI->TimeType);
  Py_DECREF(zone);
  return value;
}

PyObject *coilbox_read_datetime(int code, PyObject *items) {
  int f[3];
  switch (code) {
  case COILBOX_EXT_DATETIME:
    return read_datetime(items);
  case COILBOX_EXT_TIME:
    return read_time(items);
  case COILBOX_EXT_DATE:
    return take_fields(items, 3, 3, f) < 0 ? NULL : PyDate_FromDate(f[0], f[1], f[2]);
  default:
    return take_fields(items, 3, 3, f) < 0 ? NULL : PyDelta_FromDSU(f[0], f[1], f[2]);
  }
}
