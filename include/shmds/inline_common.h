/* SPDX-License-Identifier: MIT */
/** @file
 * What the hot paths for inlining have in common: casts that are C and C++, and the copy of an
 * element into a slot. See shmds_inline.h.
 */
#ifndef SHMDS_INLINE_COMMON_H
#define SHMDS_INLINE_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "../shmds.h"

/** @cond macros for these headers alone */
#define SHMDS_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define SHMDS_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
/* Has a value in a register here: what was selected before is selected, and not stored or left out
 * by a branch. */
#define SHMDS_SELECTED(value) __asm__("" : "+r"(value))
/* Of operand 0 in memory; in Intel's syntax GCC says how long it is, Clang does not. */
#if defined(__clang__)
#define SHMDS_TEST_BIT_0_OF_BYTE "{testb $1, %0|test byte ptr %0, 1}"
#else
#define SHMDS_TEST_BIT_0_OF_BYTE "{testb $1, %0|test %0, 1}"
#endif
/* Compilers find these functions too large to inline by themselves, which would cost a call. */
#define SHMDS_INLINE static inline __attribute__((always_inline))
/* Tells the processor that the thread waits for another one, and passes a moment. */
#if defined(__x86_64__) || defined(__i386__)
#define SHMDS_PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define SHMDS_PAUSE() __asm__ volatile("isb" ::: "memory")
#else
#define SHMDS_PAUSE() __asm__ volatile("" ::: "memory")
#endif
/* One per translation unit, and called: what is long or rare. */
#define SHMDS_OUT_OF_LINE static __attribute__((noinline, unused))

#ifdef __cplusplus
#define SHMDS_VIEW_OF(type, handle) reinterpret_cast<type*>(handle)
#define SHMDS_BYTES_OF(type, pointer) static_cast<type*>(pointer)
#define SHMDS_ADDRESS_OF(pointer) reinterpret_cast<uintptr_t>(pointer)
#define SHMDS_POINTER_AT(type, address) reinterpret_cast<type*>(address)
#define SHMDS_SIGNED(number) static_cast<long long>(number)
#define SHMDS_THREAD_LOCAL thread_local
#define SHMDS_STATIC_ASSERT(condition, sentence) static_assert(condition, sentence)
#else
#define SHMDS_VIEW_OF(type, handle) ((type*)(handle))
#define SHMDS_BYTES_OF(type, pointer) ((type*)(pointer))
#define SHMDS_ADDRESS_OF(pointer) ((uintptr_t)(pointer))
#define SHMDS_POINTER_AT(type, address) ((type*)(address))
#define SHMDS_SIGNED(number) ((long long)(number))
#define SHMDS_THREAD_LOCAL _Thread_local
#define SHMDS_STATIC_ASSERT(condition, sentence) _Static_assert(condition, sentence)
#endif
/** @endcond */

/* An element may have words of padding, which nobody has written. */
#if !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
/** A word, loaded by itself. What the compiler knows of it, it may use. */
SHMDS_INLINE uint64_t shmds_word_inline(const unsigned char* source) {
  uint64_t word = 0;
  memcpy(&word, source, sizeof word);
  if (!__builtin_constant_p(word)) {
    /* Keeps the compiler from making one wide load of several. */
    __asm__("" : "+r"(word));
  }
  return word;
}
#if !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#if defined(__SSE2__)
/** Two words in one register, loaded one by one. */
SHMDS_INLINE __m128i shmds_pair_of_words_inline(const unsigned char* source) {
#if defined(__clang__)
  const void* low = source;
  const void* high = source + 8;
  __m128d pair = _mm_load_sd(SHMDS_BYTES_OF(const double, low));
  /* As in `shmds_word_inline`. */
  __asm__("" : "+x"(pair));
  return _mm_castpd_si128(_mm_loadh_pd(pair, SHMDS_BYTES_OF(const double, high)));
#else
  /* By way of integers, which GCC does not have to put into memory before, if it has them in
   * registers. */
  const uint64_t low = shmds_word_inline(source);
  const uint64_t high = shmds_word_inline(source + 8);
  return _mm_set_epi64x(SHMDS_SIGNED(high), SHMDS_SIGNED(low));
#endif
}
#endif

/** Copies a small element by loads of no more than a word. It was often built just now, field by
 * field, and a wider load would have to wait until all those stores have left the processor's store
 * buffer. */
SHMDS_INLINE void shmds_copy_in_inline(void* slot, const void* element, size_t elem_size) {
  unsigned char* target = SHMDS_BYTES_OF(unsigned char, slot);
  const unsigned char* source = SHMDS_BYTES_OF(const unsigned char, element);
  size_t offset = 0;
  if (!__builtin_constant_p(elem_size) || elem_size % 8 != 0 || elem_size == 8 || elem_size > 64) {
    memcpy(slot, element, elem_size);
    return;
  }
#if defined(__SSE2__)
#pragma GCC unroll 4
  for (; offset + 16 <= elem_size; offset += 16) {
    const __m128i words = shmds_pair_of_words_inline(source + offset);
    memcpy(target + offset, &words, sizeof words);
  }
#endif
#pragma GCC unroll 8
  for (; offset < elem_size; offset += 8) {
    const uint64_t word = shmds_word_inline(source + offset);
    memcpy(target + offset, &word, sizeof word);
  }
}

#endif /* SHMDS_INLINE_COMMON_H */
