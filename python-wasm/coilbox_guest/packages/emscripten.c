/* Adapters for libraries that were built against emscripten's libc, where it differs from
 * wasi-libc. The linker gives their imports the prefix "emscripten_". */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ADAPTER(name) emscripten_##name

/* clockid_t is a number there (linux/time.h), the address of a structure in wasi-libc. */
int ADAPTER(clock_gettime)(int clock, struct timespec *out) {
  switch (clock) {
    case 0: /* CLOCK_REALTIME */
    case 5: /* CLOCK_REALTIME_COARSE */
      return clock_gettime(CLOCK_REALTIME, out);
    case 1: /* CLOCK_MONOTONIC */
    case 4: /* CLOCK_MONOTONIC_RAW */
    case 6: /* CLOCK_MONOTONIC_COARSE */
    case 7: /* CLOCK_BOOTTIME */
      return clock_gettime(CLOCK_MONOTONIC, out);
    default:
      errno = EINVAL;
      return -1;
  }
}

/* There is one thread. Of a mutex two words are used: how often it is locked, and its kind. */
enum { RECURSIVE = 1, ERRORCHECK = 2 };
enum { MUTEX_BYTES = 24, CONDITION_BYTES = 48 };

int ADAPTER(pthread_mutex_init)(int *mutex, const int *attributes) {
  memset(mutex, 0, MUTEX_BYTES);
  mutex[1] = attributes ? attributes[0] : 0;
  return 0;
}

int ADAPTER(pthread_mutex_destroy)(int *mutex) {
  (void)mutex;
  return 0;
}

int ADAPTER(pthread_mutex_trylock)(int *mutex) {
  if (mutex[0] && mutex[1] != RECURSIVE) return EBUSY;
  mutex[0]++;
  return 0;
}

int ADAPTER(pthread_mutex_lock)(int *mutex) {
  if (mutex[0] && mutex[1] == ERRORCHECK) return EDEADLK;
  if (mutex[0] && mutex[1] != RECURSIVE) abort(); /* it would wait for itself, for ever */
  mutex[0]++;
  return 0;
}

int ADAPTER(pthread_mutex_unlock)(int *mutex) {
  if (mutex[0]) mutex[0]--;
  return 0;
}

int ADAPTER(pthread_mutexattr_init)(int *attributes) {
  *attributes = 0;
  return 0;
}

int ADAPTER(pthread_mutexattr_settype)(int *attributes, int kind) {
  *attributes = kind;
  return 0;
}

int ADAPTER(pthread_mutexattr_destroy)(int *attributes) {
  (void)attributes;
  return 0;
}

int ADAPTER(pthread_cond_init)(void *condition, const void *attributes) {
  (void)attributes;
  memset(condition, 0, CONDITION_BYTES);
  return 0;
}

int ADAPTER(pthread_cond_destroy)(void *condition) {
  (void)condition;
  return 0;
}

int ADAPTER(pthread_cond_signal)(void *condition) {
  (void)condition;
  return 0;
}

int ADAPTER(pthread_cond_broadcast)(void *condition) {
  (void)condition;
  return 0;
}

int ADAPTER(pthread_cond_wait)(void *condition, int *mutex) {
  (void)condition;
  (void)mutex;
  abort(); /* nobody else is there to signal it */
}

int ADAPTER(pthread_condattr_init)(int *attributes) {
  *attributes = 0;
  return 0;
}

int ADAPTER(pthread_condattr_setclock)(int *attributes, int clock) {
  (void)attributes;
  (void)clock;
  return 0;
}

int ADAPTER(pthread_condattr_destroy)(int *attributes) {
  (void)attributes;
  return 0;
}

/* The head of an exception object of the C++ ABI; raising it is the linker's work. */
struct exception {
  uint64_t kind;
  void (*clean_up)(int reason, struct exception *);
};

void ADAPTER(_Unwind_DeleteException)(struct exception *exception) {
  if (exception->clean_up) exception->clean_up(1, exception);
}
