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

/** Whether somebody sleeps, or did, by the flag of a wait word. */
SHMDS_INLINE bool shmds_has_sleepers_inline(const shmds_wait_word* sleepers) {
  return SHMDS_UNLIKELY((__atomic_load_n(sleepers, __ATOMIC_RELAXED) & 1U) != 0);
}

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

/** Copies two words, loaded one by one, by one store if the processor has one. */
SHMDS_INLINE void shmds_copy_two_words_inline(unsigned char* target, const unsigned char* source) {
#if defined(__SSE2__) && defined(__clang__)
  const void* low = source;
  const void* high = source + 8;
  __m128d words = _mm_load_sd(SHMDS_BYTES_OF(const double, low));
  /* As in `shmds_word_inline`. */
  __asm__("" : "+x"(words));
  words = _mm_loadh_pd(words, SHMDS_BYTES_OF(const double, high));
  memcpy(target, &words, sizeof words);
#elif defined(__SSE2__)
  /* By way of integers, which GCC does not have to put into memory before, if it has them in
   * registers. */
  const uint64_t low = shmds_word_inline(source);
  const uint64_t high = shmds_word_inline(source + 8);
  const __m128i words = _mm_set_epi64x(SHMDS_SIGNED(high), SHMDS_SIGNED(low));
  memcpy(target, &words, sizeof words);
#else
  const uint64_t low = shmds_word_inline(source);
  const uint64_t high = shmds_word_inline(source + 8);
  memcpy(target, &low, sizeof low);
  memcpy(target + 8, &high, sizeof high);
#endif
}

/** Copies a small element by loads of no more than a word. It was often built just now, field by
 * field, and a wider load would have to wait until all those stores have left the processor's store
 * buffer.
 *
 * No loop: GCC unrolls one only after it has decided what stays in registers, and an element whose
 * words are looked for in a loop does not. */
SHMDS_INLINE void shmds_copy_in_inline(void* slot, const void* element, size_t elem_size) {
  unsigned char* target = SHMDS_BYTES_OF(unsigned char, slot);
  const unsigned char* source = SHMDS_BYTES_OF(const unsigned char, element);
  if (!__builtin_constant_p(elem_size) || elem_size % 8 != 0 || elem_size == 8 || elem_size > 64) {
    memcpy(slot, element, elem_size);
    return;
  }
  if (elem_size >= 16) {
    shmds_copy_two_words_inline(target, source);
  }
  if (elem_size >= 32) {
    shmds_copy_two_words_inline(target + 16, source + 16);
  }
  if (elem_size >= 48) {
    shmds_copy_two_words_inline(target + 32, source + 32);
  }
  if (elem_size >= 64) {
    shmds_copy_two_words_inline(target + 48, source + 48);
  }
  if (elem_size % 16 != 0) {
    const uint64_t last = shmds_word_inline(source + elem_size - 8);
    memcpy(target + elem_size - 8, &last, sizeof last);
  }
}

#endif /* SHMDS_INLINE_COMMON_H */
