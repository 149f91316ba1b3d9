/* Pending calls, which the guest does not wait for: many go to the host at once, as do their
 * replies. */
#include "bridge.h"

#include <string.h>

/* A batch is sent when it is full, and before anything else is: calls keep their order. Few enough
 * for the host to begin with the first ones while the guest makes the next. */
enum {
  BATCH_BYTES = 16384,
  BATCH_CALLS = 64,
  CALL_HEAD = 8,   /* number of the function, bytes of the arguments */
  REPLY_HEAD = 12, /* number of the call (64 bits), bytes of the reply */
};

static uint8_t batch[BATCH_BYTES];
static size_t batch_size, batch_count;
static uint64_t last_call; /* both sides count the calls */
static PyObject *pending;  /* number of a call: (future, source, operation, exports or None) */
static PyObject *refused;  /* list of what the host replied to batches, or NULL */

static uint64_t read_little(const uint8_t *data, int bytes) {
  uint64_t value = 0;
  while (bytes--)
    value = value << 8 | data[bytes];
  return value;
}

static void write_little(uint8_t *data, uint32_t value) {
  for (int i = 0; i < 4; i++, value >>= 8)
    data[i] = (uint8_t)value;
}

/* ---- to the host ---- */

/* The replies in a reply: bytes, or NULL with an exception. */
static PyObject *read_replies(coilbox_reply *reply) {
  PyObject *replies = coilbox_read_reply(reply, NULL, NULL);
  coilbox_reply_free(reply);
  if (replies && !PyBytes_Check(replies)) {
    Py_DECREF(replies);
    return coilbox_malformed("replies that are no bytes");
  }
  return replies;
}

static int send_calls(const uint8_t *data, size_t size) {
  coilbox_reply reply;
  if (coilbox_exchange(COILBOX_CONTROL | COILBOX_BEGIN, data, size, &reply) < 0)
    return -1;
  PyObject *replies = read_replies(&reply);
  if (replies == NULL)
    return -1;
  int failed = 0;
  if (PyBytes_GET_SIZE(replies)) {
    if (refused == NULL)
      refused = PyList_New(0);
    failed = refused == NULL || PyList_Append(refused, replies) < 0;
  }
  Py_DECREF(replies);
  return failed ? -1 : 0;
}

int coilbox_flush_pending(void) {
  size_t size = batch_size;
  batch_size = batch_count = 0;
  return size ? send_calls(batch, size) : 0;
}

int coilbox_begin_start(coilbox_writer *writer, void *buffer, size_t capacity) {
  coilbox_writer_start(writer, buffer, capacity);
  return coilbox_writer_extend(writer, CALL_HEAD) ? 0 : -1;
}

/* Gives the next call to its future, for which nothing of the guest's Python may run. */
static int number_call(PyObject *future, PyObject *source, size_t operation, PyObject *exports) {
  if (pending == NULL)
    pending = PyDict_New();
  PyObject *number = pending ? PyLong_FromUnsignedLongLong(last_call + 1) : NULL;
  PyObject *entry = number ? Py_BuildValue("OOnO", future, source, (Py_ssize_t)operation,
                                           exports ? exports : Py_None)
                           : NULL;
  int failed = entry == NULL || PyObject_SetAttrString(future, "_number", number) < 0 ||
               PyDict_SetItem(pending, number, entry) < 0;
  Py_XDECREF(entry);
  Py_XDECREF(number);
  last_call += !failed;
  return failed ? -1 : 0;
}

static int put_in_batch(uint32_t function, coilbox_writer *call) {
  write_little(call->data, function);
  write_little(call->data + 4, (uint32_t)(call->length - CALL_HEAD));
  if (call->length > BATCH_BYTES)
    return send_calls(call->data, call->length);
  memcpy(batch + batch_size, call->data, call->length);
  batch_size += call->length;
  return ++batch_count < BATCH_CALLS ? 0 : coilbox_flush_pending();
}

PyObject *coilbox_begin(uint32_t function, coilbox_writer *writer, PyObject *source,
                        size_t operation, PyObject *exports) {
  PyObject *future = PyObject_CallNoArgs(coilbox_bridge_hooks.pending);
  bool fits = writer->length <= BATCH_BYTES - batch_size;
  if (future == NULL || (!fits && coilbox_flush_pending() < 0) ||
      number_call(future, source, operation, exports) < 0 || put_in_batch(function, writer) < 0)
    Py_CLEAR(future);
  coilbox_writer_free(writer);
  return future;
}

/* ---- from the host ---- */

/* What waits for a call, which is forgotten; NULL if nothing does, or with an exception. */
static PyObject *take_pending(PyObject *number) {
  PyObject *entry = NULL;
  if (pending)
    PyDict_Pop(pending, number, &entry);
  return entry;
}

static void drop_entry_exports(PyObject *entry) {
  PyObject *exports = PyTuple_GET_ITEM(entry, 3);
  if (exports != Py_None)
    coilbox_drop_exports(Py_NewRef(exports));
}

static PyObject *read_result(PyObject *entry, const uint8_t *data, size_t size) {
  PyObject *source = PyTuple_GET_ITEM(entry, 1);
  if (Py_IS_TYPE(source, &coilbox_stream_type))
    return coilbox_stream_take(source, data, size) < 0 ? NULL : Py_NewRef(Py_None);
  const coilbox_plan *plan = &((coilbox_module *)source)->plan;
  size_t operation = PyLong_AsSize_t(PyTuple_GET_ITEM(entry, 2));
  return coilbox_read_message(data, size, plan, plan->operations[operation].returns);
}

static void settle(PyObject *entry, const uint8_t *data, size_t size) {
  PyObject *future = PyTuple_GET_ITEM(entry, 0);
  PyObject *value = read_result(entry, data, size);
  const char *method = value ? "set_result" : "set_exception";
  if (value == NULL)
    value = PyErr_GetRaisedException();
  PyObject *done = PyObject_CallMethod(future, method, "(O)", value);
  Py_DECREF(value);
  if (done == NULL && PyErr_ExceptionMatches(PyExc_RuntimeError))
    PyErr_Clear(); /* its loop is closed */
  else if (done == NULL)
    PyErr_WriteUnraisable(future); /* other calls must get their replies */
  Py_XDECREF(done);
  drop_entry_exports(entry);
}

/* One after the other: number, length, reply. */
static int settle_all(PyObject *replies) {
  const uint8_t *data = (const uint8_t *)PyBytes_AS_STRING(replies);
  const uint8_t *end = data + PyBytes_GET_SIZE(replies);
  while (data < end) {
    size_t left = (size_t)(end - data);
    size_t size = left < REPLY_HEAD ? left : (size_t)read_little(data + 8, 4);
    if (left < REPLY_HEAD || size > left - REPLY_HEAD) {
      coilbox_malformed("replies without their end");
      return -1;
    }
    PyObject *number = PyLong_FromUnsignedLongLong(read_little(data, 8));
    PyObject *entry = number ? take_pending(number) : NULL;
    Py_XDECREF(number);
    if (entry) /* else it was cancelled meanwhile */
      settle(entry, data + REPLY_HEAD, size);
    else if (PyErr_Occurred())
      return -1;
    Py_XDECREF(entry);
    data += REPLY_HEAD + size;
  }
  return 0;
}

static int settle_refused(void) {
  PyObject *replies = refused;
  refused = NULL;
  int failed = 0;
  for (Py_ssize_t i = 0; !failed && i < PyList_GET_SIZE(replies); i++)
    failed = settle_all(PyList_GET_ITEM(replies, i)) < 0;
  Py_DECREF(replies);
  return failed ? -1 : 0;
}

static int wait_for_replies(PyObject *seconds) {
  uint8_t buffer[16];
  coilbox_writer writer;
  coilbox_reply reply;
  coilbox_writer_start(&writer, buffer, sizeof buffer);
  if (coilbox_write_array(&writer, 1) < 0 || coilbox_write_value(&writer, seconds) < 0) {
    coilbox_writer_free(&writer);
    return -1;
  }
  if (coilbox_send(COILBOX_CONTROL | COILBOX_WAIT, &writer, &reply) < 0)
    return -1;
  PyObject *replies = read_replies(&reply);
  int failed = replies == NULL || settle_all(replies) < 0;
  Py_XDECREF(replies);
  return failed ? -1 : 0;
}

/* ---- for Python ---- */

PyObject *coilbox_wait(PyObject *module, PyObject *seconds) {
  (void)module;
  if (coilbox_flush_pending() < 0)
    return NULL;
  int failed = refused ? settle_refused() : wait_for_replies(seconds);
  coilbox_flush_dropped();
  return failed ? NULL : Py_NewRef(Py_None);
}

PyObject *coilbox_cancel(PyObject *module, PyObject *number) {
  (void)module;
  PyObject *entry = take_pending(number);
  if (entry == NULL)
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
  coilbox_reply reply;
  uint64_t call = PyLong_AsUnsignedLongLong(number);
  int failed = coilbox_control(COILBOX_CANCEL, &call, 1, &reply) < 0;
  if (!failed)
    coilbox_reply_free(&reply);
  drop_entry_exports(entry);
  Py_DECREF(entry);
  coilbox_flush_dropped();
  return failed ? NULL : Py_NewRef(Py_None);
}

PyObject *coilbox_are_pending(PyObject *module, PyObject *ignored) {
  (void)module;
  (void)ignored;
  return PyBool_FromLong(pending && PyDict_GET_SIZE(pending));
}
