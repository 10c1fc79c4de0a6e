/* SPDX-License-Identifier: MIT */
/** @file
 * The hot paths of the object pool; see shmds_inline.h.
 *
 * What a thread released last it gets back first, without a search, and without a load of the
 * object's word: the processor could not serve that before the compare-and-swap is over that wrote
 * it. Its generation is remembered instead.
 */
#ifndef SHMDS_INLINE_OBJECT_POOL_H
#define SHMDS_INLINE_OBJECT_POOL_H

#include "inline_common.h"

/** What the thread remembers of pools: all it uses, in places that the handles' addresses tell, and
 * a copy of one that it uses often, at an address of its own. */
typedef struct shmds_object_pool_memory {
  /** Of the pool used often. */
  shmds_object_pool_pass often;
  /** Of all pools used, each in its place. */
  shmds_object_pool_pass all[SHMDS_OBJECT_POOL_PLACES];
  /** Operations on others than the one used often. */
  uint64_t others;
} shmds_object_pool_memory;

/** One in each shared object at least, mostly in each translation unit: all lead to what the
 * library keeps for the thread. */
static SHMDS_THREAD_LOCAL shmds_object_pool_memory shmds_object_pool_thread_memory
    __attribute__((unused, aligned(SHMDS_OBJECT_POOL_STRIDE)));

/** @cond macros for this header alone */
/* An object's word: bit 0 says that it is live, the high half counts its releases. */
#define SHMDS_OBJECT_LIVE UINT64_C(1)
#define SHMDS_OBJECT_RELEASE (UINT64_C(1) << 32)
#define SHMDS_OBJECT_GENERATION (UINT64_MAX << 32)
#define SHMDS_OBJECT_INDEX UINT64_C(0xffffffff)
/** @endcond */

/** The linearisation point of every operation; it publishes what the owner wrote, and shows what
 * the last one did. */
SHMDS_INLINE bool shmds_object_pool_change_inline(const shmds_object_pool_pass* pass,
                                                  uint32_t handle, uint64_t from, uint64_t to) {
  return __atomic_compare_exchange_n(pass->words + handle, &from, to, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_RELAXED);
}

/** Acquires the object that the thread released last, if that can be done in line. Writes nothing
 * else: the thread will find out that its top is live. */
SHMDS_INLINE bool shmds_object_pool_acquire_top_inline(const shmds_object_pool_pass* pass,
                                                       uint32_t* handle) {
  const shmds_object_pool_recent* recent = pass->recent;
  const uint64_t top = __atomic_load_n(&recent->top, __ATOMIC_RELAXED);
  const uint32_t index = top & SHMDS_OBJECT_INDEX;
  /* A word as a release leaves it: the generation, and nothing else. */
  const uint64_t word = top - index;
  if (SHMDS_UNLIKELY(__atomic_load_n(&recent->live, __ATOMIC_RELAXED) == top) ||
      SHMDS_UNLIKELY(!shmds_object_pool_change_inline(pass, index, word, word + pass->claim))) {
    return false;
  }
  *handle = index;
  return true;
}

/** Lets searches find an object that was just released. The word first, then its mark: whoever
 * cleared that in between finds the object free. */
SHMDS_INLINE void shmds_object_pool_mark_inline(shmds_object_pool* pool,
                                                const shmds_object_pool_pass* pass,
                                                uint32_t handle) {
  const uint64_t marks = __atomic_load_n(pass->marks + handle / 64, __ATOMIC_SEQ_CST);
  if (SHMDS_UNLIKELY((marks >> handle % 64 & 1U) == 0)) {
    (void)!shmds_object_pool_mark(pool, handle);
  }
}

/** Releases the object that is the top of what the thread remembers, if it is live, and its own. */
SHMDS_INLINE bool shmds_object_pool_release_top_inline(shmds_object_pool* pool,
                                                       const shmds_object_pool_pass* pass,
                                                       uint32_t handle) {
  shmds_object_pool_recent* recent = pass->recent;
  const uint64_t top = __atomic_load_n(&recent->top, __ATOMIC_RELAXED);
  const uint64_t word = top - handle;
  /* Without a top, its handle is the invalid one. */
  if (SHMDS_UNLIKELY((top & SHMDS_OBJECT_INDEX) != handle) ||
      SHMDS_UNLIKELY(handle == SHMDS_INVALID_HANDLE) ||
      SHMDS_UNLIKELY(!shmds_object_pool_change_inline(pass, handle, word + pass->claim,
                                                      word + SHMDS_OBJECT_RELEASE))) {
    return false;
  }
  /* From now on another one than that known to be live. */
  __atomic_store_n(&recent->top, top + SHMDS_OBJECT_RELEASE, __ATOMIC_RELAXED);
  shmds_object_pool_mark_inline(pool, pass, handle);
  return true;
}

/** The key by which a thread knows the pool. Another one than before: another pool, a forked child.
 */
SHMDS_INLINE uint64_t shmds_object_pool_key_inline(const shmds_object_pool* pool) {
  const shmds_object_pool_view* view = SHMDS_VIEW_OF(const shmds_object_pool_view, pool);
  return __atomic_load_n(&view->key, __ATOMIC_RELAXED);
}

/**
 * What of `shmds_object_pool_acquire` can be done in line, on the pool that the thread uses often:
 * true if `*handle` was acquired. False says nothing; `shmds_object_pool_acquire_otherwise` is
 * next.
 *
 * @param pool not NULL
 * @param handle not NULL
 */
SHMDS_INLINE bool shmds_object_pool_try_acquire_inline(shmds_object_pool* pool, uint32_t* handle) {
  const shmds_object_pool_pass* pass = &shmds_object_pool_thread_memory.often;
  return SHMDS_LIKELY(pass->key == shmds_object_pool_key_inline(pool)) &&
         SHMDS_LIKELY(shmds_object_pool_acquire_top_inline(pass, handle));
}

/** Like `shmds_object_pool_try_acquire_inline`, for `shmds_object_pool_release`: true if done. */
SHMDS_INLINE bool shmds_object_pool_try_release_inline(shmds_object_pool* pool, uint32_t handle) {
  const shmds_object_pool_pass* pass = &shmds_object_pool_thread_memory.often;
  return SHMDS_LIKELY(pass->key == shmds_object_pool_key_inline(pool)) &&
         shmds_object_pool_release_top_inline(pool, pass, handle);
}

/** The thread's pass for any pool; NULL if there is none to be had. */
SHMDS_INLINE const shmds_object_pool_pass* shmds_object_pool_pass_inline(shmds_object_pool* pool) {
  shmds_object_pool_memory* memory = &shmds_object_pool_thread_memory;
  const uint64_t key = shmds_object_pool_key_inline(pool);
  const uintptr_t place =
      SHMDS_ADDRESS_OF(pool) / SHMDS_OBJECT_POOL_STRIDE % SHMDS_OBJECT_POOL_PLACES;
  shmds_object_pool_pass* pass = &memory->all[place];
  if (SHMDS_LIKELY(memory->often.key == key)) {
    return &memory->often;
  }
  if (SHMDS_UNLIKELY(pass->key != key) && !shmds_object_pool_own_pass(pool, pass)) {
    return NULL;
  }
  /* Now and then: whichever comes then is probably used often. */
  if (SHMDS_UNLIKELY(memory->others++ % 32 == 0)) {
    memory->often = *pass;
  }
  return pass;
}

/** Acquires what the thread remembers below its top, which is live. */
SHMDS_INLINE bool shmds_object_pool_acquire_below_inline(const shmds_object_pool_pass* pass,
                                                         uint32_t* handle) {
  shmds_object_pool_recent* recent = pass->recent;
  const uint32_t top = __atomic_load_n(&recent->top, __ATOMIC_RELAXED) & SHMDS_OBJECT_INDEX;
  uint32_t below = SHMDS_INVALID_HANDLE;
  uint64_t word = 0;
  uint64_t known = 0;
  if (SHMDS_UNLIKELY(top >= pass->capacity)) {
    return false;
  }
  below = __atomic_load_n(pass->links + top, __ATOMIC_RELAXED);
  if (SHMDS_UNLIKELY(below >= pass->capacity)) {
    return false;
  }
  word = __atomic_load_n(pass->words + below, __ATOMIC_SEQ_CST);
  known = word & SHMDS_OBJECT_GENERATION;
  if (SHMDS_UNLIKELY((word & SHMDS_OBJECT_LIVE) != 0) ||
      SHMDS_UNLIKELY(!shmds_object_pool_change_inline(pass, below, word, known + pass->claim))) {
    return false;
  }
  __atomic_store_n(&recent->top, known | below, __ATOMIC_RELAXED);
  __atomic_store_n(&recent->live, known | below, __ATOMIC_RELAXED);
  *handle = below;
  return true;
}

/** Releases an object that is not the top of what the thread remembers, and makes it that. */
SHMDS_INLINE bool shmds_object_pool_release_other_inline(shmds_object_pool* pool,
                                                         const shmds_object_pool_pass* pass,
                                                         uint32_t handle) {
  shmds_object_pool_recent* recent = pass->recent;
  const uint64_t known = __atomic_load_n(&recent->top, __ATOMIC_RELAXED);
  const uint32_t top = known & SHMDS_OBJECT_INDEX;
  uint32_t below = top;
  uint64_t word = 0;
  uint64_t released = 0;
  if (SHMDS_UNLIKELY(handle >= pass->capacity) || SHMDS_UNLIKELY(top == handle)) {
    return false;
  }
  word = __atomic_load_n(pass->words + handle, __ATOMIC_SEQ_CST);
  released = (word & SHMDS_OBJECT_GENERATION) + SHMDS_OBJECT_RELEASE;
  if (SHMDS_UNLIKELY((word & SHMDS_OBJECT_LIVE) == 0) ||
      SHMDS_UNLIKELY(!shmds_object_pool_change_inline(pass, handle, word, released))) {
    return false;
  }
  shmds_object_pool_mark_inline(pool, pass, handle);
  /* A top that is live leaves what is remembered; what is below it stays. */
  if (top < pass->capacity &&
      (__atomic_load_n(&recent->live, __ATOMIC_RELAXED) == known ||
       (__atomic_load_n(pass->words + top, __ATOMIC_RELAXED) & SHMDS_OBJECT_LIVE) != 0)) {
    below = __atomic_load_n(pass->links + top, __ATOMIC_RELAXED);
  }
  if (__atomic_load_n(pass->links + handle, __ATOMIC_RELAXED) != below) {
    __atomic_store_n(pass->links + handle, below, __ATOMIC_RELAXED);
  }
  __atomic_store_n(&recent->top, released | handle, __ATOMIC_RELAXED);
  __atomic_store_n(&recent->live, ~(released | handle), __ATOMIC_RELAXED);
  return true;
}

/** The rest of `shmds_object_pool_acquire_inline`. */
SHMDS_OUT_OF_LINE shmds_status shmds_object_pool_acquire_otherwise(shmds_object_pool* pool,
                                                                   uint32_t* handle) {
  const shmds_object_pool_pass* pass = shmds_object_pool_pass_inline(pool);
  return pass && ((pass != &shmds_object_pool_thread_memory.often &&
                   shmds_object_pool_acquire_top_inline(pass, handle)) ||
                  shmds_object_pool_acquire_below_inline(pass, handle))
             ? SHMDS_OK
             : shmds_object_pool_acquire(pool, handle);
}

/** The rest of `shmds_object_pool_release_inline`. */
SHMDS_OUT_OF_LINE shmds_status shmds_object_pool_release_otherwise(shmds_object_pool* pool,
                                                                   uint32_t handle) {
  const shmds_object_pool_pass* pass = shmds_object_pool_pass_inline(pool);
  return pass && (shmds_object_pool_release_other_inline(pool, pass, handle) ||
                  (pass != &shmds_object_pool_thread_memory.often &&
                   shmds_object_pool_release_top_inline(pool, pass, handle)))
             ? SHMDS_OK
             : shmds_object_pool_release(pool, handle);
}

/** `shmds_object_pool_acquire`. */
SHMDS_INLINE shmds_status shmds_object_pool_acquire_inline(shmds_object_pool* pool,
                                                           uint32_t* handle) {
  if (SHMDS_UNLIKELY(!pool || !handle)) {
    return shmds_object_pool_acquire(pool, handle);
  }
  return SHMDS_LIKELY(shmds_object_pool_try_acquire_inline(pool, handle))
             ? SHMDS_OK
             : shmds_object_pool_acquire_otherwise(pool, handle);
}

/** `shmds_object_pool_release`. */
SHMDS_INLINE shmds_status shmds_object_pool_release_inline(shmds_object_pool* pool,
                                                           uint32_t handle) {
  if (SHMDS_UNLIKELY(!pool)) {
    return shmds_object_pool_release(pool, handle);
  }
  return SHMDS_LIKELY(shmds_object_pool_try_release_inline(pool, handle))
             ? SHMDS_OK
             : shmds_object_pool_release_otherwise(pool, handle);
}

#endif /* SHMDS_INLINE_OBJECT_POOL_H */
