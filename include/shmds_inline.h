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

/* ---- SPSC queue. Each side owns a count and the slots between it and the other's, and looks at
 * the other's only when it has used up what it saw there last. */

/* Whether this process, and not its parent before a fork, holds the role. */
static inline bool shmds_spsc_queue_holds_inline(const shmds_spsc_queue_view* view,
                                                 const shmds_spsc_queue_side* side) {
  return side->epoch == __atomic_load_n(view->fork_epoch, __ATOMIC_RELAXED);
}

/* Moves a side on by one element and tells the other: the linearisation point. */
static inline shmds_status shmds_spsc_queue_advance_inline(
    shmds_spsc_queue* queue, const shmds_spsc_queue_view* view, shmds_spsc_queue_side* side,
    uint64_t* published, const uint32_t* sleepers, size_t elem_size) {
  const uint64_t position = side->position + 1;
  const uint64_t offset = side->offset + elem_size;
  side->position = position;
  side->offset = offset == view->slot_bytes ? 0 : offset;
  /* Release: the slot is filled, or read, before the other side sees the count. */
  __atomic_store_n(published, position, __ATOMIC_RELEASE);
  /* Not before the store, for the compiler; whoever sleeps has seen to the processor. */
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  if (SHMDS_UNLIKELY(__atomic_load_n(sleepers, __ATOMIC_RELAXED) != 0)) {
    shmds_spsc_queue_wake(queue);
  }
  return SHMDS_OK;
}

/* Whether the consumer finds an element without the library's help. */
static inline bool shmds_spsc_queue_has_item_inline(const shmds_spsc_queue_view* view,
                                                    shmds_spsc_queue_side* side) {
  if (side->position == side->limit) {
    /* Acquire: pairs with the producer's Release; the slots before its count are filled. */
    const uint64_t tail = __atomic_load_n(view->tail, __ATOMIC_ACQUIRE);
    if (tail - side->position - 1 >= view->capacity) {
      return false; /* None, or more than there can be. */
    }
    side->limit = tail;
  }
  return true;
}

/* Whether the producer finds room without the library's help. */
static inline bool shmds_spsc_queue_has_room_inline(const shmds_spsc_queue_view* view,
                                                    shmds_spsc_queue_side* side) {
  if (SHMDS_UNLIKELY(side->position == side->limit)) {
    /* Acquire: pairs with the consumer's Release; it has read the slots before its count. */
    const uint64_t head = __atomic_load_n(view->head, __ATOMIC_ACQUIRE);
    if (side->position - head >= view->capacity) {
      return false; /* Full, or fuller than it can be. */
    }
    side->limit = head + view->capacity;
  }
  return true;
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
      SHMDS_UNLIKELY(!shmds_spsc_queue_holds_inline(view, &view->producer)) ||
      SHMDS_UNLIKELY(!shmds_spsc_queue_has_room_inline(view, &view->producer))) {
    return shmds_spsc_queue_push(queue, element);
  }
  memcpy(view->slots + view->producer.offset, element, elem_size);
  return shmds_spsc_queue_advance_inline(queue, view, &view->producer, view->tail, view->items,
                                         elem_size);
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
      SHMDS_UNLIKELY(!shmds_spsc_queue_holds_inline(view, &view->consumer)) ||
      SHMDS_UNLIKELY(!shmds_spsc_queue_has_item_inline(view, &view->consumer))) {
    return shmds_spsc_queue_pop(queue, element);
  }
  memcpy(element, view->slots + view->consumer.offset, elem_size);
  return shmds_spsc_queue_advance_inline(queue, view, &view->consumer, view->head, view->space,
                                         elem_size);
}

/** `shmds_spsc_queue_front`. */
static inline shmds_status shmds_spsc_queue_front_inline(shmds_spsc_queue* queue,
                                                         const void** element) {
  shmds_spsc_queue_view* view = SHMDS_VIEW_OF(shmds_spsc_queue_view, queue);
  if (SHMDS_UNLIKELY(!queue || !element) ||
      SHMDS_UNLIKELY(!shmds_spsc_queue_holds_inline(view, &view->consumer)) ||
      SHMDS_UNLIKELY(!shmds_spsc_queue_has_item_inline(view, &view->consumer))) {
    return shmds_spsc_queue_front(queue, element);
  }
  view->consumer.front = view->consumer.position + 1;
  *element = view->slots + view->consumer.offset;
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
      SHMDS_UNLIKELY(!shmds_spsc_queue_holds_inline(view, &view->consumer)) ||
      SHMDS_UNLIKELY(view->consumer.front != view->consumer.position + 1)) {
    return shmds_spsc_queue_release(queue);
  }
  return shmds_spsc_queue_advance_inline(queue, view, &view->consumer, view->head, view->space,
                                         elem_size);
}

#endif /* SHMDS_INLINE_H */
