/* SPDX-License-Identifier: MIT */
/** @file
 * The hot paths of the ring buffer; see shmds_inline.h.
 *
 * Positions count elements since creation. Each side remembers a multiple of the capacity, from
 * which the slot of a position is a difference; that holds whoever moves the position. Where this
 * process may not act (a read-only attachment, a role that it does not hold, a closed segment) the
 * words are those of no ring, at which nothing can be done without the library.
 */
#ifndef SHMDS_INLINE_RING_BUFFER_H
#define SHMDS_INLINE_RING_BUFFER_H

#include "inline_common.h"

/** The slot of a position, if it is in the lap that the side remembers, or begins the next one;
 * otherwise no slot. */
SHMDS_INLINE uint64_t shmds_ring_buffer_index_inline(uint64_t capacity,
                                                     shmds_ring_buffer_side* side, uint64_t at) {
  const uint64_t index = at - side->base;
  if (SHMDS_UNLIKELY(index == capacity)) {
    side->base = at;
    return 0;
  }
  return index;
}

/** Wakes those who sleep for what was just stored, if there are any. */
SHMDS_INLINE void shmds_ring_buffer_wake_inline(shmds_ring_buffer* ring,
                                                const shmds_wait_word* sleepers) {
  /* Not before the store, for the compiler; for the processor, whoever sleeps has seen to it. */
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  if (shmds_has_sleepers_inline(sleepers)) {
    (void)!shmds_ring_buffer_wake(ring);
  }
}

/** How many of `count` elements there is room for, as far as can be told without the library. */
SHMDS_INLINE uint64_t shmds_ring_buffer_room_inline(const shmds_ring_buffer_view* view,
                                                    shmds_ring_buffer_side* side, uint64_t tail,
                                                    uint64_t count) {
  uint64_t room = side->limit - tail;
  if (SHMDS_UNLIKELY(room - 1 >= view->capacity) || SHMDS_UNLIKELY(room < count)) {
    /* Acquire: pairs with the consumer's Release; it has read the slots before its head. */
    const uint64_t head = __atomic_load_n(&side->ends->reader.head, __ATOMIC_ACQUIRE);
    const uint64_t size = tail - head;
    if (SHMDS_UNLIKELY(size >= view->capacity)) {
      return 0;
    }
    side->limit = head + view->capacity;
    room = view->capacity - size;
  }
  return room < count ? room : count;
}

/** Writes elements, from 1 to the capacity, at the tail. False: nothing done, for somebody died in
 * a write, or the tail is in a lap that the side does not know. */
SHMDS_INLINE bool shmds_ring_buffer_write_inline(shmds_ring_buffer* ring, uint64_t tail,
                                                 const void* elements, uint64_t count,
                                                 size_t elem_size) {
  shmds_ring_buffer_view* view = SHMDS_VIEW_OF(shmds_ring_buffer_view, ring);
  shmds_ring_buffer_side* side = &view->producer;
  shmds_ring_buffer_ends* ends = side->ends;
  const uint64_t index = shmds_ring_buffer_index_inline(view->capacity, side, tail);
  if (SHMDS_UNLIKELY(index >= view->capacity) ||
      SHMDS_UNLIKELY(__atomic_load_n(&ends->writer.claim, __ATOMIC_RELAXED) != tail)) {
    return false;
  }
  __atomic_store_n(&ends->writer.claim, tail + count, __ATOMIC_RELAXED);
  /* Release: before the elements are touched, for whoever sees any byte of them. */
  __atomic_thread_fence(__ATOMIC_RELEASE);
  if (__builtin_constant_p(count) && count == 1) {
    shmds_copy_in_inline(view->slots + index * elem_size, elements, elem_size);
  } else {
    const uint64_t rest = view->capacity - index;
    const uint64_t row = count < rest ? count : rest;
    memcpy(view->slots + index * elem_size, elements, row * elem_size);
    if (SHMDS_UNLIKELY(row < count)) {
      memcpy(view->slots, SHMDS_BYTES_OF(const unsigned char, elements) + row * elem_size,
             (count - row) * elem_size);
    }
  }
  /* The linearisation point. Release: whoever sees the position sees the elements. */
  __atomic_store_n(&ends->writer.tail, tail + count, __ATOMIC_RELEASE);
  shmds_ring_buffer_wake_inline(ring, &ends->items);
  return true;
}

/**
 * What of `shmds_ring_buffer_push_bulk` can be done in line: how many elements went in. 0 says
 * nothing; the library has to be asked then.
 *
 * @param ring not NULL
 * @param elements `count` elements
 * @param count at least 1
 * @param elem_size the ring buffer's element size, best known to the compiler
 */
SHMDS_INLINE uint64_t shmds_ring_buffer_try_push_inline(shmds_ring_buffer* ring,
                                                        const void* elements, uint64_t count,
                                                        size_t elem_size) {
  shmds_ring_buffer_view* view = SHMDS_VIEW_OF(shmds_ring_buffer_view, ring);
  shmds_ring_buffer_side* side = &view->producer;
  const uint64_t tail = __atomic_load_n(&side->ends->writer.tail, __ATOMIC_RELAXED);
  const uint64_t room = shmds_ring_buffer_room_inline(view, side, tail, count);
  return room != 0 && shmds_ring_buffer_write_inline(ring, tail, elements, room, elem_size) ? room
                                                                                            : 0;
}

/** What of `shmds_ring_buffer_push_overwrite` can be done in line; see
 * `shmds_ring_buffer_try_push_inline`. */
SHMDS_INLINE bool shmds_ring_buffer_try_push_overwrite_inline(shmds_ring_buffer* ring,
                                                              const void* element,
                                                              size_t elem_size) {
  const shmds_ring_buffer_view* view = SHMDS_VIEW_OF(const shmds_ring_buffer_view, ring);
  const uint64_t tail = __atomic_load_n(&view->producer.ends->writer.tail, __ATOMIC_RELAXED);
  return shmds_ring_buffer_write_inline(ring, tail, element, 1, elem_size);
}

/**
 * What of `shmds_ring_buffer_pop_bulk` can be done in line: how many elements were taken. 0 says
 * nothing; the library has to be asked then. What lies behind those in `elements` is unspecified.
 *
 * Parameters as for `shmds_ring_buffer_try_push_inline`.
 */
SHMDS_INLINE uint64_t shmds_ring_buffer_try_pop_inline(shmds_ring_buffer* ring, void* elements,
                                                       uint64_t count, size_t elem_size) {
  shmds_ring_buffer_view* view = SHMDS_VIEW_OF(shmds_ring_buffer_view, ring);
  shmds_ring_buffer_side* side = &view->consumer;
  shmds_ring_buffer_ends* ends = side->ends;
  const uint64_t head = __atomic_load_n(&ends->reader.head, __ATOMIC_RELAXED);
  /* Acquire: pairs with the producer's Release; the elements before the tail are there. */
  const uint64_t size = __atomic_load_n(&ends->writer.tail, __ATOMIC_ACQUIRE) - head;
  const uint64_t capacity = view->capacity;
  const uint64_t index = shmds_ring_buffer_index_inline(capacity, side, head);
  /* Nothing there; or some of it overwritten. */
  if (SHMDS_UNLIKELY(size - 1 >= capacity) || SHMDS_UNLIKELY(index >= capacity)) {
    return 0;
  }
  if (__builtin_constant_p(count) && count == 1) {
    memcpy(elements, view->slots + index * elem_size, elem_size);
  } else {
    const uint64_t rest = capacity - index;
    uint64_t row = 0;
    count = count < size ? count : size;
    row = count < rest ? count : rest;
    memcpy(elements, view->slots + index * elem_size, row * elem_size);
    if (SHMDS_UNLIKELY(row < count)) {
      memcpy(SHMDS_BYTES_OF(unsigned char, elements) + row * elem_size, view->slots,
             (count - row) * elem_size);
    }
  }
  /* Acquire: a byte of a later element among these would show in the claim. */
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  if (SHMDS_UNLIKELY(__atomic_load_n(&ends->writer.claim, __ATOMIC_RELAXED) - head > capacity)) {
    return 0;
  }
  /* The linearisation point. Release: the slots are read before the producer sees the head. */
  __atomic_store_n(&ends->reader.head, head + count, __ATOMIC_RELEASE);
  shmds_ring_buffer_wake_inline(ring, &ends->space);
  return count;
}

/** `shmds_ring_buffer_push`. `elem_size` is the ring buffer's, best known to the compiler. */
SHMDS_INLINE shmds_status shmds_ring_buffer_push_inline(shmds_ring_buffer* ring,
                                                        const void* element, size_t elem_size) {
  if (SHMDS_LIKELY(ring && element) &&
      SHMDS_LIKELY(shmds_ring_buffer_try_push_inline(ring, element, 1, elem_size) != 0)) {
    return SHMDS_OK;
  }
  return shmds_ring_buffer_push(ring, element);
}

/** `shmds_ring_buffer_push_overwrite`. `elem_size` is the ring buffer's, best known to the
 * compiler. */
SHMDS_INLINE shmds_status shmds_ring_buffer_push_overwrite_inline(shmds_ring_buffer* ring,
                                                                  const void* element,
                                                                  size_t elem_size) {
  if (SHMDS_LIKELY(ring && element) &&
      SHMDS_LIKELY(shmds_ring_buffer_try_push_overwrite_inline(ring, element, elem_size))) {
    return SHMDS_OK;
  }
  return shmds_ring_buffer_push_overwrite(ring, element);
}

/** `shmds_ring_buffer_pop`. `elem_size` is the ring buffer's, best known to the compiler. */
SHMDS_INLINE shmds_status shmds_ring_buffer_pop_inline(shmds_ring_buffer* ring, void* element,
                                                       size_t elem_size) {
  if (SHMDS_LIKELY(ring && element) &&
      SHMDS_LIKELY(shmds_ring_buffer_try_pop_inline(ring, element, 1, elem_size) != 0)) {
    return SHMDS_OK;
  }
  return shmds_ring_buffer_pop(ring, element);
}

/** `shmds_ring_buffer_push_bulk`. `elem_size` is the ring buffer's, best known to the compiler. */
SHMDS_INLINE shmds_status shmds_ring_buffer_push_bulk_inline(shmds_ring_buffer* ring,
                                                             const void* elements, size_t count,
                                                             size_t elem_size, size_t* pushed) {
  if (SHMDS_LIKELY(ring && elements && count > 0 && pushed)) {
    const uint64_t number = shmds_ring_buffer_try_push_inline(ring, elements, count, elem_size);
    if (SHMDS_LIKELY(number != 0)) {
      *pushed = number;
      return SHMDS_OK;
    }
  }
  return shmds_ring_buffer_push_bulk(ring, elements, count, pushed);
}

/** `shmds_ring_buffer_pop_bulk`. `elem_size` is the ring buffer's, best known to the compiler. */
SHMDS_INLINE shmds_status shmds_ring_buffer_pop_bulk_inline(shmds_ring_buffer* ring, void* elements,
                                                            size_t count, size_t elem_size,
                                                            size_t* popped) {
  if (SHMDS_LIKELY(ring && elements && count > 0 && popped)) {
    const uint64_t number = shmds_ring_buffer_try_pop_inline(ring, elements, count, elem_size);
    if (SHMDS_LIKELY(number != 0)) {
      *popped = number;
      return SHMDS_OK;
    }
  }
  return shmds_ring_buffer_pop_bulk(ring, elements, count, popped);
}

#endif /* SHMDS_INLINE_RING_BUFFER_H */
