#define _GNU_SOURCE
#include "dirty.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* linux/fs.h, from Linux 6.7 on; C libraries of today bring older headers. */
struct scan {
  uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
  uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define SCAN _IOWR('f', 16, struct scan)
#define IS_FILE (1u << 2)
#define IS_PRESENT (1u << 3)
#define IS_SWAPPED (1u << 4)
#define IS_ZERO_PAGE (1u << 5)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int file = -1;
static pid_t owner;

/* The descriptor speaks of the process that opened it: a fork needs its own. */
static int pagemap(void) {
  pthread_mutex_lock(&lock);
  if (owner != getpid()) {
    if (file >= 0) close(file);
    file = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    owner = getpid();
  }
  int found = file;
  pthread_mutex_unlock(&lock);
  return found;
}

int dirty_pages(const uint8_t *start, const uint8_t *end, struct page_range *ranges, int room) {
  struct scan scan = {
      .size = sizeof scan,
      .start = (uintptr_t)start,
      .end = (uintptr_t)end,
      .vec = (uintptr_t)ranges,
      .vec_len = (uint64_t)room,
      .category_inverted = IS_FILE | IS_ZERO_PAGE,
      .category_mask = IS_FILE | IS_ZERO_PAGE,
      .category_anyof_mask = IS_PRESENT | IS_SWAPPED,
      .return_mask = IS_PRESENT,
  };
  int descriptor = pagemap();
  if (descriptor < 0) return -1;
  int count = ioctl(descriptor, SCAN, &scan);
  return count >= 0 && scan.walk_end == (uintptr_t)end ? count : -1;
}
