#define _GNU_SOURCE
#include "sources.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define WASI "wasi_snapshot_preview1"
#define RANDOM_MOST 65536u /* at once; the host looks in between whether the guest is to stop */

struct call {
  struct guest *guest;
  uint64_t *values;
  int answered;
};

int cb_on_host(struct cb_instance *, cb_import, uint64_t *);

static int is(const struct cb_import_name *import, const char *name, const char *params) {
  return !strcmp(import->module, WASI) && !strcmp(import->name, name) &&
         !strcmp(import->params, params) && !strcmp(import->results, "i");
}

void sources_find(struct cb_image *image) {
  const struct cb_program *program = image->program;
  image->clock_import = image->random_import = UINT32_MAX;
  for (uint32_t i = 0; i < program->import_count; i++) {
    if (is(&program->imports[i], "clock_time_get", "iIi")) image->clock_import = i;
    if (is(&program->imports[i], "random_get", "ii")) image->random_import = i;
  }
}

/* Guest memory that may be written; NULL if the address is none, or in the poll page. */
static uint8_t *room(struct guest *guest, uint64_t address, uint64_t bytes) {
  const struct cb_image *image = guest->region->image;
  uint64_t end = address + bytes, poll = image->poll_page;
  if (end > (uint64_t)guest->shared.pages * CB_PAGE) return NULL;
  if (address < poll + image->poll_bytes && end > poll) return NULL;
  return cb_memory(&guest->shared) + address;
}

static int64_t nanoseconds(clockid_t id) {
  struct timespec now;
  return clock_gettime(id, &now) ? -1 : now.tv_sec * 1000000000ll + now.tv_nsec;
}

/* (clock, precision, result): the clocks of WASI are realtime, monotonic, and two of CPU time. */
static int clock_time_get(uint64_t *raw) {
  struct call *call = (struct call *)(void *)raw;
  uint32_t clock = (uint32_t)call->values[0];
  uint8_t *result = room(call->guest, (uint32_t)call->values[2], sizeof(int64_t));
  if (!result || clock > 1) return 0;
  int64_t now = nanoseconds(clock ? CLOCK_MONOTONIC : CLOCK_REALTIME);
  if (now < 0) return 0;
  if (clock) now -= call->guest->clock_start;
  memcpy(result, &now, sizeof now);
  call->answered = 1;
  return 0;
}

/* (buffer, length) */
static int random_get(uint64_t *raw) {
  struct call *call = (struct call *)(void *)raw;
  uint32_t length = (uint32_t)call->values[1];
  uint8_t *buffer = room(call->guest, (uint32_t)call->values[0], length);
  if (!buffer || length > RANDOM_MOST) return 0;
  for (uint32_t done = 0; done < length;) {
    ssize_t more = getrandom(buffer + done, length - done, 0);
    if (more < 0 && errno != EINTR) return 0;
    if (more > 0) done += (uint32_t)more;
  }
  call->answered = 1;
  return 0;
}

int sources_answer(struct guest *guest, uint32_t import, uint64_t *values) {
  const struct cb_image *image = guest->region->image;
  struct call call = {.guest = guest, .values = values};
  /* On the host's stack, as the C library's faults must not be taken for the guest's. */
  if (import == image->clock_import && guest->sources & CB_SOURCE_CLOCK)
    cb_on_host(&guest->shared, clock_time_get, (uint64_t *)(void *)&call);
  else if (import == image->random_import && guest->sources & CB_SOURCE_RANDOM)
    cb_on_host(&guest->shared, random_get, (uint64_t *)(void *)&call);
  if (call.answered) values[0] = 0;
  return call.answered;
}
