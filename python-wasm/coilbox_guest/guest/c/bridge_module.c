/* The link of a generated module to the host: what its functions call. */
#include "bridge.h"

coilbox_bridge_hooks_t coilbox_bridge_hooks;

/* ---- arguments ---- */

static const coilbox_type *exported_type(const coilbox_type *type) {
  if (type->kind == COILBOX_OPTIONAL)
    type = type->item;
  return type->kind == COILBOX_STREAM || type->kind == COILBOX_CALLBACK ? type : NULL;
}

/* A call that is being made. */
typedef struct {
  coilbox_module *module;
  size_t operation;
  bool pending;
  PyObject *exports; /* list of the numbers of what it lends to the host, or NULL */
} outgoing;

/* Streams and callbacks stay here: the host gets a number. */
static int write_export(outgoing *call, size_t parameter, coilbox_writer *writer,
                        PyObject *value) {
  coilbox_module *module = call->module;
  const size_t operation = call->operation;
  PyObject **exports = &call->exports;
  const coilbox_type *type =
      exported_type(module->plan.operations[operation].parameters.fields[parameter].type);
  if (type->kind == COILBOX_CALLBACK && !PyCallable_Check(value))
    return coilbox_wrong("a callable", value);
  PyObject *kind = type->kind == COILBOX_STREAM ? Py_True : Py_False;
  PyObject *number = PyObject_CallFunction(
      coilbox_bridge_hooks.export, "OnnOOO", module, (Py_ssize_t)operation, (Py_ssize_t)parameter,
      value, kind, call->pending ? Py_True : Py_False);
  if (number && *exports == NULL)
    *exports = PyList_New(0);
  int failed = number == NULL || *exports == NULL || PyList_Append(*exports, number) < 0 ||
               coilbox_write_long(writer, number) < 0;
  Py_XDECREF(number);
  return failed ? -1 : 0;
}

static int write_argument(outgoing *call, size_t parameter, coilbox_writer *writer,
                          PyObject *value) {
  const coilbox_shape *shape = &call->module->plan.operations[call->operation].parameters;
  const coilbox_type *type = shape->fields[parameter].type;
  int failed = exported_type(type) && !(type->kind == COILBOX_OPTIONAL && value == Py_None)
                   ? write_export(call, parameter, writer, value)
                   : coilbox_write_typed(writer, type, value);
  if (failed) {
    PyObject *root = PyUnicode_FromFormat("%U.%U: %U", call->module->name, shape->name,
                                          shape->fields[parameter].name);
    const char *text = root ? PyUnicode_AsUTF8(root) : NULL;
    if (text)
      coilbox_name_place(writer, text);
    Py_XDECREF(root);
  }
  return failed;
}

static int write_arguments(outgoing *call, PyObject *values, coilbox_writer *writer) {
  size_t count = call->module->plan.operations[call->operation].parameters.count;
  if (!PyTuple_Check(values) || (size_t)PyTuple_GET_SIZE(values) != count) {
    PyErr_Format(PyExc_TypeError, "the operation takes a tuple of %zu arguments", count);
    return -1;
  }
  while (count && Py_IS_TYPE(PyTuple_GET_ITEM(values, count - 1), &coilbox_default_type))
    count--;
  if (coilbox_write_array(writer, count) < 0)
    return -1;
  writer->depth = 1;
  for (size_t i = 0; i < count; i++) {
    PyObject *value = PyTuple_GET_ITEM(values, i);
    int failed = Py_IS_TYPE(value, &coilbox_default_type)
                     ? coilbox_write_ext(writer, COILBOX_EXT_LEFT_OUT, "", 0)
                     : write_argument(call, i, writer, value);
    if (failed)
      return -1;
  }
  return 0;
}

/* ---- calls ---- */

static int take_call(PyObject *const *args, Py_ssize_t count, const coilbox_module *module,
                     size_t *operation) {
  Py_ssize_t index = count == 2 ? PyLong_AsSsize_t(args[0]) : -1;
  if (index >= 0 && (size_t)index < module->plan.operation_count) {
    *operation = (size_t)index;
    return 0;
  }
  if (!PyErr_Occurred())
    PyErr_SetString(PyExc_TypeError, "takes the number of an operation and its arguments");
  return -1;
}

static uint32_t call_number(const outgoing *call) {
  return COILBOX_OPERATION | (call->module->plan.base + (uint32_t)call->operation);
}

/* Sends a call; what it lends is taken back here only if it was not sent. */
static int send_call(outgoing *call, PyObject *self, PyObject *const *args, Py_ssize_t count,
                     coilbox_reply *reply) {
  uint8_t arguments[1024];
  coilbox_writer writer;
  call->module = (coilbox_module *)self;
  if (take_call(args, count, call->module, &call->operation) < 0)
    return -1;
  coilbox_flush_dropped();
  coilbox_writer_start(&writer, arguments, sizeof arguments);
  if (write_arguments(call, args[1], &writer) < 0)
    coilbox_writer_free(&writer);
  else if (coilbox_send(call_number(call), &writer, reply) == 0)
    return 0;
  coilbox_drop_exports(call->exports);
  return -1;
}

static const coilbox_type *result_type(const outgoing *call) {
  return call->module->plan.operations[call->operation].returns;
}

static PyObject *module_call(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  outgoing call = {0};
  coilbox_reply reply;
  if (send_call(&call, self, args, count, &reply) < 0)
    return NULL;
  PyObject *value =
      coilbox_read_reply(&reply, &call.module->plan, result_type(&call));
  coilbox_reply_free(&reply);
  if (call.exports) {
    coilbox_drop_exports(call.exports);
    coilbox_flush_dropped();
  }
  return value;
}

static PyObject *module_acall(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  outgoing call = {.module = (coilbox_module *)self, .pending = true};
  uint8_t arguments[1024];
  coilbox_writer writer;
  if (take_call(args, count, call.module, &call.operation) < 0)
    return NULL;
  coilbox_flush_dropped();
  PyObject *future = NULL;
  if (coilbox_begin_start(&writer, arguments, sizeof arguments) < 0 ||
      write_arguments(&call, args[1], &writer) < 0)
    coilbox_writer_free(&writer);
  else
    future = coilbox_begin(call_number(&call), &writer, self, call.operation, call.exports);
  if (future)
    Py_XDECREF(call.exports);
  else
    coilbox_drop_exports(call.exports);
  return future;
}

/* The resource whose method is called, or NULL. */
static PyObject *method_owner(PyObject *values) {
  PyObject *first = PyTuple_GET_SIZE(values) ? PyTuple_GET_ITEM(values, 0) : NULL;
  return first && PyObject_TypeCheck(first, &coilbox_resource_type) ? first : NULL;
}

static PyObject *module_stream(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  static const coilbox_type handle_type = {.kind = COILBOX_INT, .name = "int"};
  outgoing call = {0};
  coilbox_reply reply;
  if (send_call(&call, self, args, count, &reply) < 0)
    return NULL;
  PyObject *value = coilbox_read_reply(&reply, &call.module->plan, &handle_type);
  coilbox_reply_free(&reply);
  unsigned long long handle = value ? PyLong_AsUnsignedLongLong(value) : 0;
  Py_XDECREF(value);
  const coilbox_type *type = result_type(&call);
  if (value && !PyErr_Occurred() && type->kind == COILBOX_STREAM && handle)
    return coilbox_stream_new(call.module, type->item, handle, call.exports,
                              method_owner(args[1]));
  coilbox_drop_exports(call.exports);
  return PyErr_Occurred() ? NULL : coilbox_malformed("not a stream");
}

/* ---- values of callbacks and of streams to the host ---- */

static const coilbox_type *find_export(PyObject *const *args, Py_ssize_t count,
                                       const coilbox_module *module, PyObject **name) {
  Py_ssize_t index = count == 3 ? PyLong_AsSsize_t(args[0]) : -1;
  Py_ssize_t parameter = count == 3 ? PyLong_AsSsize_t(args[1]) : -1;
  if (index >= 0 && (size_t)index < module->plan.operation_count && parameter >= 0) {
    const coilbox_shape *shape = &module->plan.operations[index].parameters;
    const coilbox_type *type = (size_t)parameter < shape->count
                                   ? exported_type(shape->fields[parameter].type)
                                   : NULL;
    if (type) {
      *name = PyUnicode_FromFormat("%U.%U: %U", module->name, shape->name,
                                   shape->fields[parameter].name);
      return *name ? type : NULL;
    }
  }
  if (!PyErr_Occurred())
    PyErr_SetString(PyExc_TypeError, "no such parameter");
  return NULL;
}

static PyObject *module_read_arguments(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  PyObject *name = NULL;
  const coilbox_type *type = find_export(args, count, (coilbox_module *)self, &name);
  Py_XDECREF(name);
  if (type == NULL)
    return NULL;
  Py_buffer view;
  if (PyObject_GetBuffer(args[2], &view, PyBUF_SIMPLE) < 0)
    return NULL;
  const coilbox_type tuple = {
      .kind = COILBOX_TUPLE, .items = type->items, .count = type->count};
  coilbox_reader reader = {.next = view.buf, .end = (const uint8_t *)view.buf + view.len};
  PyObject *values = coilbox_read_typed(&reader, &tuple);
  if (values && reader.next != reader.end) {
    Py_CLEAR(values);
    coilbox_malformed("bytes after its end");
  }
  PyBuffer_Release(&view);
  return values;
}

/* A result, or a list of items. */
static PyObject *module_write_export(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  PyObject *name = NULL;
  const coilbox_type *type = find_export(args, count, (coilbox_module *)self, &name);
  if (type == NULL)
    return NULL;
  const coilbox_type list = {.kind = COILBOX_LIST, .item = type->item};
  uint8_t buffer[1024];
  coilbox_writer writer;
  coilbox_writer_start(&writer, buffer, sizeof buffer);
  PyObject *data = NULL;
  bool result = type->kind == COILBOX_CALLBACK;
  if (coilbox_write_typed(&writer, result ? type->item : &list, args[2]) == 0) {
    data = PyBytes_FromStringAndSize((char *)writer.data, (Py_ssize_t)writer.length);
  } else {
    PyObject *root = PyUnicode_FromFormat("%U %s", name, result ? "returned what" : "gave items");
    const char *text = root ? PyUnicode_AsUTF8(root) : NULL;
    if (text)
      coilbox_name_place(&writer, text);
    Py_XDECREF(root);
  }
  coilbox_writer_free(&writer);
  Py_DECREF(name);
  return data;
}

/* ---- the object ---- */

static PyObject *module_ready(PyObject *self, PyObject *classes) {
  if (!PyDict_Check(classes)) {
    PyErr_SetString(PyExc_TypeError, "ready() takes a dict of classes");
    return NULL;
  }
  coilbox_plan *plan = &((coilbox_module *)self)->plan;
  if (plan->bound) {
    PyErr_SetString(PyExc_RuntimeError, "the module has its classes already");
    return NULL;
  }
  if (coilbox_plan_bind(plan, classes) < 0)
    return NULL;
  Py_RETURN_NONE;
}

static PyObject *module_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  static char *names[] = {"name", "digest", NULL};
  PyObject *name, *digest;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "UU", names, &name, &digest))
    return NULL;
  PyObject *source = PyObject_CallOneArg(coilbox_bridge_hooks.find_plan, name);
  coilbox_module *module = source ? (coilbox_module *)type->tp_alloc(type, 0) : NULL;
  int failed = module == NULL || coilbox_plan_read(&module->plan, source) < 0;
  if (!failed && PyUnicode_Compare(module->plan.digest, digest) != 0) {
    failed = 1;
    PyErr_Format(PyExc_ImportError,
                 "the module %U was generated from another version of the extension than the one "
                 "that this sandbox was given: generate it again",
                 name);
  }
  Py_XDECREF(source);
  if (failed) {
    Py_XDECREF(module);
    return NULL;
  }
  module->name = Py_NewRef(name);
  return (PyObject *)module;
}

static int module_traverse(PyObject *self, visitproc visit, void *arg) {
  return coilbox_plan_traverse(&((coilbox_module *)self)->plan, visit, arg);
}

/* No tp_clear: types that are in use must keep their classes. Cycles are broken by the module. */
static void module_dealloc(PyObject *self) {
  coilbox_module *module = (coilbox_module *)self;
  PyObject_GC_UnTrack(self);
  coilbox_plan_free(&module->plan);
  Py_XDECREF(module->name);
  Py_TYPE(self)->tp_free(self);
}

#define FAST(function) (PyCFunction)(void (*)(void))function, METH_FASTCALL

static PyMethodDef methods[] = {
    {"call", FAST(module_call), "call(operation, arguments): call it and wait for the result."},
    {"acall", FAST(module_acall), "acall(operation, arguments): the same, to be awaited."},
    {"stream", FAST(module_stream), "stream(operation, arguments): open a stream."},
    {"ready", module_ready, METH_O, "ready(classes): the module's classes, by name."},
    {"read_arguments", FAST(module_read_arguments),
     "read_arguments(operation, parameter, data): what the host calls a callback with."},
    {"write_export", FAST(module_write_export),
     "write_export(operation, parameter, value): a callback's result, or items of a stream."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject coilbox_module_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "coilbox._bindings.Module",
    .tp_doc = "Module(name, digest): the link of a generated module to the host.",
    .tp_basicsize = sizeof(coilbox_module),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = module_new,
    .tp_dealloc = module_dealloc,
    .tp_traverse = module_traverse,
    .tp_methods = methods,
};
