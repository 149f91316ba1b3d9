/* A plan's declarations get the classes of the module, and give them up again. */
#include "typed.h"

#include <string.h>

/* Where a record's field is in its instances; -1 with an exception if it has no slot of its own. */
static Py_ssize_t offset_of(PyTypeObject *class, PyObject *name) {
  PyObject *dict = PyType_GetDict(class);
  PyObject *descriptor = dict ? PyDict_GetItemWithError(dict, name) : NULL;
  Py_ssize_t offset = -1;
  if (descriptor && Py_IS_TYPE(descriptor, &PyMemberDescr_Type) &&
      PyDescr_TYPE(descriptor) == class) {
    const PyMemberDef *member = ((PyMemberDescrObject *)descriptor)->d_member;
    if (member->type == Py_T_OBJECT_EX)
      offset = member->offset;
  }
  Py_XDECREF(dict);
  if (offset < 0 && !PyErr_Occurred())
    PyErr_Format(PyExc_TypeError, "%N has no slot %R", class, name);
  return offset;
}

/* The class comes last: nothing is read or written as long as there is none. */
static int bind_shape(coilbox_shape *shape, PyObject *class, bool record) {
  PyTypeObject *type = (PyTypeObject *)class;
  if (record && !PyType_IsSubtype(type, &coilbox_record_type)) {
    PyErr_Format(PyExc_TypeError, "%N is no record", class);
    return -1;
  }
  for (size_t i = 0; record && i < shape->count; i++) {
    shape->fields[i].offset = offset_of(type, shape->fields[i].name);
    if (shape->fields[i].offset < 0)
      return -1;
  }
  shape->class = (PyTypeObject *)Py_NewRef(class);
  return 0;
}

static int bind_enum(coilbox_declaration *declaration, PyObject *class) {
  Py_ssize_t count = PyList_GET_SIZE(declaration->values);
  PyObject *by_value = PyObject_GetAttrString(class, "_value2member_map_");
  PyObject *members = by_value ? PyTuple_New(count) : NULL;
  for (Py_ssize_t i = 0; members && i < count; i++) {
    PyObject *member = PyObject_GetItem(by_value, PyList_GET_ITEM(declaration->values, i));
    if (member)
      PyTuple_SET_ITEM(members, i, member);
    else
      Py_CLEAR(members);
  }
  Py_XDECREF(by_value);
  declaration->members = members;
  return members ? 0 : -1;
}

static PyObject *find_class(PyObject *classes, PyObject *name) {
  PyObject *class = PyDict_GetItemWithError(classes, name);
  if (class && PyType_Check(class))
    return class;
  if (!PyErr_Occurred())
    PyErr_Format(PyExc_ImportError, "the module lacks the class %R of the extension", name);
  return NULL;
}

static int bind(coilbox_declaration *declaration, PyObject *classes) {
  if (declaration->kind == COILBOX_VARIANT) {
    for (size_t i = 0; i < declaration->count; i++) {
      coilbox_shape *shape = &declaration->shapes[i];
      PyObject *name = PyUnicode_FromFormat("%U.%U", declaration->name, shape->name);
      PyObject *class = name ? find_class(classes, name) : NULL;
      Py_XDECREF(name);
      if (class == NULL || bind_shape(shape, class, true) < 0)
        return -1;
    }
    return 0;
  }
  PyObject *class = find_class(classes, declaration->name);
  if (class == NULL)
    return -1;
  if (declaration->kind == COILBOX_RECORD || declaration->kind == COILBOX_ERROR)
    return bind_shape(declaration->shapes, class, declaration->kind == COILBOX_RECORD);
  if (declaration->kind == COILBOX_ENUM)
    return bind_enum(declaration, class);
  if (!PyType_IsSubtype((PyTypeObject *)class, &coilbox_resource_type)) {
    PyErr_Format(PyExc_TypeError, "%N is no resource", class);
    return -1;
  }
  declaration->class = (PyTypeObject *)Py_NewRef(class);
  return 0;
}

static void unbind(coilbox_declaration *declaration) {
  Py_CLEAR(declaration->class);
  Py_CLEAR(declaration->members);
  for (size_t i = 0; i < declaration->count; i++)
    Py_CLEAR(declaration->shapes[i].class);
}

int coilbox_plan_bind(coilbox_plan *plan, PyObject *classes) {
  plan->bound = true;
  for (size_t i = 0; i < plan->declaration_count; i++)
    if (bind(&plan->declarations[i], classes) < 0)
      return -1;
  return 0;
}

int coilbox_plan_traverse(coilbox_plan *plan, visitproc visit, void *arg) {
  for (size_t i = 0; i < plan->declaration_count; i++) {
    coilbox_declaration *declaration = &plan->declarations[i];
    Py_VISIT(declaration->class);
    Py_VISIT(declaration->members);
    for (size_t shape = 0; shape < declaration->count; shape++)
      Py_VISIT(declaration->shapes[shape].class);
  }
  return 0;
}

static void free_shape(coilbox_shape *shape) {
  Py_CLEAR(shape->name);
  for (size_t i = 0; i < shape->count; i++)
    Py_CLEAR(shape->fields[i].name);
}

void coilbox_plan_free(coilbox_plan *plan) {
  for (size_t i = 0; i < plan->declaration_count; i++) {
    coilbox_declaration *declaration = &plan->declarations[i];
    unbind(declaration);
    Py_CLEAR(declaration->name);
    Py_CLEAR(declaration->values);
    for (size_t shape = 0; shape < declaration->count; shape++)
      free_shape(&declaration->shapes[shape]);
  }
  for (size_t i = 0; i < plan->operation_count; i++)
    free_shape(&plan->operations[i].parameters);
  Py_CLEAR(plan->digest);
  coilbox_chunk *chunk = plan->memory;
  while (chunk) {
    coilbox_chunk *before = chunk->before;
    PyMem_RawFree(chunk);
    chunk = before;
  }
  *plan = (coilbox_plan){0};
}
