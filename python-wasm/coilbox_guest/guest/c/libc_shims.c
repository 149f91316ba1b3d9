/* What CPython expects of libc and zig's wasm32-wasi libc lacks or gets wrong for it.
 *
 * The guest has one thread and no network. Functions that would need either fail the way POSIX
 * lets them fail, so that Python raises OSError ("Function not implemented") and goes on.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ---- memory ---- */

enum { PAGE = 65536 };

__attribute__((import_module("coilbox"), import_name("memory_exhausted"))) void
coilbox_memory_exhausted(uint32_t bytes);

/* The linker puts this in the place of every memory.grow of the guest. */
size_t coilbox_memory_grow(size_t pages) {
  size_t before = __builtin_wasm_memory_grow(0, pages);
  if (before == (size_t)-1) {
    uint64_t bytes = (uint64_t)pages * PAGE;
    coilbox_memory_exhausted(bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes);
  }
  return before;
}

/* Every loop of the guest reads this page; the host takes it away to stop the guest. */
_Alignas(PAGE) unsigned char coilbox_poll_page[PAGE];

/* ---- threads: one ---- */

/* Opaque here: pthread.h would declare these with types whose layout is libc's own affair. */
typedef void *thread;
typedef unsigned key;
enum { KEYS = 128 };

extern unsigned char __stack_low, __stack_high;
static const void *values[KEYS];
static unsigned char used[KEYS];

/* CPython's recursion check starts from these bounds. The attributes carry no more than them. */
int pthread_getattr_np(thread self, void *attributes) {
  (void)self;
  (void)attributes;
  return 0;
}

int pthread_attr_getstack(const void *attributes, void **address, size_t *size) {
  (void)attributes;
  *address = &__stack_low;
  *size = (size_t)(&__stack_high - &__stack_low);
  return 0;
}

int pthread_attr_getguardsize(const void *attributes, size_t *size) {
  (void)attributes;
  *size = 0;
  return 0;
}

/* Destructors never run: the only thread ends with the process. */
int pthread_key_create(key *out, void (*destructor)(void *)) {
  (void)destructor;
  for (key candidate = 0; candidate < KEYS; candidate++) {
    if (!used[candidate]) {
      used[candidate] = 1;
      values[candidate] = NULL;
      *out = candidate;
      return 0;
    }
  }
  return EAGAIN;
}

int pthread_key_delete(key old) {
  if (old >= KEYS || !used[old]) return EINVAL;
  used[old] = 0;
  return 0;
}

int pthread_setspecific(key which, const void *value) {
  if (which >= KEYS || !used[which]) return EINVAL;
  values[which] = value;
  return 0;
}

void *pthread_getspecific(key which) {
  return which < KEYS && used[which] ? (void *)(uintptr_t)values[which] : NULL;
}

/* wasi-libc's hook for a library's thread pointer, of which one thread has no need. */
void __wasi_init_tp(void) {}

/* ---- CPU time: libc's own clock() tells wall time, and its times() other units ---- */

typedef long long clock_t; /* as libc has it */

struct ticks {
  clock_t user, system, children_user, children_system;
};

enum { MONOTONIC = 1, PROCESS_CPU = 2, NANOSECONDS_PER_TICK = 10000000 };

__attribute__((import_module("wasi_snapshot_preview1"), import_name("clock_time_get"))) int
coilbox_clock_time_get(int clock, long long precision, uint64_t *nanoseconds);

static clock_t nanoseconds_of(int which) {
  uint64_t time;
  return coilbox_clock_time_get(which, 0, &time) ? -1 : (clock_t)time;
}

/* CLOCKS_PER_SEC is a milliard. */
clock_t clock(void) { return nanoseconds_of(PROCESS_CPU); }

/* In ticks, of which sysconf() promises a hundred a second. */
clock_t times(struct ticks *out) {
  *out = (struct ticks){.user = clock() / NANOSECONDS_PER_TICK};
  return nanoseconds_of(MONOTONIC) / NANOSECONDS_PER_TICK;
}

/* ---- network and names: none ---- */

int h_errno;

enum { HOST_NOT_FOUND_ = 1, EAI_FAIL_ = -4 };

static int no_call(void) {
  errno = ENOSYS;
  return -1;
}

static void *no_entry(void) {
  h_errno = HOST_NOT_FOUND_;
  return NULL;
}

#define UNUSED __attribute__((unused))
#define A(n) UNUSED int a##n
int socket(A(0), A(1), A(2)) { return no_call(); }
int bind(A(0), A(1), A(2)) { return no_call(); }
int connect(A(0), A(1), A(2)) { return no_call(); }
int listen(A(0), A(1)) { return no_call(); }
int getpeername(A(0), A(1), A(2)) { return no_call(); }
int getsockname(A(0), A(1), A(2)) { return no_call(); }
int recvfrom(A(0), A(1), A(2), A(3), A(4), A(5)) { return no_call(); }
int sendto(A(0), A(1), A(2), A(3), A(4), A(5)) { return no_call(); }
int setsockopt(A(0), A(1), A(2), A(3), A(4)) { return no_call(); }
void *gethostbyname(A(0)) { return no_entry(); }
void *gethostbyaddr(A(0), A(1), A(2)) { return no_entry(); }
void *getprotobyname(A(0)) { return no_entry(); }
void *getservbyname(A(0), A(1)) { return no_entry(); }
void *getservbyport(A(0), A(1)) { return no_entry(); }
int getaddrinfo(A(0), A(1), A(2), A(3)) { return EAI_FAIL_; }
int getnameinfo(A(0), A(1), A(2), A(3), A(4), A(5), A(6)) { return EAI_FAIL_; }
void freeaddrinfo(A(0)) {}
const char *gai_strerror(A(0)) { return "name resolution is not available in a sandbox"; }
const char *hstrerror(A(0)) { return "name resolution is not available in a sandbox"; }

int gethostname(char *out, size_t size) {
  static const char name[] = "coilbox";
  if (size < sizeof name) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(out, name, sizeof name);
  return 0;
}

/* A struct in_addr: this ABI passes a struct of one member as that member. */
char *inet_ntoa(uint32_t in) {
  static char text[sizeof "255.255.255.255"];
  char *out = text;
  for (int part = 0; part < 4; part++) {
    unsigned value = in >> part * 8 & 255; /* network order, little-endian machine */
    if (part) *out++ = '.';
    if (value >= 100) *out++ = (char)('0' + value / 100);
    if (value >= 10) *out++ = (char)('0' + value / 10 % 10);
    *out++ = (char)('0' + value % 10);
  }
  *out = 0;
  return text;
}
