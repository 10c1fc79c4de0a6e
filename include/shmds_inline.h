/* SPDX-License-Identifier: MIT */
/** @file
 * The hot paths of libshmds for inlining, in C11 that is also C++.
 *
 * A call into the library costs more than the whole of such an operation. The functions here do
 * the common case themselves, on the same memory and in the same way as the library, and call it
 * for everything else: when a queue is full or empty, when a role has to be taken, in a forked
 * child, when somebody sleeps. They answer what the functions of the same name without `_inline`
 * answer, and both may be used on one queue at once, in any mixture.
 *
 * Needs the atomic builtins of gcc and clang. Link with libshmds.
 */
#ifndef SHMDS_INLINE_H
#define SHMDS_INLINE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "shmds.h"

#define SHMDS_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define SHMDS_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#ifdef __cplusplus
#define SHMDS_VIEW_OF(type, handle) reinterpret_cast<type*>(handle)
#else
#define SHMDS_VIEW_OF(type, handle) ((type*)(handle))
#endif

/* ---- SPSC queue. Each side knows slots that it can use without a look at the other's count, from
 * `next` up to `stop`. While this process does not hold the role there are none (after a fork,
 * too), and `next` is the end of the slots. */

/* Moves a side on by one element and tells the other: the linearisation point. */
static inline shmds_status shmds_spsc_queue_advance_inline(shmds_spsc_queue* queue,
                                                           shmds_spsc_queue_side* side,
                                                           shmds_spsc_queue_end* end,
                                                           size_t elem_size) {
  const uint64_t count = __atomic_load_n(&end->count, __ATOMIC_RELAXED) + 1;
  side->next += elem_size;
  /* Release: the slot is filled, or read, before the other side sees the count. */
  __atomic_store_n(&end->count, count, __ATOMIC_RELEASE);
  /* Not before the store, for the compiler; for the processor, whoever sleeps has seen to it. */
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  if (SHMDS_UNLIKELY((__atomic_load_n(&end->waiters, __ATOMIC_RELAXED) & 1U) != 0)) {
    shmds_spsc_queue_wake(queue);
  }
  return SHMDS_OK;
}

/* Whether the consumer finds an element at `next`, without the library's help. */
static inline bool shmds_spsc_queue_has_item_inline(const shmds_spsc_queue_view* view) {
  const shmds_spsc_queue_side* side = &view->consumer;
  if (side->next < side->stop) {
    return true;
  }
  /* A single one, as when producer and consumer take turns, is not worth a note in `stop`.
   * Acquire: pairs with the producer's Release; the slots before its count are filled. */
  return __atomic_load_n(&view->tail->count, __ATOMIC_ACQUIRE) -
                 __atomic_load_n(&view->head->count, __ATOMIC_RELAXED) ==
             1 &&
         side->next < view->slots_end;
}

/**
 * `shmds_spsc_queue_push`.
 *
 * @param elem_size the queue's, best known to the compiler
 */
static inline shmds_status shmds_spsc_queue_push_inline(shmds_spsc_queue* queue,
                                                        const void* element, size_t elem_size) {
  shmds_spsc_queue_view* view = SHMDS_VIEW_OF(shmds_spsc_queue_view, queue);
  if (SHMDS_UNLIKELY(!queue || !element) ||
      SHMDS_UNLIKELY(view->producer.next >= view->producer.stop)) {
    return shmds_spsc_queue_push(queue, element);
  }
  memcpy(SHMDS_VIEW_OF(void, view->producer.next), element, elem_size);
  return shmds_spsc_queue_advance_inline(queue, &view->producer, view->tail, elem_size);
}

/**
 * `shmds_spsc_queue_pop`.
 *
 * @param elem_size the queue's, best known to the compiler
 */
static inline shmds_status shmds_spsc_queue_pop_inline(shmds_spsc_queue* queue, void* element,
                                                       size_t elem_size) {
  shmds_spsc_queue_view* view = SHMDS_VIEW_OF(shmds_spsc_queue_view, queue);
  if (SHMDS_UNLIKELY(!queue || !element) ||
      SHMDS_UNLIKELY(!shmds_spsc_queue_has_item_inline(view))) {
    return shmds_spsc_queue_pop(queue, element);
  }
  memcpy(element, SHMDS_VIEW_OF(void, view->consumer.next), elem_size);
  return shmds_spsc_queue_advance_inline(queue, &view->consumer, view->head, elem_size);
}

/** `shmds_spsc_queue_front`. */
static inline shmds_status shmds_spsc_queue_front_inline(shmds_spsc_queue* queue,
                                                         const void** element) {
  shmds_spsc_queue_view* view = SHMDS_VIEW_OF(shmds_spsc_queue_view, queue);
  if (SHMDS_UNLIKELY(!queue || !element) ||
      SHMDS_UNLIKELY(!shmds_spsc_queue_has_item_inline(view))) {
    return shmds_spsc_queue_front(queue, element);
  }
  view->consumer.front = __atomic_load_n(&view->head->count, __ATOMIC_RELAXED) + 1;
  *element = SHMDS_VIEW_OF(void, view->consumer.next);
  return SHMDS_OK;
}

/**
 * `shmds_spsc_queue_release`.
 *
 * @param elem_size the queue's, best known to the compiler
 */
static inline shmds_status shmds_spsc_queue_release_inline(shmds_spsc_queue* queue,
                                                           size_t elem_size) {
  shmds_spsc_queue_view* view = SHMDS_VIEW_OF(shmds_spsc_queue_view, queue);
  if (SHMDS_UNLIKELY(!queue) ||
      SHMDS_UNLIKELY(view->consumer.front !=
                     __atomic_load_n(&view->head->count, __ATOMIC_RELAXED) + 1)) {
    return shmds_spsc_queue_release(queue);
  }
  return shmds_spsc_queue_advance_inline(queue, &view->consumer, view->head, elem_size);
}

/* ---- Queue. Each thread has a lane with a spare slot, and one CAS exchanges that for the slot
 * in a ring word; see the library's own comments for why this is safe against any death. */

#ifdef __cplusplus
#define SHMDS_THREAD_LOCAL thread_local
#else
#define SHMDS_THREAD_LOCAL _Thread_local
#endif

/* What a thread remembers of a queue that it used: its own lane there. */
typedef struct shmds_queue_memory {
  uint64_t queue;
  uint64_t stamp;
  const shmds_queue_pass* pass;
  uint64_t* record;
  uint32_t epoch;
} shmds_queue_memory;

/* Asks the library for this thread's lane; NULL when it has none of its own. */
static inline uint64_t* shmds_queue_ask_lane_inline(shmds_queue* queue,
                                                    const shmds_queue_view* view,
                                                    shmds_queue_memory* memory) {
  const shmds_queue_pass* pass = shmds_queue_own_lane(queue);
  if (pass == NULL || pass->lane >= view->lane_count) {
    return NULL;
  }
  memory->queue = view->id;
  memory->stamp = __atomic_load_n(&pass->stamp, __ATOMIC_RELAXED);
  memory->pass = pass;
  /* A lane is eight words: owner, record, refusals, and room. */
  memory->record = view->lanes + UINT64_C(8) * pass->lane + 1;
  memory->epoch = __atomic_load_n(view->epoch, __ATOMIC_RELAXED);
  return memory->record;
}

/* The record of the calling thread's own lane; NULL when it has none. */
static inline uint64_t* shmds_queue_lane_inline(shmds_queue* queue, const shmds_queue_view* view) {
  static SHMDS_THREAD_LOCAL shmds_queue_memory memories[8];
  shmds_queue_memory* memory = &memories[view->id % 8];
  if (SHMDS_LIKELY(memory->queue == view->id &&
                   /* Not inherited from the parent, and still this thread's. */
                   memory->epoch == __atomic_load_n(view->epoch, __ATOMIC_RELAXED) &&
                   memory->stamp == __atomic_load_n(&memory->pass->stamp, __ATOMIC_RELAXED))) {
    return memory->record;
  }
  return shmds_queue_ask_lane_inline(queue, view, memory);
}

/* The spare slot of a lane at rest; anything from slot_count on when it is none. */
static inline uint64_t shmds_queue_spare_inline(const uint64_t* record) {
  /* An idle record is the slot's number above 31 zeros: others turn out too large. */
  const uint64_t bits = __atomic_load_n(record, __ATOMIC_RELAXED);
  return bits >> 31 | bits << 33;
}

/* Exchanges slot s at the first look, or changes nothing: side 0 is the tail, where full words
 * come to be, side 1 the head. Returns the slot got for s; from slot_count on: nothing done. */
static inline uint64_t shmds_queue_exchange_inline(const shmds_queue_view* view, uint64_t* record,
                                                   uint64_t* hint, uint64_t side, uint64_t s) {
  /* Acquire: pairs with the Release below; the words before the hint are seen as passed. */
  const uint64_t at = __atomic_load_n(hint, __ATOMIC_ACQUIRE);
  const uint64_t index = at & view->index_mask;
  /* The word to be found is this, and the number of a slot that exists. */
  const uint64_t wanted = ((at - index) << view->lap_shift) + (side != 0 ? view->unit : 0);
  /* Neighbours lie on different lines. */
  uint64_t* cell = view->words + ((index << 3 & view->word_mask) | index >> view->place_shift);
  uint64_t word = 0;
  uint64_t j = 0;
  if (SHMDS_UNLIKELY(index >= view->capacity)) {
    return UINT64_MAX;
  }
  word = __atomic_load_n(cell, __ATOMIC_SEQ_CST);
  j = word - wanted;
  if (SHMDS_UNLIKELY(j >= view->slot_count)) {
    return UINT64_MAX;
  }
  /* Say which two slots are in play before either can change hands. */
  __atomic_store_n(record, UINT64_C(1) << 62 | s << 31 | j, __ATOMIC_RELEASE);
  /* The linearisation point; it publishes the payload. */
  if (SHMDS_UNLIKELY(!__atomic_compare_exchange_n(cell, &word, wanted + view->unit + s, false,
                                                  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))) {
    __atomic_store_n(record, s << 31, __ATOMIC_RELEASE);
    return UINT64_MAX;
  }
  __atomic_store_n(record, j << 31, __ATOMIC_RELEASE);
  /* Never ahead of the truth: this position is passed, and all before it were. */
  __atomic_store_n(hint,
                   SHMDS_LIKELY(index + 1 < view->capacity) ? at + 1 : (at | view->index_mask) + 1,
                   __ATOMIC_RELEASE);
  return j;
}

/* Wakes whoever sleeps on a side. */
static inline shmds_status shmds_queue_wake_inline(shmds_queue* queue, const uint32_t* sleepers) {
#if !defined(__x86_64__)
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
  if (SHMDS_UNLIKELY((__atomic_load_n(sleepers, __ATOMIC_RELAXED) & 1U) != 0)) {
    return shmds_queue_wake(queue);
  }
  return SHMDS_OK;
}

/** shmds_queue_enqueue in line. `elem_size` is the queue's element size, best a constant. */
static inline shmds_status shmds_queue_enqueue_inline(shmds_queue* queue, const void* element,
                                                      size_t elem_size) {
  const shmds_queue_view* view = SHMDS_VIEW_OF(const shmds_queue_view, queue);
  uint64_t* record = shmds_queue_lane_inline(queue, view);
  if (SHMDS_LIKELY(record != NULL)) {
    const uint64_t spare = shmds_queue_spare_inline(record);
    if (SHMDS_LIKELY(spare < view->slot_count)) {
      /* The payload first, while the slot is this lane's alone. */
      memcpy(view->slots + spare * elem_size, element, elem_size);
      if (SHMDS_LIKELY(shmds_queue_exchange_inline(view, record, view->tail, 0, spare) <
                       view->slot_count)) {
        return shmds_queue_wake_inline(queue, view->items);
      }
    }
  }
  return shmds_queue_enqueue(queue, element);
}

/** shmds_queue_dequeue in line. `elem_size` is the queue's element size, best a constant. */
static inline shmds_status shmds_queue_dequeue_inline(shmds_queue* queue, void* element,
                                                      size_t elem_size) {
  const shmds_queue_view* view = SHMDS_VIEW_OF(const shmds_queue_view, queue);
  uint64_t* record = shmds_queue_lane_inline(queue, view);
  if (SHMDS_LIKELY(record != NULL)) {
    const uint64_t spare = shmds_queue_spare_inline(record);
    if (SHMDS_LIKELY(spare < view->slot_count)) {
      const uint64_t slot = shmds_queue_exchange_inline(view, record, view->head, 1, spare);
      if (SHMDS_LIKELY(slot < view->slot_count)) {
        /* The exchange made the slot this lane's spare: nobody writes it now. */
        memcpy(element, view->slots + slot * elem_size, elem_size);
        return shmds_queue_wake_inline(queue, view->space);
      }
    }
  }
  return shmds_queue_dequeue(queue, element);
}

#endif /* SHMDS_INLINE_H */
