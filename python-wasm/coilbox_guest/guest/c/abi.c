/* The guest's exported ABI, version 2 (docs/abi.md). */
#include "coilbox.h"

#include <stdlib.h>
#include <string.h>

#define EXPORT(name) __attribute__((export_name(#name))) name

enum {
  MAGIC = 0x4C494F43,
  ABI = 2,
  REQUEST_CAPACITY = 65536,
  REPLY_CAPACITY = 16384,

  /* Error numbers of coilbox_request and coilbox_boot. */
  OK = 0,
  NOT_BOOTED = 1,
  BAD_REQUEST = 2,
  NO_REPLY = 3,
  BOOT_FAILED = 4,
};

struct coilbox_info {
  uint32_t magic, abi, size, request, request_capacity, reply, reply_length, poll_page,
      eval_breaker, stack_low, stack_high;
};

/* Made by the linker: starts libc and the libraries. */
void coilbox_construct(void);
extern unsigned char coilbox_poll_page[], __stack_low, __stack_high;

static _Alignas(16) uint8_t request_buffer[REQUEST_CAPACITY];
static _Alignas(16) uint8_t reply_buffer[REPLY_CAPACITY];
static uint8_t *long_request; /* made by coilbox_reserve for one request, or NULL */
static size_t long_request_capacity;
static coilbox_writer reply;
static struct coilbox_info info = {
    .magic = MAGIC, .abi = ABI, .size = sizeof info, .request_capacity = REQUEST_CAPACITY};

static uint32_t address(const void *pointer) { return (uint32_t)(uintptr_t)pointer; }

const struct coilbox_info *EXPORT(coilbox_info)(void) {
  info.request = address(request_buffer);
  info.poll_page = address(coilbox_poll_page);
  info.stack_low = address(&__stack_low);
  info.stack_high = address(&__stack_high);
  return &info;
}

void *EXPORT(coilbox_reserve)(size_t size) {
  PyMem_Free(long_request);
  long_request = NULL;
  long_request_capacity = 0;
  if (size <= REQUEST_CAPACITY)
    return request_buffer;
  long_request = PyMem_Malloc(size);
  if (long_request)
    long_request_capacity = size;
  return long_request;
}

static PyObject *take_request(size_t size) {
  const uint8_t *data = long_request ? long_request : request_buffer;
  size_t capacity = long_request ? long_request_capacity : REQUEST_CAPACITY;
  PyObject *request =
      size <= capacity ? coilbox_decode(data, size) : coilbox_malformed("longer than its buffer");
  PyMem_Free(long_request);
  long_request = NULL;
  return request;
}

static int write_pair(coilbox_writer *writer, PyObject *outcome) {
  if (!PyTuple_Check(outcome) || PyTuple_GET_SIZE(outcome) != 2) {
    PyErr_SetString(PyExc_SystemError, "an outcome is a pair");
    return -1;
  }
  if (coilbox_write_array(writer, 2) < 0 ||
      coilbox_write_value(writer, PyTuple_GET_ITEM(outcome, 0)) < 0)
    return -1;
  writer->depth = 1; /* the value is one level down in the reply */
  return coilbox_encode(writer, PyTuple_GET_ITEM(outcome, 1), "value");
}

/* Writing may run the guest's code, which may call the host, which may make another request: that
 * one's reply is then written while this one is. Only one of them has the static buffer. */
static int write_outcome(PyObject *outcome) {
  static bool buffer_taken;
  bool takes = !buffer_taken;
  coilbox_writer writer;
  buffer_taken = true;
  coilbox_writer_start(&writer, reply_buffer, takes ? sizeof reply_buffer : 0);
  int failed = write_pair(&writer, outcome);
  if (takes)
    buffer_taken = false;
  if (failed) {
    coilbox_writer_free(&writer);
    return -1;
  }
  coilbox_writer_free(&reply);
  reply = writer;
  return 0;
}

/* Writes the outcome, or else what the Python side makes of it: an opaque value, or an error. An
 * outcome that is longer than a value may be stays if the Python side gives it back. */
static int write_or_explain(PyObject *outcome) {
  int failed = write_outcome(outcome) < 0;
  if (!failed && reply.length <= coilbox_value_limit)
    return 0;
  PyObject *error = failed ? PyErr_GetRaisedException() : Py_NewRef(Py_None);
  PyObject *other =
      PyObject_CallFunctionObjArgs(coilbox_hooks.unsendable, error, outcome, NULL);
  Py_DECREF(error);
  int result = other == NULL ? -1 : other == outcome && !failed ? 0 : write_outcome(other);
  Py_XDECREF(other);
  return result;
}

uint32_t EXPORT(coilbox_request)(size_t size) {
  if (coilbox_hooks.handle == NULL)
    return NOT_BOOTED;
  PyObject *request = take_request(size);
  if (request == NULL) {
    PyErr_Clear();
    return BAD_REQUEST;
  }
  PyObject *outcome = PyObject_CallOneArg(coilbox_hooks.handle, request);
  Py_DECREF(request);
  int failed = outcome == NULL || write_or_explain(outcome) < 0;
  Py_XDECREF(outcome);
  coilbox_flush_pending();
  PyErr_Clear();
  if (failed)
    return NO_REPLY;
  info.reply = address(reply.data);
  info.reply_length = (uint32_t)reply.length;
  return OK;
}

/* ---- boot ---- */

static PyStatus preinitialize(void) {
  PyPreConfig config;
  PyPreConfig_InitIsolatedConfig(&config);
  config.utf8_mode = 1;
  config.allocator = PYMEM_ALLOCATOR_MIMALLOC; /* 4% faster than libc's malloc */
  return Py_PreInitialize(&config);
}

static PyStatus set_paths(PyConfig *config) {
  wchar_t **prefixes[] = {&config->prefix, &config->base_prefix, &config->exec_prefix,
                          &config->base_exec_prefix, &config->home};
  PyStatus status = PyStatus_Ok();
  for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes && !PyStatus_Exception(status); i++)
    status = PyConfig_SetString(config, prefixes[i], L"/usr");
  if (!PyStatus_Exception(status))
    status = PyConfig_SetString(config, &config->stdlib_dir, L"/usr/lib/python3.14");
  config->module_search_paths_set = 1;
  static const wchar_t *const paths[] = {L"/usr/lib/python3.14",
                                         L"/usr/lib/python3.14/site-packages"};
  for (size_t i = 0; i < sizeof paths / sizeof *paths && !PyStatus_Exception(status); i++)
    status = PyWideStringList_Append(&config->module_search_paths, paths[i]);
  return status;
}

static PyStatus initialize(void) {
  PyStatus status = preinitialize();
  if (PyStatus_Exception(status))
    return status;
  coilbox_install_allocator();
  PyConfig config;
  PyConfig_InitIsolatedConfig(&config);
  const char *seed = getenv("PYTHONHASHSEED");
  if (seed) {
    config.use_hash_seed = 1;
    config.hash_seed = strtoul(seed, NULL, 10);
  }
  config.write_bytecode = 0;
  config.install_signal_handlers = 0;
  config.configure_c_stdio = 0;
  config.user_site_directory = 0;
  config.pathconfig_warnings = 0;
  config.parse_argv = 0;
  status = set_paths(&config);
  if (!PyStatus_Exception(status))
    status = Py_InitializeFromConfig(&config);
  PyConfig_Clear(&config);
  return status;
}

/* Engines map a snapshot's memory at once if it is dense, more than half of it data. mimalloc takes
 * memory in pieces of a quarter of this size and puts its notes behind them; its own 128 MiB would
 * leave half of a piece empty, and less would waste the space between pieces. */
__attribute__((constructor)) static void size_arenas(void) {
  setenv("MIMALLOC_ARENA_RESERVE", "80M", 1); /* read when the libraries are constructed */
}

uint32_t EXPORT(coilbox_boot)(void) {
  coilbox_construct();
  if (PyImport_AppendInittab("_coilbox", PyInit__coilbox) < 0)
    return BOOT_FAILED;
  PyStatus status = initialize();
  if (PyStatus_Exception(status)) {
    fprintf(stderr, "coilbox_boot: %s: %s\n", status.func ? status.func : "Python",
            status.err_msg ? status.err_msg : "exit");
    return BOOT_FAILED;
  }
  PyObject *boot = PyImport_ImportModule("_coilbox_runtime.boot");
  PyObject *done = boot ? PyObject_CallMethod(boot, "boot", NULL) : NULL;
  if (done == NULL) {
    PyErr_Print();
    return BOOT_FAILED;
  }
  Py_DECREF(done);
  Py_DECREF(boot);
  info.eval_breaker = address(&PyThreadState_Get()->eval_breaker);
  return OK;
}
