/* A module's plan, as the host sends it, to the types that the codec follows. */
#include "typed.h"

#include <string.h>

/* ---- memory: a plan is made once and freed at once ---- */

void *coilbox_plan_allocate(coilbox_plan *plan, size_t count, size_t size) {
  const size_t capacity = sizeof plan->memory->data;
  if (count > PY_SSIZE_T_MAX / size - capacity) {
    PyErr_NoMemory();
    return NULL;
  }
  size_t bytes = (count * size + 7) & ~(size_t)7;
  coilbox_chunk *chunk = plan->memory;
  if (chunk == NULL || bytes > capacity - chunk->used) {
    size_t more = bytes > capacity ? bytes - capacity : 0;
    chunk = PyMem_RawCalloc(1, sizeof *chunk + more);
    if (chunk == NULL) {
      PyErr_NoMemory();
      return NULL;
    }
    chunk->before = plan->memory;
    chunk->used = more ? capacity : 0;
    plan->memory = chunk;
    if (more)
      return chunk->data;
  }
  void *room = chunk->data + chunk->used;
  chunk->used += bytes;
  return room;
}

/* ---- types ---- */

#define SIGNED(bits, low, high) \
  {.kind = COILBOX_SIZED, .name = "i" #bits, .least = low, .greatest = high}
#define UNSIGNED(bits, high) \
  {.kind = COILBOX_SIZED, .name = "u" #bits, .is_unsigned = true, .greatest = high}

static const coilbox_type scalars[] = {
    {.kind = COILBOX_NONE, .name = "none"},
    {.kind = COILBOX_BOOL, .name = "bool"},
    {.kind = COILBOX_INT, .name = "int"},
    SIGNED(8, INT8_MIN, INT8_MAX),
    SIGNED(16, INT16_MIN, INT16_MAX),
    SIGNED(32, INT32_MIN, INT32_MAX),
    SIGNED(64, INT64_MIN, INT64_MAX),
    UNSIGNED(8, UINT8_MAX),
    UNSIGNED(16, UINT16_MAX),
    UNSIGNED(32, UINT32_MAX),
    UNSIGNED(64, UINT64_MAX),
    {.kind = COILBOX_FLOAT, .name = "float"},
    {.kind = COILBOX_STR, .name = "str"},
    {.kind = COILBOX_BYTES, .name = "bytes"},
    {.kind = COILBOX_DECIMAL, .name = "decimal"},
    {.kind = COILBOX_DATETIME, .name = "datetime"},
    {.kind = COILBOX_DATE, .name = "date"},
    {.kind = COILBOX_TIME, .name = "time"},
    {.kind = COILBOX_TIMEDELTA, .name = "timedelta"},
    {.kind = COILBOX_UUID, .name = "uuid"},
};

static int malformed(void) {
  PyErr_SetString(PyExc_ValueError, "malformed plan of an extension from the host");
  return -1;
}

static bool is_list(PyObject *source, Py_ssize_t size) {
  return PyList_CheckExact(source) && PyList_GET_SIZE(source) == size;
}

/* An item of a list, or NULL if it is none or shorter. */
static PyObject *part(PyObject *source, Py_ssize_t index) {
  if (!PyList_CheckExact(source) || index >= PyList_GET_SIZE(source))
    return NULL;
  return PyList_GET_ITEM(source, index);
}

static const coilbox_type *read_type(coilbox_plan *plan, PyObject *source);

static int read_types(coilbox_plan *plan, PyObject *source, coilbox_type *type) {
  if (source == NULL || !PyList_CheckExact(source))
    return malformed();
  type->count = (size_t)PyList_GET_SIZE(source);
  type->items = coilbox_plan_allocate(plan, type->count, sizeof *type->items);
  if (type->items == NULL)
    return -1;
  for (size_t i = 0; i < type->count; i++) {
    type->items[i] = read_type(plan, PyList_GET_ITEM(source, (Py_ssize_t)i));
    if (type->items[i] == NULL)
      return -1;
  }
  return 0;
}

static int read_reference(coilbox_plan *plan, PyObject *source, coilbox_type *type) {
  size_t index = source && PyLong_CheckExact(source) ? PyLong_AsSize_t(source) : SIZE_MAX;
  if (index >= plan->declaration_count)
    return PyErr_Occurred() ? -1 : malformed();
  type->declaration = &plan->declarations[index];
  return 0;
}

static int read_compound(coilbox_plan *plan, PyObject *source, coilbox_type *type) {
  static const struct {
    const char *tag;
    coilbox_kind kind;
  } kinds[] = {{"list", COILBOX_LIST},     {"set", COILBOX_SET},
               {"dict", COILBOX_DICT},     {"tuple", COILBOX_TUPLE},
               {"stream", COILBOX_STREAM}, {"optional", COILBOX_OPTIONAL},
               {"ref", COILBOX_REF},       {"callback", COILBOX_CALLBACK}};
  PyObject *tag = part(source, 0), *first = part(source, 1), *second = part(source, 2);
  size_t i = 0;
  while (tag && PyUnicode_Check(tag) && i < sizeof kinds / sizeof *kinds &&
         !PyUnicode_EqualToUTF8(tag, kinds[i].tag))
    i++;
  if (first == NULL || !PyUnicode_Check(tag) || i == sizeof kinds / sizeof *kinds)
    return malformed();
  type->kind = kinds[i].kind;
  switch (type->kind) {
  case COILBOX_REF:
    return read_reference(plan, first, type);
  case COILBOX_TUPLE:
    return read_types(plan, first, type);
  case COILBOX_CALLBACK:
    type->item = second ? read_type(plan, second) : NULL;
    return type->item ? read_types(plan, first, type) : PyErr_Occurred() ? -1 : malformed();
  case COILBOX_DICT:
    type->key = read_type(plan, first);
    type->item = type->key && second ? read_type(plan, second) : NULL;
    break;
  default:
    type->item = read_type(plan, first);
  }
  return type->item ? 0 : PyErr_Occurred() ? -1 : malformed();
}

static const coilbox_type *read_type(coilbox_plan *plan, PyObject *source) {
  if (PyUnicode_Check(source)) {
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++)
      if (PyUnicode_EqualToUTF8(source, scalars[i].name))
        return &scalars[i];
    malformed();
    return NULL;
  }
  coilbox_type *type = coilbox_plan_allocate(plan, 1, sizeof *type);
  if (type == NULL || Py_EnterRecursiveCall(" in a plan"))
    return NULL;
  int failed = read_compound(plan, source, type);
  Py_LeaveRecursiveCall();
  return failed ? NULL : type;
}

/* ---- declarations and operations ---- */

static int read_name(PyObject *source, PyObject **name) {
  if (source == NULL || !PyUnicode_CheckExact(source))
    return malformed();
  *name = Py_NewRef(source);
  PyUnicode_InternInPlace(name);
  return 0;
}

static int read_fields(coilbox_plan *plan, PyObject *source, coilbox_shape *shape) {
  if (source == NULL || !PyList_CheckExact(source))
    return malformed();
  size_t count = (size_t)PyList_GET_SIZE(source);
  shape->fields = coilbox_plan_allocate(plan, count, sizeof *shape->fields);
  if (shape->fields == NULL)
    return -1;
  for (size_t i = 0; i < count; i++, shape->count++) {
    PyObject *field = PyList_GET_ITEM(source, (Py_ssize_t)i);
    if (!is_list(field, 2))
      return malformed();
    shape->fields[i].type = read_type(plan, PyList_GET_ITEM(field, 1));
    if (shape->fields[i].type == NULL ||
        read_name(PyList_GET_ITEM(field, 0), &shape->fields[i].name) < 0)
      return -1;
  }
  return 0;
}

/* A case is a record: one with a value has the field `value`. */
static int read_case(coilbox_plan *plan, PyObject *source, coilbox_shape *shape) {
  if (!is_list(source, 3) || read_name(PyList_GET_ITEM(source, 0), &shape->name) < 0)
    return PyErr_Occurred() ? -1 : malformed();
  PyObject *type = PyList_GET_ITEM(source, 1), *fields = PyList_GET_ITEM(source, 2);
  if (type == Py_None)
    return fields == Py_None ? 0 : read_fields(plan, fields, shape);
  shape->fields = coilbox_plan_allocate(plan, 1, sizeof *shape->fields);
  if (shape->fields == NULL)
    return -1;
  shape->fields->type = read_type(plan, type);
  shape->fields->name = shape->fields->type ? PyUnicode_InternFromString("value") : NULL;
  shape->count = shape->fields->name != NULL;
  return shape->count ? 0 : -1;
}

static int read_shapes(coilbox_plan *plan, PyObject *content, coilbox_declaration *declaration) {
  bool cases = declaration->kind == COILBOX_VARIANT;
  if (content == NULL || !PyList_CheckExact(content))
    return malformed();
  size_t count = cases ? (size_t)PyList_GET_SIZE(content) : 1;
  declaration->shapes = coilbox_plan_allocate(plan, count, sizeof *declaration->shapes);
  if (declaration->shapes == NULL)
    return -1;
  declaration->count = count;
  if (!cases) {
    declaration->shapes->name = Py_NewRef(declaration->name);
    return read_fields(plan, content, declaration->shapes);
  }
  for (size_t i = 0; i < count; i++)
    if (read_case(plan, PyList_GET_ITEM(content, (Py_ssize_t)i), &declaration->shapes[i]) < 0)
      return -1;
  return 0;
}

static int read_declaration(coilbox_plan *plan, PyObject *source,
                            coilbox_declaration *declaration) {
  static const char *const tags[] = {"enum", "record", "variant", "error", "resource"};
  PyObject *tag = part(source, 0), *content = part(source, 2);
  if (tag == NULL || !PyUnicode_Check(tag) || read_name(part(source, 1), &declaration->name) < 0)
    return PyErr_Occurred() ? -1 : malformed();
  size_t i = 0;
  while (i < 5 && !PyUnicode_EqualToUTF8(tag, tags[i]))
    i++;
  declaration->kind = (coilbox_declared)i;
  switch (declaration->kind) {
  case COILBOX_ENUM:
    if (content == NULL || !PyList_CheckExact(content))
      return malformed();
    declaration->values = Py_NewRef(content);
    return 0;
  case COILBOX_RECORD:
  case COILBOX_VARIANT:
  case COILBOX_ERROR:
    return read_shapes(plan, content, declaration);
  case COILBOX_RESOURCE:
    return 0;
  default:
    return malformed();
  }
}

static int read_operation(coilbox_plan *plan, PyObject *source, coilbox_operation *operation) {
  if (!is_list(source, 3))
    return malformed();
  operation->returns = read_type(plan, PyList_GET_ITEM(source, 2));
  if (operation->returns == NULL ||
      read_name(PyList_GET_ITEM(source, 0), &operation->parameters.name) < 0)
    return -1;
  return read_fields(plan, PyList_GET_ITEM(source, 1), &operation->parameters);
}

int coilbox_plan_read(coilbox_plan *plan, PyObject *source) {
  *plan = (coilbox_plan){0};
  if (!is_list(source, 4) || !PyList_CheckExact(PyList_GET_ITEM(source, 2)) ||
      !PyList_CheckExact(PyList_GET_ITEM(source, 3)) || !PyLong_Check(PyList_GET_ITEM(source, 1)))
    return malformed();
  if (read_name(PyList_GET_ITEM(source, 0), &plan->digest) < 0)
    return -1;
  unsigned long base = PyLong_AsUnsignedLong(PyList_GET_ITEM(source, 1));
  if (base >= COILBOX_MAX_OPERATIONS)
    return PyErr_Occurred() ? -1 : malformed();
  plan->base = (uint32_t)base;
  PyObject *declarations = PyList_GET_ITEM(source, 2), *operations = PyList_GET_ITEM(source, 3);
  size_t count = (size_t)PyList_GET_SIZE(declarations);
  plan->declarations = coilbox_plan_allocate(plan, count, sizeof *plan->declarations);
  if (plan->declarations == NULL)
    return -1;
  plan->declaration_count = count;
  for (size_t i = 0; i < count; i++)
    if (read_declaration(plan, PyList_GET_ITEM(declarations, (Py_ssize_t)i),
                         &plan->declarations[i]) < 0)
      return -1;
  count = (size_t)PyList_GET_SIZE(operations);
  plan->operations = coilbox_plan_allocate(plan, count, sizeof *plan->operations);
  if (plan->operations == NULL)
    return -1;
  plan->operation_count = count;
  for (size_t i = 0; i < count; i++)
    if (read_operation(plan, PyList_GET_ITEM(operations, (Py_ssize_t)i), &plan->operations[i]) < 0)
      return -1;
  return 0;
}
