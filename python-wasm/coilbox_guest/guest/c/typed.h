/* Types of extensions' functions, and the codec that follows them (docs/abi.md, "Messages of
 * extensions"). Everything here is made from a module's plan once, when it is loaded. */
#ifndef COILBOX_TYPED_H
#define COILBOX_TYPED_H

#include "coilbox.h"

enum { COILBOX_MAX_OPERATIONS = 1 << 24 };

typedef enum {
  COILBOX_NONE,
  COILBOX_BOOL,
  COILBOX_INT,
  COILBOX_SIZED, /* an integer with a range */
  COILBOX_FLOAT,
  COILBOX_STR,
  COILBOX_BYTES,
  COILBOX_DECIMAL,
  COILBOX_DATETIME,
  COILBOX_DATE,
  COILBOX_TIME,
  COILBOX_TIMEDELTA,
  COILBOX_UUID,
  COILBOX_LIST,
  COILBOX_SET,
  COILBOX_DICT,
  COILBOX_TUPLE,
  COILBOX_OPTIONAL,
  COILBOX_STREAM,
  COILBOX_CALLBACK,
  COILBOX_REF,
} coilbox_kind;

typedef struct coilbox_type coilbox_type;
typedef struct coilbox_declaration coilbox_declaration;

struct coilbox_type {
  coilbox_kind kind;
  const char *name;       /* of a scalar, as messages show it */
  bool is_unsigned;       /* sized integers: */
  int64_t least;
  uint64_t greatest;
  const coilbox_type *item;   /* of list, set, optional, stream; value of dict; result of callback */
  const coilbox_type *key;    /* of dict */
  const coilbox_type **items; /* of tuple; parameters of callback */
  size_t count;
  const coilbox_declaration *declaration; /* of ref */
};

typedef struct {
  PyObject *name;
  const coilbox_type *type;
  Py_ssize_t offset; /* in instances of a record or case */
} coilbox_field;

/* A record, a case of a variant, an error, or the parameters of an operation. */
typedef struct {
  PyObject *name;
  PyTypeObject *class; /* NULL until the module registers it */
  coilbox_field *fields;
  size_t count;
} coilbox_shape;

typedef enum {
  COILBOX_ENUM,
  COILBOX_RECORD,
  COILBOX_VARIANT,
  COILBOX_ERROR,
  COILBOX_RESOURCE,
} coilbox_declared;

struct coilbox_declaration {
  coilbox_declared kind;
  PyObject *name;
  PyTypeObject *class; /* of resources; NULL until the module registers it */
  coilbox_shape *shapes; /* one; of a variant one for each case; none of enums and resources */
  size_t count;
  PyObject *values;  /* of an enum: list of texts */
  PyObject *members; /* of an enum: tuple, by position */
};

typedef struct {
  coilbox_shape parameters; /* its name is the operation's */
  const coilbox_type *returns;
} coilbox_operation;

typedef struct coilbox_chunk {
  struct coilbox_chunk *before;
  size_t used;
  _Alignas(8) uint8_t data[4096];
} coilbox_chunk;

typedef struct {
  PyObject *digest;
  bool bound; /* whether it has its classes: it gets them once, as values of it have their layout */
  uint32_t base;
  coilbox_declaration *declarations;
  size_t declaration_count;
  coilbox_operation *operations;
  size_t operation_count;
  coilbox_chunk *memory; /* of everything above */
} coilbox_plan;

/* These return 0, or -1 with an exception set. */
int coilbox_plan_read(coilbox_plan *plan, PyObject *source);
int coilbox_plan_bind(coilbox_plan *plan, PyObject *classes);
int coilbox_plan_traverse(coilbox_plan *plan, visitproc visit, void *arg);
void coilbox_plan_free(coilbox_plan *plan);
void *coilbox_plan_allocate(coilbox_plan *plan, size_t count, size_t size);

/* Writes a value in the form of its type; 0, or -1 with an exception set. */
int coilbox_write_typed(coilbox_writer *writer, const coilbox_type *type, PyObject *value);
/* "must be EXPECTED, not GOT"; returns -1. */
int coilbox_wrong(const char *expected, PyObject *value);

/* These return a new reference, or NULL with an exception set. */
PyObject *coilbox_read_typed(coilbox_reader *reader, const coilbox_type *type);
PyObject *coilbox_read_error(coilbox_reader *reader, const coilbox_plan *plan);
/* The number of items of an array that follows, or -1 with an exception set. */
Py_ssize_t coilbox_read_array(coilbox_reader *reader);
/* A number below 2**31 that follows, or -1 with an exception set. */
int64_t coilbox_read_number(coilbox_reader *reader);

extern PyTypeObject coilbox_record_type, coilbox_resource_type, coilbox_default_type;
PyObject *coilbox_resource_new(PyTypeObject *class, uint64_t handle);
uint64_t coilbox_resource_handle(PyObject *resource);

#endif
