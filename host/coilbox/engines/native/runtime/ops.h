/* WebAssembly's instructions for generated code (spec sections 4.3 and 4.4).
 *
 * Functions are named after the instructions. What C's operators do in the same way on unsigned
 * types is not here: the emitter writes the operator. */
#ifndef COILBOX_OPS_H
#define COILBOX_OPS_H

#include <string.h>

#include "abi.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the native engine needs a little-endian machine"
#endif

typedef uint8_t u8;
typedef uint32_t u32;
typedef int32_t i32;
typedef uint64_t u64;
typedef int64_t i64;
typedef float f32;
typedef double f64;
typedef const void *ref;

/* The instance, as parameter and as argument, before others and alone. */
#define SELF_ u8 *const self,
#define SELF u8 *const self
#define self_ self,

#define INST ((struct cb_instance *)(void *)(self - CB_INSTANCE_BYTES))
#define GLOBAL(type, slot) (*(type *)(void *)(self - 8 * ((slot) + 1)))
#define TAIL_SLOT(index) (INST->tail[index])

#define OP static inline __attribute__((always_inline, unused))
#define HIDDEN __attribute__((visibility("hidden")))
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

static __attribute__((noinline, cold, noreturn, unused)) void trap(SELF_ int code) {
  INST->api->trap(self, code);
  __builtin_unreachable();
}

/* Which label of a computed goto's table is meant; the last one stands for all from there on. */
OP u32 dispatch(u32 index, u32 last) { return index < last ? index : last; }

/* ---- values as bits ---- */

OP f32 f32_bits(u32 x) { f32 y; memcpy(&y, &x, 4); return y; }
OP f64 f64_bits(u64 x) { f64 y; memcpy(&y, &x, 8); return y; }
OP u32 bits_f32(f32 x) { u32 y; memcpy(&y, &x, 4); return y; }
OP u64 bits_f64(f64 x) { u64 y; memcpy(&y, &x, 8); return y; }
OP u64 bits_ref(ref x) { return (u64)(uintptr_t)x; }
OP ref ref_bits(u64 x) { return (ref)(uintptr_t)x; }

/* ---- memory ----
 * An access beyond memory's end hits pages that are not accessible, and the signal handler makes
 * it a trap. CB_CHECK_BOUNDS asks for comparisons instead. */

#ifdef CB_CHECK_BOUNDS
OP u8 *at(SELF_ u32 address, u32 offset, u32 size) {
  u64 start = (u64)address + offset;
  if (UNLIKELY(start + size > (u64)INST->pages * CB_PAGE)) trap(self_ CB_TRAP_MEMORY);
  return self + start;
}
#else
OP u8 *at(SELF_ u32 address, u32 offset, u32 size) {
  (void)size;
  return self + ((u64)address + offset);
}
#endif

/* A load whose value turns out not to be needed, the C compiler drops, and with it its trap.
 * CB_EXACT_LOADS makes it keep them all. */
#if defined(CB_EXACT_LOADS) && defined(__x86_64__)
#define KEEP(value) __asm__ volatile("" : : "g"(value))
#elif defined(CB_EXACT_LOADS)
#define KEEP(value) __asm__ volatile("" : : "m"(value))
#else
#define KEEP(value) (void)0
#endif

#define LOAD(name, result, stored)                                    \
  OP result name(SELF_ u32 address, u32 offset) {                     \
    stored value;                                                     \
    memcpy(&value, at(self_ address, offset, sizeof value), sizeof value); \
    KEEP(value);                                                      \
    return (result)value;                                             \
  }
LOAD(i32_load, u32, u32)
LOAD(i64_load, u64, u64)
LOAD(f32_load, f32, f32)
LOAD(f64_load, f64, f64)
LOAD(i32_load8_s, u32, int8_t)
LOAD(i32_load8_u, u32, uint8_t)
LOAD(i32_load16_s, u32, int16_t)
LOAD(i32_load16_u, u32, uint16_t)
LOAD(i64_load8_s, u64, int8_t)
LOAD(i64_load8_u, u64, uint8_t)
LOAD(i64_load16_s, u64, int16_t)
LOAD(i64_load16_u, u64, uint16_t)
LOAD(i64_load32_s, u64, int32_t)
LOAD(i64_load32_u, u64, uint32_t)
#undef LOAD

#define STORE(name, given, stored)                                    \
  OP void name(SELF_ u32 address, u32 offset, given value) {          \
    stored kept = (stored)value;                                      \
    memcpy(at(self_ address, offset, sizeof kept), &kept, sizeof kept); \
  }
STORE(i32_store, u32, u32)
STORE(i64_store, u64, u64)
STORE(f32_store, f32, f32)
STORE(f64_store, f64, f64)
STORE(i32_store8, u32, uint8_t)
STORE(i32_store16, u32, uint16_t)
STORE(i64_store8, u64, uint8_t)
STORE(i64_store16, u64, uint16_t)
STORE(i64_store32, u64, uint32_t)
#undef STORE

/* A load whose value nobody wants may still trap, so the C compiler must keep it. All its bytes
 * matter: the last may lie beyond the end. Instructions without a register for the value: with one
 * at each of its dispatches, the interpreter's loop kept the base of memory on the stack. */
#if defined(__x86_64__)
#define READ(byte) __asm__ volatile("testb $0, %0" : : "m"(byte) : "cc")
#elif defined(__aarch64__)
#define READ(byte) __asm__ volatile("ldrb wzr, %0" : : "Q"(byte))
#else
#define READ(byte) (void)*(volatile u8 *)&(byte)
#endif
OP void touch(SELF_ u32 address, u32 offset, u32 size) {
  u8 *first = at(self_ address, offset, size);
  READ(*first);
  if (size > 1) READ(first[size - 1]);
}

OP u32 memory_size(SELF) { return INST->pages; }
OP u32 memory_grow(SELF_ u32 pages) { return INST->api->memory_grow(self, pages); }

OP void check_memory(SELF_ u32 address, u32 length) {
  if (UNLIKELY((u64)address + length > (u64)INST->pages * CB_PAGE)) trap(self_ CB_TRAP_MEMORY);
}
OP void memory_copy(SELF_ u32 to, u32 from, u32 length) {
  check_memory(self_ to, length);
  check_memory(self_ from, length);
  memmove(self + to, self + from, length);
}
OP void memory_fill(SELF_ u32 to, u32 value, u32 length) {
  check_memory(self_ to, length);
  memset(self + to, (int)(value & 255), length);
}
/* `size` is 0 once the segment was dropped. */
OP void memory_init(SELF_ const u8 *segment, u32 size, u32 to, u32 from, u32 length) {
  check_memory(self_ to, length);
  if (UNLIKELY((u64)from + length > size)) trap(self_ CB_TRAP_MEMORY);
  if (length) memcpy(self + to, segment + from, length);
}

/* ---- tables that change ---- */

OP ref table_get(SELF_ u32 table, u32 index) {
  if (UNLIKELY(index >= INST->tables[table].size)) trap(self_ CB_TRAP_TABLE);
  return INST->tables[table].entries[index];
}
OP void table_set(SELF_ u32 table, u32 index, ref value) {
  if (UNLIKELY(index >= INST->tables[table].size)) trap(self_ CB_TRAP_TABLE);
  INST->tables[table].entries[index] = value;
}
OP u32 table_size(SELF_ u32 table) { return INST->tables[table].size; }
OP u32 table_grow(SELF_ u32 table, ref value, u32 count) {
  return INST->api->table_grow(self, table, value, count);
}
OP void table_fill(SELF_ u32 table, u32 index, ref value, u32 count) {
  if (UNLIKELY((u64)index + count > INST->tables[table].size)) trap(self_ CB_TRAP_TABLE);
  for (u32 i = 0; i < count; i++) INST->tables[table].entries[index + i] = value;
}
OP void table_copy(SELF_ u32 into, u32 of, u32 to, u32 from, u32 count) {
  if (UNLIKELY((u64)from + count > INST->tables[of].size)) trap(self_ CB_TRAP_TABLE);
  if (UNLIKELY((u64)to + count > INST->tables[into].size)) trap(self_ CB_TRAP_TABLE);
  if (count)
    memmove(INST->tables[into].entries + to, INST->tables[of].entries + from, count * sizeof(ref));
}
OP void table_init(SELF_ u32 table, const ref *segment, u32 size, u32 to, u32 from, u32 count) {
  if (UNLIKELY((u64)from + count > size)) trap(self_ CB_TRAP_TABLE);
  if (UNLIKELY((u64)to + count > INST->tables[table].size)) trap(self_ CB_TRAP_TABLE);
  if (count) memcpy(INST->tables[table].entries + to, segment + from, count * sizeof(ref));
}
OP const struct cb_func *table_function(SELF_ u32 table, u32 index, u32 type) {
  const struct cb_func *function = table_get(self_ table, index);
  if (UNLIKELY(function == NULL)) trap(self_ CB_TRAP_NULL);
  if (UNLIKELY(function->type != type)) trap(self_ CB_TRAP_SIGNATURE);
  return function;
}

/* ---- tables that never change: arrays of constants ---- */

struct entry {
  void *code;
  u32 type; /* CB_NO_TYPE where the table is empty */
};
#define CB_NO_TYPE 0xffffffffu

OP void *entry_code(SELF_ const struct entry *table, u32 size, u32 index, u32 type) {
  if (UNLIKELY(index >= size)) trap(self_ CB_TRAP_TABLE);
  if (UNLIKELY(table[index].type != type))
    trap(self_ table[index].type == CB_NO_TYPE ? CB_TRAP_NULL : CB_TRAP_SIGNATURE);
  return table[index].code;
}

OP void *entry_piece(SELF_ const struct entry *table, void *const *pieces, u32 size, u32 index,
                     u32 type) {
  (void)entry_code(self_ table, size, index, type);
  return pieces[index];
}

/* Where every entry has the type that is asked for, there is nothing to compare; the bound goes
 * too if the index is a byte and the table has 256 entries. */
OP void *uniform_code(SELF_ const struct entry *table, u32 size, u32 index) {
  if (UNLIKELY(index >= size)) trap(self_ CB_TRAP_TABLE);
  return table[index].code;
}
OP void *uniform_piece(SELF_ void *const *pieces, u32 size, u32 index) {
  if (UNLIKELY(index >= size)) trap(self_ CB_TRAP_TABLE);
  return pieces[index];
}

/* A function for what hardly ever happens: it saves registers, so that its callers need not. */
#if __has_attribute(preserve_most)
#define SELDOM static __attribute__((noinline, cold, unused, preserve_most))
#else
#define SELDOM static __attribute__((noinline, cold, unused))
#endif

/* ---- integers ---- */

OP u32 i32_clz(u32 x) { return x ? (u32)__builtin_clz(x) : 32; }
OP u32 i32_ctz(u32 x) { return x ? (u32)__builtin_ctz(x) : 32; }
OP u32 i32_popcnt(u32 x) { return (u32)__builtin_popcount(x); }
OP u64 i64_clz(u64 x) { return x ? (u64)__builtin_clzll(x) : 64; }
OP u64 i64_ctz(u64 x) { return x ? (u64)__builtin_ctzll(x) : 64; }
OP u64 i64_popcnt(u64 x) { return (u64)__builtin_popcountll(x); }
OP u32 i32_shl(u32 x, u32 n) { return x << (n & 31); }
OP u32 i32_shr_s(u32 x, u32 n) { return (u32)((i32)x >> (n & 31)); }
OP u32 i32_shr_u(u32 x, u32 n) { return x >> (n & 31); }
OP u32 i32_rotl(u32 x, u32 n) { return x << (n & 31) | x >> (-n & 31); }
OP u32 i32_rotr(u32 x, u32 n) { return x >> (n & 31) | x << (-n & 31); }
OP u64 i64_shl(u64 x, u64 n) { return x << (n & 63); }
OP u64 i64_shr_s(u64 x, u64 n) { return (u64)((i64)x >> (n & 63)); }
OP u64 i64_shr_u(u64 x, u64 n) { return x >> (n & 63); }
OP u64 i64_rotl(u64 x, u64 n) { return x << (n & 63) | x >> (-n & 63); }
OP u64 i64_rotr(u64 x, u64 n) { return x >> (n & 63) | x << (-n & 63); }

#define DIVISIONS(name, type, sign, minimum)                          \
  OP type name##_div_u(SELF_ type x, type y) {                        \
    if (UNLIKELY(y == 0)) trap(self_ CB_TRAP_DIVIDE);                 \
    return x / y;                                                     \
  }                                                                   \
  OP type name##_rem_u(SELF_ type x, type y) {                        \
    if (UNLIKELY(y == 0)) trap(self_ CB_TRAP_DIVIDE);                 \
    return x % y;                                                     \
  }                                                                   \
  OP type name##_div_s(SELF_ type x, type y) {                        \
    if (UNLIKELY(y == 0)) trap(self_ CB_TRAP_DIVIDE);                 \
    if (UNLIKELY(x == minimum && y == (type)-1)) trap(self_ CB_TRAP_OVERFLOW); \
    return (type)((sign)x / (sign)y);                                 \
  }                                                                   \
  OP type name##_rem_s(SELF_ type x, type y) {                        \
    if (UNLIKELY(y == 0)) trap(self_ CB_TRAP_DIVIDE);                 \
    if (UNLIKELY(y == (type)-1)) return 0; /* C leaves the minimum's case undefined */ \
    return (type)((sign)x % (sign)y);                                 \
  }
DIVISIONS(i32, u32, i32, 0x80000000u)
DIVISIONS(i64, u64, i64, 0x8000000000000000u)
#undef DIVISIONS

/* ---- floats ---- */

/* gcc's own code for these returns a signalling NaN as it is, even if told of them; it must come out
 * quiet. */
#ifdef __clang__
#define ROUNDED(x, rounded) (rounded)
#else
#define ROUNDED(x, rounded) ((x) != (x) ? (x) + (x) : (rounded))
#endif

OP f32 f32_demote_f64(f64 x) { return (f32)ROUNDED(x, x); }

#define FLOATS(name, type, bits, unbits, suffix)                      \
  OP type name##_abs(type x) { return __builtin_fabs##suffix(x); }    \
  OP type name##_copysign(type x, type y) { return __builtin_copysign##suffix(x, y); } \
  OP type name##_ceil(type x) { return ROUNDED(x, __builtin_ceil##suffix(x)); } \
  OP type name##_floor(type x) { return ROUNDED(x, __builtin_floor##suffix(x)); } \
  OP type name##_trunc(type x) { return ROUNDED(x, __builtin_trunc##suffix(x)); } \
  OP type name##_nearest(type x) { return ROUNDED(x, __builtin_rint##suffix(x)); } \
  OP type name##_sqrt(type x) { return __builtin_sqrt##suffix(x); }   \
  OP type name##_min(type x, type y) {                                \
    if (x != x || y != y) return x + y;                               \
    if (x == y) return name##_bits(bits_##name(x) | bits_##name(y)); /* -0 below +0 */ \
    return x < y ? x : y;                                             \
  }                                                                   \
  OP type name##_max(type x, type y) {                                \
    if (x != x || y != y) return x + y;                               \
    if (x == y) return name##_bits(bits_##name(x) & bits_##name(y));  \
    return x > y ? x : y;                                             \
  }
FLOATS(f32, f32, bits_f32, f32_bits, f)
FLOATS(f64, f64, bits_f64, f64_bits, )
#undef FLOATS

/* `above` and `below` are the bounds that the truncated value may not reach; for f32 and i64 the
 * lower bound is the minimum itself, as nothing lies between it and the minimum minus one. */
#define TRUNCATIONS(name, from, to, sign, lower, below, minimum, maximum) \
  OP to name(SELF_ from x) {                                          \
    if (UNLIKELY(!(x lower && x < below)))                            \
      trap(self_ x != x ? CB_TRAP_CONVERT : CB_TRAP_OVERFLOW);        \
    return (to)(sign)x;                                               \
  }                                                                   \
  OP to name##_sat(from x) {                                          \
    if (x != x) return 0;                                             \
    if (!(x lower)) return (to)minimum;                               \
    if (!(x < below)) return (to)maximum;                             \
    return (to)(sign)x;                                               \
  }
TRUNCATIONS(i32_trunc_f32_s, f32, u32, i32, >= -0x1p31f, 0x1p31f, 0x80000000u, 0x7fffffffu)
TRUNCATIONS(i32_trunc_f32_u, f32, u32, u32, > -1.0f, 0x1p32f, 0, 0xffffffffu)
TRUNCATIONS(i32_trunc_f64_s, f64, u32, i32, > -0x1.00000002p31, 0x1p31, 0x80000000u, 0x7fffffffu)
TRUNCATIONS(i32_trunc_f64_u, f64, u32, u32, > -1.0, 0x1p32, 0, 0xffffffffu)
TRUNCATIONS(i64_trunc_f32_s, f32, u64, i64, >= -0x1p63f, 0x1p63f, 1ull << 63, ~(1ull << 63))
TRUNCATIONS(i64_trunc_f32_u, f32, u64, u64, > -1.0f, 0x1p64f, 0, ~0ull)
TRUNCATIONS(i64_trunc_f64_s, f64, u64, i64, >= -0x1p63, 0x1p63, 1ull << 63, ~(1ull << 63))
TRUNCATIONS(i64_trunc_f64_u, f64, u64, u64, > -1.0, 0x1p64, 0, ~0ull)
#undef TRUNCATIONS

/* ---- profiles ---- */

/* `chance` is the share of times that the condition was true. */
#define CHANCE(chance, condition) \
  __builtin_expect_with_probability(!!(condition), (chance) >= 0.5, \
                                    (chance) >= 0.5 ? (chance) : 1 - (chance))

#ifdef CB_COUNTERS
extern HIDDEN u64 counters[];
#define COUNT(slot) (void)counters[slot]++
OP int count_if(u64 *slots, int condition) {
  slots[0]++;
  slots[1] += (u64)condition;
  return condition;
}
#define COUNT_IF(slot, condition) count_if(counters + (slot), !!(condition))
/* The majority's vote (Boyer and Moore): right whenever one index has more than half. */
OP u32 count_target(u64 *slots, u32 index) {
  if (slots[0] == index)
    slots[1]++;
  else if (slots[1] == 0)
    slots[0] = index, slots[1] = 1;
  else
    slots[1]--;
  slots[2]++;
  return index;
}
#define COUNT_TARGET(slot, index) count_target(counters + (slot), index)
#endif

/* ---- tail calls ----
 * Every function that makes or receives tail calls has a form with a uniform signature, named
 * piece<index>: musttail demands that caller and callee agree. Where the compiler has no musttail,
 * arguments lie in the instance and a piece returns the next one to a driver loop. */

typedef struct next next;
struct next {
  next (*piece)(SELF);
};

#ifdef CB_TRAMPOLINE
static __attribute__((noinline, unused)) void run_pieces(SELF_ next (*first)(SELF)) {
  next now = {first};
  do now = now.piece(self);
  while (now.piece);
}
#else
#if !__has_attribute(musttail)
#error "this compiler has no musttail: define CB_TRAMPOLINE"
#endif
#define MUSTTAIL __attribute__((musttail))
#if __has_attribute(preserve_none) && !defined(CB_NO_PRESERVE_NONE)
#define PIECE __attribute__((preserve_none))
#else
#define PIECE
#endif
#endif

#endif
