#define _GNU_SOURCE
#include "signals.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "region.h"

/* Enough for our handler with AVX-512 state, and for those behind it in the chain. */
#define SIGNAL_STACK_BYTES (128u << 10)
#define SIGNAL_STACK_LEAST (16u << 10)

void cb_leave(struct cb_instance *, int code);

static const int caught[] = {SIGSEGV, SIGBUS};
static struct sigaction previous[2];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t stack_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int key_error;

/* Static TLS, as the handler may not allocate. */
static _Thread_local __attribute__((tls_model("initial-exec"))) int chaining;
static _Thread_local __attribute__((tls_model("initial-exec"))) int has_stack;

static uintptr_t *stack_pointer(ucontext_t *context) {
#if defined(__x86_64__)
  return (uintptr_t *)&context->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
  return (uintptr_t *)&context->uc_mcontext.sp;
#endif
}

/* Lets the thread go on in cb_leave once the handler returns. */
static void leave(ucontext_t *context, struct cb_instance *instance, int code) {
  *stack_pointer(context) = (uintptr_t)instance->host_sp;
#if defined(__x86_64__)
  context->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)cb_leave;
  context->uc_mcontext.gregs[REG_RDI] = (greg_t)(uintptr_t)instance;
  context->uc_mcontext.gregs[REG_RSI] = code;
#elif defined(__aarch64__)
  context->uc_mcontext.pc = (uintptr_t)cb_leave;
  context->uc_mcontext.regs[0] = (uintptr_t)instance;
  context->uc_mcontext.regs[1] = (uint64_t)code;
#endif
}

static int trap_code(const struct region *region, uintptr_t address) {
  const struct cb_instance *instance = region_instance(region);
  uintptr_t offset = address - (uintptr_t)region_memory(region);
  if (offset >= MEMORY_BYTES) return CB_TRAP_STACK;
  const struct cb_image *image = region->image;
  if (instance->interrupted && image && offset - image->poll_page < image->poll_bytes)
    return CB_TRAP_INTERRUPTED;
  return CB_TRAP_MEMORY;
}

static void chain(int number, siginfo_t *info, void *context) {
  const struct sigaction *to = &previous[number == SIGBUS];
  int sent = info->si_code <= 0; /* by kill() or raise(): going on would not bring it again */
  if (sent && to->sa_handler == SIG_IGN) return;
  /* A handler that was installed after ours and found us before it would send us round. */
  if (chaining || to->sa_handler == SIG_DFL || to->sa_handler == SIG_IGN) {
    struct sigaction by_default = {.sa_handler = SIG_DFL};
    sigaction(number, &by_default, NULL);
    if (sent) raise(number);
    return; /* the fault happens again and ends the process */
  }
  chaining = 1;
  if (to->sa_flags & SA_SIGINFO)
    to->sa_sigaction(number, info, context);
  else
    to->sa_handler(number);
  chaining = 0;
}

static void handle(int number, siginfo_t *info, void *raw) {
  ucontext_t *context = raw;
  /* Guest code alone runs on a stack inside a region, so the stack pointer says whose fault it
   * is, on any thread and without asking for thread-local state. */
  struct region *region = info->si_code > 0 ? region_of_stack(*stack_pointer(context)) : NULL;
  if (region)
    leave(context, region_instance(region), trap_code(region, (uintptr_t)info->si_addr));
  else
    chain(number, info, raw);
}

static void free_stack(void *base) {
  stack_t off = {.ss_flags = SS_DISABLE}, now;
  if (!sigaltstack(NULL, &now) && now.ss_sp == base) sigaltstack(&off, NULL);
  munmap(base, SIGNAL_STACK_BYTES);
}

static void make_key(void) { key_error = pthread_key_create(&stack_key, free_stack); }

static int thread_stack(void) {
  stack_t now;
  if (sigaltstack(NULL, &now)) return -1;
  if (!(now.ss_flags & SS_DISABLE) && now.ss_size >= SIGNAL_STACK_LEAST) return 0;
  pthread_once(&once, make_key);
  if (key_error) return -1;
  stack_t mine = {.ss_size = SIGNAL_STACK_BYTES};
  mine.ss_sp = mmap(NULL, mine.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mine.ss_sp == MAP_FAILED) return -1;
  if (sigaltstack(&mine, NULL) || pthread_setspecific(stack_key, mine.ss_sp)) {
    free_stack(mine.ss_sp);
    return -1;
  }
  return 0;
}

/* Whoever installed a handler after ours might not pass our faults on (Python's faulthandler
 * prints first and asks then), so ours goes in front again. */
static int install(int index) {
  struct sigaction now;
  if (sigaction(caught[index], NULL, &now)) return -1;
  if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == handle) return 0;
  struct sigaction ours = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  pthread_mutex_lock(&lock);
  int failed = sigaction(caught[index], &ours, &now);
  if (!failed && !((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == handle))
    previous[index] = now;
  pthread_mutex_unlock(&lock);
  return failed;
}

int signals_ready(void) {
  if (install(0) || install(1)) return -1;
  if (!has_stack) {
    if (thread_stack()) return -1;
    has_stack = 1;
  }
  return 0;
}
