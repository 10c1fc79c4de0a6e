/* SPDX-License-Identifier: MIT */
/** @file
 * The hot paths of the SPSC queue; see shmds_inline.h.
 *
 * Each side knows where it is, and up to which position of its lap it can go without a look at the
 * other one, and without the step into the next lap. While this process does not hold the role
 * (after a fork, too) the side is at an end of no queue, where it can neither go on nor find the
 * other side elsewhere.
 */
#ifndef SHMDS_INLINE_SPSC_QUEUE_H
#define SHMDS_INLINE_SPSC_QUEUE_H

#include "inline_common.h"
#include "inline_pursuit.h"

/** A slot, and the position after it. */
typedef struct shmds_spsc_queue_step {
  /** The slot; NULL: the library has to be asked. */
  unsigned char* slot;
  /** The position. */
  uint64_t next;
} shmds_spsc_queue_step;

/** The step from a position in any lap, for a side that may go up to a limit; out of line. Few
 * elements are left to the library, which gives the other side a head start, while that pays. */
SHMDS_OUT_OF_LINE shmds_spsc_queue_step shmds_spsc_queue_look(const shmds_spsc_queue_view* view,
                                                              shmds_spsc_queue_side* side,
                                                              uint64_t at, uint64_t limit) {
  const uint64_t last = view->last_index;
  const uint64_t index = at & view->index_mask;
  const uint64_t lap = at - index;
  const uint64_t ready = limit - lap;
  shmds_spsc_queue_step step = {NULL, 0};
  if (limit - at - 1 > view->index_mask || index > last ||
      (side->look_limit == 0 && limit - at < SHMDS_HEAD_START_WORDS)) {
    return step;
  }
  /* Nothing is known of what comes after the last index, which may be the first lap again. */
  side->slots = SHMDS_ADDRESS_OF(view->slots) - lap * view->elem_size;
  side->stop = index == last ? 0 : lap + (ready < last ? ready : last);
  if (side->look_limit != 0) {
    side->look_limit = index == last || lap + last == UINT64_MAX ? 1 : lap + last + 1;
  }
  step.slot = view->slots + index * view->elem_size;
  step.next = index != last ? at + 1 : lap + view->lap;
  return step;
}

/** The step from a position that the side knows it can use. */
SHMDS_INLINE shmds_spsc_queue_step shmds_spsc_queue_step_inline(const shmds_spsc_queue_side* side,
                                                                uint64_t at, size_t elem_size) {
  const shmds_spsc_queue_step step = {SHMDS_POINTER_AT(unsigned char, side->slots + at * elem_size),
                                      at + 1};
  if (!step.slot) {
    /* No slot is at address 0, so nobody has to look whether this one is. */
    __builtin_unreachable();
  }
  return step;
}

/** The producer's step from a position. */
SHMDS_INLINE shmds_spsc_queue_step shmds_spsc_queue_step_in_inline(
    const shmds_spsc_queue_view* view, shmds_spsc_queue_side* side, uint64_t at, size_t elem_size) {
  if (SHMDS_UNLIKELY(at >= side->stop)) {
    /* Acquire: pairs with the consumer's Release; it has read the slots before its position. */
    const uint64_t head = __atomic_load_n(&side->own[1].position, __ATOMIC_ACQUIRE);
    return shmds_spsc_queue_look(view, side, at, head + view->lap);
  }
  return shmds_spsc_queue_step_inline(side, at, elem_size);
}

/** The consumer's step from a position. */
SHMDS_INLINE shmds_spsc_queue_step shmds_spsc_queue_step_out_inline(
    const shmds_spsc_queue_view* view, shmds_spsc_queue_side* side, uint64_t at, size_t elem_size) {
  /* Neither is rare: a consumer that keeps up looks each time. */
  if (at >= side->stop) {
    /* Acquire: pairs with the producer's Release; the slots before its position are filled. */
    const uint64_t tail = __atomic_load_n(&side->own[-1].position, __ATOMIC_ACQUIRE);
    if (SHMDS_UNLIKELY(tail <= at) || SHMDS_UNLIKELY(tail >= side->look_limit)) {
      return shmds_spsc_queue_look(view, side, at, tail);
    }
    side->stop = tail;
  }
  return shmds_spsc_queue_step_inline(side, at, elem_size);
}

/** Moves a side on and tells the other: the linearisation point. */
SHMDS_INLINE void shmds_spsc_queue_move_inline(shmds_spsc_queue* queue, shmds_spsc_queue_side* side,
                                               shmds_spsc_queue_end* own, uint64_t next) {
  side->at = next;
  /* Release: the slot is filled, or read, before the other side sees the position. */
  __atomic_store_n(&own->position, next, __ATOMIC_RELEASE);
  /* Not before the store, for the compiler; for the processor, whoever sleeps has seen to it. */
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  if (shmds_has_sleepers_inline(&own->waiters)) {
    (void)!shmds_spsc_queue_wake(queue);
  }
}

/**
 * What of `shmds_spsc_queue_push` can be done in line: true if the element went in. False says
 * nothing; the library has to be asked then.
 *
 * Never hands `element` on, so that a compiler may keep it in registers.
 *
 * @param queue not NULL
 * @param elem_size the queue's element size, best known to the compiler
 */
SHMDS_INLINE bool shmds_spsc_queue_try_push_inline(shmds_spsc_queue* queue, const void* element,
                                                   size_t elem_size) {
  shmds_spsc_queue_view* view = SHMDS_VIEW_OF(shmds_spsc_queue_view, queue);
  shmds_spsc_queue_end* own = view->producer.own;
  const shmds_spsc_queue_step step =
      shmds_spsc_queue_step_in_inline(view, &view->producer, view->producer.at, elem_size);
  if (SHMDS_UNLIKELY(!step.slot)) {
    return false;
  }
  shmds_copy_in_inline(step.slot, element, elem_size);
  shmds_spsc_queue_move_inline(queue, &view->producer, own, step.next);
  return true;
}

/** A pop that has begun. */
typedef struct shmds_spsc_queue_popping {
  /** The oldest element. */
  const void* element;
  /** The end that is going to move, */
  shmds_spsc_queue_end* own;
  /** and where to. */
  uint64_t next;
} shmds_spsc_queue_popping;

/**
 * What of a pop can be done in line before the element is copied: true if there is one, to be taken
 * out by `shmds_spsc_queue_end_pop_inline` then, with no other operation of the consumer in
 * between. False says nothing; the library has to be asked then.
 *
 * In two steps, so that C++ can copy an element as what it is, and leave out what nobody looks at.
 *
 * @param queue not NULL
 * @param elem_size the queue's element size, best known to the compiler
 * @param[out] pop not NULL
 */
SHMDS_INLINE bool shmds_spsc_queue_begin_pop_inline(shmds_spsc_queue* queue, size_t elem_size,
                                                    shmds_spsc_queue_popping* pop) {
  shmds_spsc_queue_view* view = SHMDS_VIEW_OF(shmds_spsc_queue_view, queue);
  shmds_spsc_queue_end* own = view->consumer.own;
  const shmds_spsc_queue_step step =
      shmds_spsc_queue_step_out_inline(view, &view->consumer, view->consumer.at, elem_size);
  if (SHMDS_UNLIKELY(!step.slot)) {
    return false;
  }
  pop->element = step.slot;
  pop->own = own;
  pop->next = step.next;
  return true;
}

/** Takes out the element that `shmds_spsc_queue_begin_pop_inline` found. */
SHMDS_INLINE void shmds_spsc_queue_end_pop_inline(shmds_spsc_queue* queue,
                                                  const shmds_spsc_queue_popping* pop) {
  shmds_spsc_queue_view* view = SHMDS_VIEW_OF(shmds_spsc_queue_view, queue);
  shmds_spsc_queue_move_inline(queue, &view->consumer, pop->own, pop->next);
}

/** What of `shmds_spsc_queue_pop` can be done in line; see `shmds_spsc_queue_try_push_inline`. */
SHMDS_INLINE bool shmds_spsc_queue_try_pop_inline(shmds_spsc_queue* queue, void* element,
                                                  size_t elem_size) {
  shmds_spsc_queue_popping pop;
  if (SHMDS_UNLIKELY(!shmds_spsc_queue_begin_pop_inline(queue, elem_size, &pop))) {
    return false;
  }
  memcpy(element, pop.element, elem_size);
  shmds_spsc_queue_end_pop_inline(queue, &pop);
  return true;
}

/** `shmds_spsc_queue_push`. `elem_size` is the queue's, best known to the compiler. */
SHMDS_INLINE shmds_status shmds_spsc_queue_push_inline(shmds_spsc_queue* queue, const void* element,
                                                       size_t elem_size) {
  if (SHMDS_LIKELY(queue && element) &&
      SHMDS_LIKELY(shmds_spsc_queue_try_push_inline(queue, element, elem_size))) {
    return SHMDS_OK;
  }
  return shmds_spsc_queue_push(queue, element);
}

/** `shmds_spsc_queue_pop`. `elem_size` is the queue's, best known to the compiler. */
SHMDS_INLINE shmds_status shmds_spsc_queue_pop_inline(shmds_spsc_queue* queue, void* element,
                                                      size_t elem_size) {
  if (SHMDS_LIKELY(queue && element) &&
      SHMDS_LIKELY(shmds_spsc_queue_try_pop_inline(queue, element, elem_size))) {
    return SHMDS_OK;
  }
  return shmds_spsc_queue_pop(queue, element);
}

/** `shmds_spsc_queue_front`. `elem_size` is the queue's, best known to the compiler. */
SHMDS_INLINE shmds_status shmds_spsc_queue_front_inline(shmds_spsc_queue* queue,
                                                        const void** element, size_t elem_size) {
  if (SHMDS_LIKELY(queue && element)) {
    shmds_spsc_queue_view* view = SHMDS_VIEW_OF(shmds_spsc_queue_view, queue);
    shmds_spsc_queue_side* side = &view->consumer;
    const uint64_t at = side->at;
    const shmds_spsc_queue_step step = shmds_spsc_queue_step_out_inline(view, side, at, elem_size);
    if (SHMDS_LIKELY(step.slot)) {
      side->front = at + 1;
      *element = step.slot;
      return SHMDS_OK;
    }
  }
  return shmds_spsc_queue_front(queue, element);
}

/** `shmds_spsc_queue_release`. */
SHMDS_INLINE shmds_status shmds_spsc_queue_release_inline(shmds_spsc_queue* queue) {
  if (SHMDS_LIKELY(queue)) {
    shmds_spsc_queue_view* view = SHMDS_VIEW_OF(shmds_spsc_queue_view, queue);
    shmds_spsc_queue_side* side = &view->consumer;
    const uint64_t at = side->at;
    /* Not at the last index of a lap. */
    if (SHMDS_LIKELY(side->front == at + 1) &&
        SHMDS_LIKELY((at & view->index_mask) < view->last_index)) {
      shmds_spsc_queue_move_inline(queue, side, side->own, at + 1);
      return SHMDS_OK;
    }
  }
  return shmds_spsc_queue_release(queue);
}

#endif /* SHMDS_INLINE_SPSC_QUEUE_H */
