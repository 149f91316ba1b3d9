/* What the host answers: values and errors. */
#include "bridge.h"

static PyObject *raise_error(PyObject *error) {
  if (error && PyExceptionInstance_Check(error))
    PyErr_SetObject((PyObject *)Py_TYPE(error), error);
  else if (error)
    coilbox_malformed("an error that is none");
  Py_XDECREF(error);
  return NULL;
}

static PyObject *bridge_error(coilbox_reader *reader) {
  PyObject *description = coilbox_read_value(reader);
  PyObject *error =
      description ? PyObject_CallOneArg(coilbox_hooks.host_error, description) : NULL;
  Py_XDECREF(description);
  return error;
}

static PyObject *read_status(coilbox_reader *reader, const coilbox_plan *plan,
                             const coilbox_type *type) {
  Py_ssize_t count = coilbox_read_array(reader);
  int64_t status = count < 0 ? -1 : coilbox_read_number(reader);
  if (status < 0)
    return NULL;
  reader->depth = 1;
  if (status == 0 && count == 2)
    return type ? coilbox_read_typed(reader, type) : coilbox_read_value(reader);
  if (status == 1 && count == 2)
    return raise_error(bridge_error(reader));
  if (status == 3 && count == 3 && plan)
    return raise_error(coilbox_read_error(reader, plan));
  return coilbox_malformed("a reply of no kind");
}

/* Whether the value may be bytes that lie in the reply as they are. */
static bool may_be_bytes(const coilbox_type *type) {
  if (type && type->kind == COILBOX_OPTIONAL)
    type = type->item;
  return type == NULL || type->kind == COILBOX_BYTES;
}

PyObject *coilbox_read_reply(coilbox_reply *reply, const coilbox_plan *plan,
                             const coilbox_type *type) {
  PyObject *value = may_be_bytes(type) ? coilbox_reply_bytes(reply) : NULL;
  return value ? value : coilbox_read_message(reply->data, reply->size, plan, type);
}

PyObject *coilbox_read_message(const uint8_t *data, size_t size, const coilbox_plan *plan,
                               const coilbox_type *type) {
  coilbox_reader reader = {.next = data, .end = data + size};
  PyObject *value = read_status(&reader, plan, type);
  if (value && reader.next != reader.end) {
    Py_DECREF(value);
    return coilbox_malformed("bytes after its end");
  }
  return value;
}
