/* Functions of strings that read no further than they must (strchr is in bytes.c). libc's own measure the whole text
 * first, so that a program which asks once for each line takes time by the square of its length
 * (CPython's tokenizer does), and its searches may compare each place with the whole needle.
 */
#include <stddef.h>
#include <string.h>
#include <wchar.h>

/* ---- any character of a set ---- */

static size_t span(const char *text, const char *set, int wanted) {
  unsigned char in[256] = {0};
  for (; *set; set++)
    in[(unsigned char)*set] = 1;
  size_t length = 0;
  while (text[length] && in[(unsigned char)text[length]] == wanted)
    length++;
  return length;
}

/* Of the GNU library, and not declared without its features. */
char *strchrnul(const char *, int);

size_t strspn(const char *text, const char *set) { return span(text, set, 1); }

size_t strcspn(const char *text, const char *set) {
  return set[0] && !set[1] ? (size_t)(strchrnul(text, set[0]) - text) : span(text, set, 0);
}

char *strpbrk(const char *text, const char *set) {
  text += strcspn(text, set);
  return *text ? (char *)text : NULL;
}

char *strsep(char **rest, const char *set) {
  char *start = *rest;
  if (!start)
    return NULL;
  char *end = start + strcspn(start, set);
  *rest = *end ? end + 1 : NULL;
  *end = 0;
  return start;
}

char *strtok_r(char *restrict text, const char *restrict set, char **restrict rest) {
  if (!text)
    text = *rest;
  if (!text)
    return NULL;
  text += strspn(text, set);
  if (!*text) {
    *rest = text;
    return NULL;
  }
  char *end = text + strcspn(text, set);
  *rest = *end ? end + 1 : end;
  *end = 0;
  return text;
}

char *strtok(char *restrict text, const char *restrict set) {
  static char *rest;
  return strtok_r(text, set, &rest);
}

/* What is copied includes the byte itself; libc's own leaves it out. */
void *memccpy(void *restrict to, const void *restrict from, int byte, size_t count) {
  const char *found = memchr(from, byte, count);
  if (found)
    count = (size_t)(found - (const char *)from) + 1;
  memcpy(to, from, count);
  return found ? (char *)to + count : NULL;
}

/* ---- wide characters ---- */

wchar_t *wcschr(const wchar_t *text, wchar_t wanted) {
  for (; *text != wanted; text++)
    if (!*text)
      return NULL;
  return (wchar_t *)text;
}

static size_t wide_span(const wchar_t *text, const wchar_t *set, int wanted) {
  size_t length = 0;
  while (text[length] && (wcschr(set, text[length]) != NULL) == wanted)
    length++;
  return length;
}

size_t wcsspn(const wchar_t *text, const wchar_t *set) { return wide_span(text, set, 1); }
size_t wcscspn(const wchar_t *text, const wchar_t *set) { return wide_span(text, set, 0); }

wchar_t *wcspbrk(const wchar_t *text, const wchar_t *set) {
  text += wcscspn(text, set);
  return *text ? (wchar_t *)text : NULL;
}

wchar_t *wcstok(wchar_t *restrict text, const wchar_t *restrict set, wchar_t **restrict rest) {
  if (!text)
    text = *rest;
  if (!text)
    return NULL;
  text += wcsspn(text, set);
  if (!*text) {
    *rest = NULL;
    return NULL;
  }
  wchar_t *end = text + wcscspn(text, set);
  *rest = *end ? end + 1 : NULL;
  *end = 0;
  return text;
}

wchar_t *wcsncat(wchar_t *restrict to, const wchar_t *restrict from, size_t most) {
  wchar_t *end = to + wcslen(to);
  while (most-- && *from)
    *end++ = *from++;
  *end = 0;
  return to;
}

/* ---- texts in texts: the two-way algorithm (Crochemore and Perrin 1991) ----
 * The needle is cut at a critical place. The right half is compared first, the left half then; a
 * mismatch moves the needle so far that no place is compared more than a few times.
 *
 * `known` units of the text are there for sure. If `text_ends` there are no more; else it goes on
 * up to a zero. */

#define SEARCH(name, unit)                                                                       \
  static size_t name##_suffix(const unit *needle, size_t length, int reversed, size_t *period) { \
    size_t suffix = (size_t)-1, at = 0, k = 1, p = 1;                                            \
    while (at + k < length) {                                                                    \
      unit a = needle[at + k], b = needle[suffix + k];                                           \
      if (a == b) {                                                                              \
        if (k != p)                                                                              \
          k++;                                                                                   \
        else                                                                                     \
          at += p, k = 1;                                                                        \
      } else if (reversed ? b < a : a < b) {                                                     \
        at += k, k = 1, p = at - suffix;                                                         \
      } else {                                                                                   \
        suffix = at++, k = p = 1;                                                                \
      }                                                                                          \
    }                                                                                            \
    *period = p;                                                                                 \
    return suffix + 1;                                                                           \
  }                                                                                              \
                                                                                                 \
  static const unit *name(const unit *text, size_t known, int text_ends, const unit *needle,     \
                          size_t length) {                                                       \
    size_t period, other;                                                                        \
    size_t cut = name##_suffix(needle, length, 0, &period);                                      \
    size_t reversed = name##_suffix(needle, length, 1, &other);                                  \
    if (reversed > cut)                                                                          \
      cut = reversed, period = other;                                                            \
    int periodic = !memcmp(needle, needle + period, cut * sizeof(unit));                         \
    if (!periodic)                                                                               \
      period = (cut > length - cut ? cut : length - cut) + 1;                                    \
    size_t at = 0, matched = 0;                                                                  \
    for (;;) {                                                                                   \
      for (; known - at < length; known++)                                                       \
        if (text_ends || !text[known])                                                           \
          return NULL;                                                                           \
      size_t i = matched > cut ? matched : cut;                                                  \
      while (i < length && needle[i] == text[at + i])                                            \
        i++;                                                                                     \
      if (i < length) {                                                                          \
        at += i - cut + 1;                                                                       \
        matched = 0;                                                                             \
      } else {                                                                                   \
        for (i = cut; i > matched && needle[i - 1] == text[at + i - 1];)                         \
          i--;                                                                                   \
        if (i <= matched)                                                                        \
          return text + at;                                                                      \
        at += period;                                                                            \
        matched = periodic ? length - period : 0;                                                \
      }                                                                                          \
    }                                                                                            \
  }

SEARCH(search, unsigned char)
SEARCH(wide_search, wchar_t)

char *strstr(const char *text, const char *needle) {
  if (!*needle)
    return (char *)text;
  text = strchr(text, *needle);
  if (!text || !needle[1])
    return (char *)text;
  return (char *)search((const unsigned char *)text, 1, 0, (const unsigned char *)needle,
                        strlen(needle));
}

void *memmem(const void *text, size_t count, const void *needle, size_t length) {
  return length ? (void *)search(text, count, 1, needle, length) : (void *)text;
}

wchar_t *wcsstr(const wchar_t *restrict text, const wchar_t *restrict needle) {
  return *needle ? (wchar_t *)wide_search(text, 0, 0, needle, wcslen(needle)) : (wchar_t *)text;
}
