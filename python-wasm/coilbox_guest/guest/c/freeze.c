/* Making the snapshot's objects immortal.
 *
 * A fresh guest shares the snapshot's memory until it writes to it, and reference counts are
 * written whenever an object is merely used. Immortal objects are not counted.
 */
#include "coilbox.h"

static void immortalize(PyObject *object) {
  if (!_Py_IsImmortal(object))
    object->ob_refcnt = _Py_IMMORTAL_INITIAL_REFCNT;
}

/* Objects that the collector does not track are found through those that it does. */
static int visit(PyObject *object, void *unused);

static void visit_code(PyCodeObject *code) {
  PyObject *parts[] = {code->co_consts,    code->co_names,    code->co_localsplusnames,
                       code->co_filename,  code->co_name,     code->co_qualname,
                       code->co_linetable, code->co_exceptiontable, code->co_localspluskinds};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (parts[i])
      visit(parts[i], NULL);
}

static int visit(PyObject *object, void *unused) {
  (void)unused;
  if (_Py_IsImmortal(object))
    return 0;
  if (PyObject_GC_IsTracked(object))
    return 0; /* has its own turn */
  immortalize(object);
  if (PyCode_Check(object))
    visit_code((PyCodeObject *)object);
  else if (Py_TYPE(object)->tp_traverse && !PyType_Check(object))
    Py_TYPE(object)->tp_traverse(object, visit, NULL);
  return 0;
}

static int visit_tracked(PyObject *object, void *unused) {
  (void)unused;
  traverseproc traverse = Py_TYPE(object)->tp_traverse;
  if (traverse)
    traverse(object, visit, NULL);
  return 1;
}

static int immortalize_tracked(PyObject *object, void *unused) {
  (void)unused;
  immortalize(object);
  return 1;
}

PyObject *coilbox_freeze(PyObject *module, PyObject *ignored) {
  (void)module;
  (void)ignored;
  PyUnstable_GC_VisitObjects(visit_tracked, NULL);
  PyUnstable_GC_VisitObjects(immortalize_tracked, NULL);
  Py_RETURN_NONE;
}
