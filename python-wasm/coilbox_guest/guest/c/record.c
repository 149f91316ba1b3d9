/* Records and cases of variants: frozen, with slots, what a dataclass would be without its exec.
 *
 * A class says what it has: `__fields__` (names, in order), `__defaults__` and `__factories__`
 * (by name), and `__match_args__`, as many of the first as may be given by position.
 */
#include "typed.h"

static PyObject *attribute_of_class(PyObject *record, const char *name) {
  return PyObject_GetAttrString((PyObject *)Py_TYPE(record), name);
}

static PyObject *fields_of(PyObject *record) {
  PyObject *fields = attribute_of_class(record, "__fields__");
  if (fields && !PyTuple_Check(fields)) {
    PyErr_SetString(PyExc_TypeError, "__fields__ must be a tuple");
    Py_CLEAR(fields);
  }
  return fields;
}

static PyObject *values_of(PyObject *record) {
  PyObject *fields = fields_of(record);
  Py_ssize_t count = fields ? PyTuple_GET_SIZE(fields) : 0;
  PyObject *values = fields ? PyTuple_New(count) : NULL;
  for (Py_ssize_t i = 0; values && i < count; i++) {
    PyObject *value = PyObject_GetAttr(record, PyTuple_GET_ITEM(fields, i));
    if (value)
      PyTuple_SET_ITEM(values, i, value);
    else
      Py_CLEAR(values);
  }
  Py_XDECREF(fields);
  return values;
}

/* ---- making one ---- */

typedef struct {
  PyObject *fields, *positional, *defaults, *factories;
} declared;

static int refuse_arguments(PyObject *record, PyObject *fields, PyObject *kwargs) {
  PyObject *name = PyType_GetName(Py_TYPE(record)), *key, *value;
  Py_ssize_t position = 0;
  while (name && kwargs && PyDict_Next(kwargs, &position, &key, &value)) {
    int index = PySequence_Contains(fields, key);
    if (index == 0)
      PyErr_Format(PyExc_TypeError, "%U.__init__() got an unexpected keyword argument %R", name,
                   key);
    if (index != 1)
      break;
  }
  if (name && !PyErr_Occurred())
    PyErr_Format(PyExc_TypeError, "%U.__init__() takes its %zd arguments once and no more", name,
                 PyTuple_GET_SIZE(fields));
  Py_XDECREF(name);
  return -1;
}

static PyObject *value_for(PyObject *record, const declared *class, Py_ssize_t index,
                           PyObject *args, PyObject *kwargs, Py_ssize_t *used) {
  PyObject *name = PyTuple_GET_ITEM(class->fields, index);
  PyObject *value = kwargs ? PyDict_GetItemWithError(kwargs, name) : NULL;
  if (value == NULL && !PyErr_Occurred() && index < PyTuple_GET_SIZE(args))
    value = PyTuple_GET_ITEM(args, index);
  if (value) {
    ++*used;
    return Py_NewRef(value);
  }
  if (!PyErr_Occurred())
    value = PyDict_GetItemWithError(class->defaults, name);
  if (value)
    return Py_NewRef(value);
  if (!PyErr_Occurred())
    value = PyDict_GetItemWithError(class->factories, name);
  if (value)
    return PyObject_CallNoArgs(value);
  if (!PyErr_Occurred()) {
    PyObject *title = PyType_GetName(Py_TYPE(record));
    if (title)
      PyErr_Format(PyExc_TypeError, "%U.__init__() missing the argument %R", title, name);
    Py_XDECREF(title);
  }
  return NULL;
}

static int fill(PyObject *record, const declared *class, PyObject *args, PyObject *kwargs) {
  Py_ssize_t count = PyTuple_GET_SIZE(class->fields), used = 0;
  Py_ssize_t given = PyTuple_GET_SIZE(args) + (kwargs ? PyDict_GET_SIZE(kwargs) : 0);
  if (PyTuple_GET_SIZE(args) > PyTuple_GET_SIZE(class->positional)) {
    PyObject *name = PyType_GetName(Py_TYPE(record));
    if (name)
      PyErr_Format(PyExc_TypeError, "%U.__init__() takes %zd positional arguments, but %zd were given",
                   name, PyTuple_GET_SIZE(class->positional), PyTuple_GET_SIZE(args));
    Py_XDECREF(name);
    return -1;
  }
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject *value = value_for(record, class, i, args, kwargs, &used);
    int failed = value == NULL ||
                 PyObject_GenericSetAttr(record, PyTuple_GET_ITEM(class->fields, i), value) < 0;
    Py_XDECREF(value);
    if (failed)
      return -1;
  }
  return used == given ? 0 : refuse_arguments(record, class->fields, kwargs);
}

static int record_init(PyObject *record, PyObject *args, PyObject *kwargs) {
  declared class = {
      .fields = attribute_of_class(record, "__fields__"),
      .positional = attribute_of_class(record, "__match_args__"),
      .defaults = attribute_of_class(record, "__defaults__"),
      .factories = attribute_of_class(record, "__factories__"),
  };
  int result = -1;
  if (!class.fields || !class.positional || !class.defaults || !class.factories)
    ; /* AttributeError is set */
  else if (PyTuple_Check(class.fields) && PyTuple_Check(class.positional) &&
           PyDict_Check(class.defaults) && PyDict_Check(class.factories))
    result = fill(record, &class, args, kwargs);
  else
    PyErr_SetString(PyExc_TypeError, "a record's class with other attributes than it needs");
  Py_XDECREF(class.fields);
  Py_XDECREF(class.positional);
  Py_XDECREF(class.defaults);
  Py_XDECREF(class.factories);
  return result;
}

static int record_setattr(PyObject *record, PyObject *name, PyObject *value) {
  PyObject *own = PyType_GetDict(Py_TYPE(record));
  PyObject *fields = own ? fields_of(record) : NULL;
  int frozen = fields ? PyDict_ContainsString(own, "__fields__") : -1;
  if (frozen == 0) /* a subclass of the guest's: only the fields are frozen */
    frozen = PySequence_Contains(fields, name);
  if (frozen > 0)
    PyErr_Format(coilbox_hooks.frozen, "cannot %s field %R", value ? "assign to" : "delete", name);
  Py_XDECREF(own);
  Py_XDECREF(fields);
  return frozen ? -1 : PyObject_GenericSetAttr(record, name, value);
}

/* ---- what values do ---- */

static PyObject *write_repr(PyObject *record, PyObject *fields) {
  PyUnicodeWriter *writer = PyUnicodeWriter_Create(0);
  PyObject *name = writer ? PyType_GetQualName(Py_TYPE(record)) : NULL;
  int failed = name == NULL || PyUnicodeWriter_WriteStr(writer, name) < 0 ||
               PyUnicodeWriter_WriteChar(writer, '(') < 0;
  Py_XDECREF(name);
  for (Py_ssize_t i = 0; !failed && i < PyTuple_GET_SIZE(fields); i++) {
    PyObject *field = PyTuple_GET_ITEM(fields, i), *value = PyObject_GetAttr(record, field);
    failed = value == NULL || (i && PyUnicodeWriter_WriteUTF8(writer, ", ", 2) < 0) ||
             PyUnicodeWriter_WriteStr(writer, field) < 0 ||
             PyUnicodeWriter_WriteChar(writer, '=') < 0 ||
             PyUnicodeWriter_WriteRepr(writer, value) < 0;
    Py_XDECREF(value);
  }
  if (!failed && PyUnicodeWriter_WriteChar(writer, ')') == 0)
    return PyUnicodeWriter_Finish(writer);
  PyUnicodeWriter_Discard(writer);
  return NULL;
}

static PyObject *record_repr(PyObject *record) {
  int inside = Py_ReprEnter(record);
  if (inside)
    return inside < 0 ? NULL : PyUnicode_FromString("...");
  PyObject *fields = fields_of(record);
  PyObject *text = fields ? write_repr(record, fields) : NULL;
  Py_XDECREF(fields);
  Py_ReprLeave(record);
  return text;
}

static PyObject *record_compare(PyObject *record, PyObject *other, int operator) {
  if ((operator != Py_EQ && operator != Py_NE) || Py_TYPE(record) != Py_TYPE(other))
    Py_RETURN_NOTIMPLEMENTED;
  PyObject *left = values_of(record), *right = left ? values_of(other) : NULL;
  PyObject *result = right ? PyObject_RichCompare(left, right, operator) : NULL;
  Py_XDECREF(left);
  Py_XDECREF(right);
  return result;
}

static Py_hash_t record_hash(PyObject *record) {
  if (Py_EnterRecursiveCall(" while hashing a record"))
    return -1;
  PyObject *values = values_of(record);
  Py_hash_t hash = values ? PyObject_Hash(values) : -1;
  Py_XDECREF(values);
  Py_LeaveRecursiveCall();
  return hash;
}

/* For copy and pickle of every protocol: an empty one is made, then gets its values. */
static PyObject *record_reduce(PyObject *record, PyObject *ignored) {
  (void)ignored;
  PyObject *module = PyImport_ImportModule("copyreg");
  PyObject *make = module ? PyObject_GetAttrString(module, "__newobj__") : NULL;
  PyObject *values = make ? values_of(record) : NULL;
  Py_XDECREF(module);
  if (values)
    return Py_BuildValue("N(O)N", make, Py_TYPE(record), values);
  Py_XDECREF(make);
  return NULL;
}

static PyObject *record_setstate(PyObject *record, PyObject *state) {
  PyObject *fields = fields_of(record);
  if (fields == NULL)
    return NULL;
  int failed = !PyTuple_Check(state) || PyTuple_GET_SIZE(state) != PyTuple_GET_SIZE(fields);
  if (failed)
    PyErr_SetString(PyExc_TypeError, "a record's state is a tuple of its values");
  for (Py_ssize_t i = 0; !failed && i < PyTuple_GET_SIZE(fields); i++)
    failed = PyObject_GenericSetAttr(record, PyTuple_GET_ITEM(fields, i),
                                     PyTuple_GET_ITEM(state, i)) < 0;
  Py_DECREF(fields);
  return failed ? NULL : Py_NewRef(Py_None);
}

static PyObject *record_replace(PyObject *record, PyObject *args, PyObject *kwargs) {
  if (PyTuple_GET_SIZE(args)) {
    PyErr_SetString(PyExc_TypeError, "__replace__() takes only keyword arguments");
    return NULL;
  }
  PyObject *fields = fields_of(record), *all = fields ? PyDict_New() : NULL;
  int failed = all == NULL;
  for (Py_ssize_t i = 0; !failed && i < PyTuple_GET_SIZE(fields); i++) {
    PyObject *name = PyTuple_GET_ITEM(fields, i), *value = PyObject_GetAttr(record, name);
    failed = value == NULL || PyDict_SetItem(all, name, value) < 0;
    Py_XDECREF(value);
  }
  PyObject *made = NULL;
  if (!failed && (kwargs == NULL || PyDict_Update(all, kwargs) == 0))
    made = PyObject_Call((PyObject *)Py_TYPE(record), args, all);
  Py_XDECREF(fields);
  Py_XDECREF(all);
  return made;
}

static PyMethodDef methods[] = {
    {"__reduce__", record_reduce, METH_NOARGS, NULL},
    {"__setstate__", record_setstate, METH_O, NULL},
    {"__replace__", (PyCFunction)(void (*)(void))record_replace, METH_VARARGS | METH_KEYWORDS,
     "A record with other values in some of its fields."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject coilbox_record_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "coilbox._bindings.Record",
    .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_init = record_init,
    .tp_new = PyType_GenericNew,
    .tp_setattro = record_setattr,
    .tp_repr = record_repr,
    .tp_richcompare = record_compare,
    .tp_hash = record_hash,
    .tp_methods = methods,
};

/* ---- the default of a parameter ---- */

typedef struct {
  PyObject_HEAD
  PyObject *text;
} default_object;

static PyObject *default_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  static char *names[] = {"text", NULL};
  PyObject *text;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "U", names, &text))
    return NULL;
  default_object *made = (default_object *)type->tp_alloc(type, 0);
  if (made)
    made->text = Py_NewRef(text);
  return (PyObject *)made;
}

static void default_dealloc(PyObject *self) {
  Py_XDECREF(((default_object *)self)->text);
  Py_TYPE(self)->tp_free(self);
}

static PyObject *default_repr(PyObject *self) {
  return Py_NewRef(((default_object *)self)->text);
}

PyTypeObject coilbox_default_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "coilbox._bindings.Default",
    .tp_basicsize = sizeof(default_object),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "Stands for an argument that was left out: the host fills in what repr() shows.",
    .tp_new = default_new,
    .tp_dealloc = default_dealloc,
    .tp_repr = default_repr,
};
