/* Searching and comparing bytes, eight at a time: libc's own loops take one, and find() and == of
 * large strings are little else. On both engines. strchr() is here too: libc's own measures the
 * whole text first, and CPython's tokenizer asks for the end of each line.
 *
 * Words are read where they are aligned if the end is not known for sure, so that no read goes
 * into a page that the bytes asked for do not reach. `no_builtin`: a compiler that recognises a
 * loop puts a call of the function in its place, which here is the function itself.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint64_t __attribute__((may_alias)) word;
enum { WORD = sizeof(word), GROUP = 4 * WORD };

#define EACH(byte) (UINT64_MAX / 255 * (byte))

/* Not zero if a byte is zero; its lowest bit is in the first such byte. */
static inline word zeros(word x) { return (x - EACH(1)) & ~x & EACH(0x80); }

/* One bit for each byte that is zero, in that byte. */
static inline word exact_zeros(word x) { return ~(((x & EACH(0x7f)) + EACH(0x7f)) | x) & EACH(0x80); }

static inline word bits_before(uintptr_t place) { return ((word)1 << place % WORD * 8) - 1; }

static inline const word *word_of(uintptr_t place) {
  return (const word *)(place & -(uintptr_t)WORD);
}

static inline uintptr_t first_of(const word *at, word found) {
  return (uintptr_t)at + (uintptr_t)__builtin_ctzll(found) / 8;
}

static inline int in_group(const word *at, word pattern) {
  return (zeros(at[0] ^ pattern) | zeros(at[1] ^ pattern) | zeros(at[2] ^ pattern) |
          zeros(at[3] ^ pattern)) != 0;
}

__attribute__((no_builtin)) void *memchr(const void *bytes, int byte, size_t count) {
  uintptr_t start = (uintptr_t)bytes;
  if (count == 0)
    return NULL;
  uintptr_t last = count - 1 > UINTPTR_MAX - start ? UINTPTR_MAX : start + count - 1;
  const word pattern = EACH((unsigned char)byte), *at = word_of(start), *end = word_of(last);
  word found = zeros((*at ^ pattern) | bits_before(start));
  while (!found && at < end) {
    if ((uintptr_t)++at % GROUP == 0)
      while ((uintptr_t)end - (uintptr_t)at >= GROUP && !in_group(at, pattern))
        at += 4;
    found = zeros(*at ^ pattern);
  }
  uintptr_t place = found ? first_of(at, found) : UINTPTR_MAX;
  return found && place <= last ? (void *)place : NULL;
}

__attribute__((no_builtin)) void *memrchr(const void *bytes, int byte, size_t count) {
  uintptr_t start = (uintptr_t)bytes;
  if (count == 0)
    return NULL;
  uintptr_t last = start + count - 1;
  const word pattern = EACH((unsigned char)byte), *at = word_of(last), *end = word_of(start);
  /* Above the last byte: all bits of the last shift at once would be one shift too far. */
  word found = exact_zeros((*at ^ pattern) | ~(bits_before(last) << 8 | 0xff));
  while (!found && at > end) {
    while ((uintptr_t)at - (uintptr_t)end >= GROUP && !in_group(at - 4, pattern))
      at -= 4;
    if (at > end)
      found = exact_zeros(*--at ^ pattern);
  }
  uintptr_t place = (uintptr_t)at + (found ? (63 - (uintptr_t)__builtin_clzll(found)) / 8 : 0);
  return found && place >= start ? (void *)place : NULL;
}

__attribute__((no_builtin)) size_t strlen(const char *text) {
  const word *at = word_of((uintptr_t)text);
  word found = zeros(*at | bits_before((uintptr_t)text));
  while (!found)
    found = zeros(*++at);
  return first_of(at, found) - (uintptr_t)text;
}

__attribute__((no_builtin)) char *strchrnul(const char *text, int byte) {
  uintptr_t start = (uintptr_t)text;
  const word pattern = EACH((unsigned char)byte), *at = word_of(start);
  word found = zeros(*at | bits_before(start)) | zeros((*at ^ pattern) | bits_before(start));
  while (!found) {
    at++;
    found = zeros(*at) | zeros(*at ^ pattern);
  }
  return (char *)first_of(at, found);
}

__attribute__((no_builtin)) char *strchr(const char *text, int byte) {
  char *found = strchrnul(text, byte);
  return *found == (char)byte ? found : NULL;
}

/* What libc itself calls them. */
char *__strchrnul(const char *text, int byte) { return strchrnul(text, byte); }
char *index(const char *text, int byte) { return strchr(text, byte); }

static inline word word_at(const unsigned char *place) {
  word value;
  __builtin_memcpy(&value, place, sizeof value);
  return value;
}

static inline int order(word a, word b) {
  a = __builtin_bswap64(a);
  b = __builtin_bswap64(b);
  return a < b ? -1 : a > b;
}

__attribute__((no_builtin)) int memcmp(const void *first, const void *second, size_t count) {
  const unsigned char *a = first, *b = second;
  if (count < WORD) {
    for (; count; count--, a++, b++)
      if (*a != *b)
        return *a - *b;
    return 0;
  }
  while (count >= GROUP && !((word_at(a) ^ word_at(b)) | (word_at(a + 8) ^ word_at(b + 8)) |
                             (word_at(a + 16) ^ word_at(b + 16)) |
                             (word_at(a + 24) ^ word_at(b + 24)))) {
    a += GROUP;
    b += GROUP;
    count -= GROUP;
  }
  for (; count >= WORD; a += WORD, b += WORD, count -= WORD)
    if (word_at(a) != word_at(b))
      return order(word_at(a), word_at(b));
  /* The last word overlaps what was found equal. */
  a -= WORD - count;
  b -= WORD - count;
  return order(word_at(a), word_at(b));
}
